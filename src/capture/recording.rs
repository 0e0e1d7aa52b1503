//! The stopped process as the recorded analysis sees it: reads are kept, and end when time is up.

use std::cell::Cell;
use std::time::Instant;

use crate::addr::{Addr, AddrRange};
use crate::source::{Facts, LiveProcess, Memory, ReadError, Recorder, Target};

/// The clock is asked once in this many reads.
const READS_PER_CHECK: u32 = 256;

/// A stopped process whose memory remembers what was read.
pub struct RecordingTarget<'a> {
    process: &'a LiveProcess,
    memory: TimedRecorder<'a>,
}

impl<'a> RecordingTarget<'a> {
    /// Reads succeed until `deadline`; then walkers find nothing more, and come back with what they have. What no dump
    /// may hold is not read at all: a report made from it could not be made from the dump.
    pub fn new(process: &'a LiveProcess, deadline: Instant) -> RecordingTarget<'a> {
        let memory = TimedRecorder {
            recorder: Recorder::new(process.memory()),
            private: process.private_ranges(),
            deadline,
            reads: Cell::new(0),
            is_over: Cell::new(false),
        };
        RecordingTarget { process, memory }
    }

    /// What was read.
    pub fn recorder(&self) -> &Recorder<'a> {
        &self.memory.recorder
    }

    /// Whether time ran out.
    pub fn is_over(&self) -> bool {
        self.memory.is_over.get()
    }
}

impl Target for RecordingTarget<'_> {
    fn memory(&self) -> &dyn Memory {
        &self.memory
    }
    fn facts(&self) -> &Facts {
        self.process.facts()
    }
}

struct TimedRecorder<'a> {
    recorder: Recorder<'a>,
    private: &'a [AddrRange],
    deadline: Instant,
    reads: Cell<u32>,
    is_over: Cell<bool>,
}

impl Memory for TimedRecorder<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.check(addr, buf)?;
        self.recorder.read(addr, buf)
    }

    fn peek(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.check(addr, buf)?;
        self.recorder.peek(addr, buf)
    }
}

impl TimedRecorder<'_> {
    fn check(&self, addr: Addr, buf: &[u8]) -> Result<(), ReadError> {
        let end = addr.add(buf.len() as u64);
        let is_private = self.private.iter().any(|range| addr < range.end && range.start < end);
        let reads = self.reads.get().wrapping_add(1);
        self.reads.set(reads);
        if reads.is_multiple_of(READS_PER_CHECK) && Instant::now() >= self.deadline {
            self.is_over.set(true);
        }
        match is_private || self.is_over.get() {
            true => Err(ReadError {
                addr,
                len: buf.len() as u64,
            }),
            false => Ok(()),
        }
    }
}
