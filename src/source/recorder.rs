//! Remembers what was read.

use std::cell::RefCell;

use super::memory::{Memory, ReadError};
use super::ranges;
use crate::addr::{Addr, AddrRange};

/// A memory that keeps the exact ranges of all successful reads.
///
/// A dump that holds these ranges answers every later read as this memory did. A read that failed
/// here fails there too: at least one of its bytes could not be read, so no successful read covers
/// that byte. This needs an inner memory that gives the same answer twice, which
/// [`super::PageCache`] sees to.
pub struct Recorder<'a> {
    inner: &'a dyn Memory,
    log: RefCell<Log>,
}

/// The reads so far, in the groups that [`Recorder::begin_group`] separates.
#[derive(Default)]
struct Log {
    finished: Vec<Vec<AddrRange>>,
    current: Vec<AddrRange>,
    /// Length of `current` at which it is compacted: twice its length after the last time, so that
    /// the cost stays that of sorting once.
    compact_at: usize,
}

/// The least length at which a group is compacted.
const COMPACT_MIN: usize = 16 * 1024;

impl<'a> Recorder<'a> {
    /// Records the reads from `inner`.
    pub fn new(inner: &'a dyn Memory) -> Recorder<'a> {
        Recorder {
            inner,
            log: RefCell::default(),
        }
    }

    /// Ends a group of reads and begins the next. Groups are in order of importance: where a byte
    /// budget does not allow all, the last ones lose.
    pub fn begin_group(&self) {
        let log = &mut *self.log.borrow_mut();
        let mut group = std::mem::take(&mut log.current);
        ranges::normalize(&mut group);
        log.finished.push(group);
        log.compact_at = 0;
    }

    /// What was read, merged where ranges overlap or touch, and sorted.
    pub fn ranges(&self) -> Vec<AddrRange> {
        let mut all = self.groups().concat();
        ranges::normalize(&mut all);
        all
    }

    /// What was read, by group; each group is merged and sorted. Groups may overlap each other.
    pub fn groups(&self) -> Vec<Vec<AddrRange>> {
        let log = &mut *self.log.borrow_mut();
        ranges::normalize(&mut log.current);
        let mut groups = log.finished.clone();
        groups.push(log.current.clone());
        groups
    }
}

impl Memory for Recorder<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.inner.read(addr, buf)?;
        self.log.borrow_mut().add(AddrRange::new(addr, buf.len() as u64));
        Ok(())
    }

    fn peek(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.inner.peek(addr, buf)
    }
}

impl Log {
    fn add(&mut self, range: AddrRange) {
        // Most reads are of the structure read last, or of the bytes just after.
        if let Some(last) = self.current.last_mut()
            && range.start >= last.start
            && range.start <= last.end
        {
            last.end = last.end.max(range.end);
            return;
        }
        self.current.push(range);
        if self.current.len() >= self.compact_at.max(COMPACT_MIN) {
            ranges::normalize(&mut self.current);
            self.compact_at = self.current.len().saturating_mul(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemoryExt;
    use crate::source::fake::FakeMemory;

    #[test]
    fn keeps_successful_reads_only() {
        let memory = FakeMemory::new()
            .with(Addr(0x1000), vec![7; 64])
            .with(Addr(0x2000), vec![8; 64]);
        let recorder = Recorder::new(&memory);
        assert!(recorder.read_u64(Addr(0x1008)).is_ok());
        assert!(recorder.read_u64(Addr(0x1010)).is_ok());
        assert!(recorder.read_u8(Addr(0x1001)).is_ok());
        assert!(recorder.read_u64(Addr(0x103c)).is_err());
        assert!(super::super::Peek(&recorder).read_u64(Addr(0x1020)).is_ok());
        recorder.begin_group();
        assert!(recorder.read_u32(Addr(0x2000)).is_ok());
        let range = |start, len| AddrRange::new(Addr(start), len);
        assert_eq!(
            recorder.ranges(),
            [range(0x1001, 1), range(0x1008, 16), range(0x2000, 4)]
        );
        assert_eq!(recorder.groups().len(), 2);
        assert_eq!(recorder.groups()[1], [range(0x2000, 4)]);
    }

    #[test]
    fn a_million_scattered_reads_stay_small() {
        let memory = FakeMemory::new().with(Addr(0), vec![0; 1 << 20]);
        let recorder = Recorder::new(&memory);
        for i in 0..1_000_000u64 {
            let addr = (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) & !7;
            recorder.read_u64(Addr(addr)).unwrap();
        }
        assert!(recorder.log.borrow().current.len() < 300_000);
        assert!(recorder.ranges().len() <= 1 << 17);
    }
}
