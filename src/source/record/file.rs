//! A record as a process that can be analysed.

use std::fs::File;
use std::mem::size_of;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use coldframe_handler::wire::{FixedRecord, RECORD_MAPS_SIZE};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::images::{Block, Content, file_blocks};
use super::{Record, RecordError, is_record};
use crate::addr::{Addr, AddrRange};
use crate::notes::Notes;
use crate::source::images::find_modules;
use crate::source::maps::{Mapping, parse_maps};
use crate::source::memory::{Memory, ReadError};
use crate::source::streams::{Context, ProcessContext, SignalContext};
use crate::source::{Facts, Recorded, Target, Thread};

/// Why a record cannot be analysed.
#[derive(Debug, thiserror::Error)]
pub enum RecordFileError {
    /// The file cannot be read.
    #[error("{path}: cannot be read: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It can, and makes no sense.
    #[error("{path}: {source}")]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: RecordError,
    },
}

/// A record, opened.
pub struct RecordFile {
    memory: RecordMemory,
    facts: Facts,
}

impl RecordFile {
    /// Whether a file that begins with these bytes is a record.
    #[must_use]
    pub fn is_one(start: &[u8]) -> bool {
        is_record(start)
    }

    /// Reads a record from an open file; `path` is for messages. What it lacks becomes a note in
    /// [`Target::context`], where `notes`, of what happened before, go, too.
    ///
    /// # Errors
    /// Where the file cannot be read or is not a whole record of this version.
    pub fn from_file(path: &Path, file: &File, notes: &Notes) -> Result<RecordFile, RecordFileError> {
        let mut bytes = vec![0; size_of::<FixedRecord>()];
        let read = read_start(file, &mut bytes).map_err(|source| RecordFileError::Io {
            path: path.to_path_buf(),
            source,
        })?;
        bytes.truncate(read);
        let record = Record::parse(&bytes).map_err(|source| RecordFileError::Record {
            path: path.to_path_buf(),
            source,
        })?;
        let mut file = RecordFile::new(&record);
        file.facts.context.notes.extend(notes.to_vec());
        Ok(file)
    }

    fn new(record: &Record) -> RecordFile {
        let notes = Notes::new();
        notes.push(
            "capture",
            format!("there is no dump: {}", record.reason()),
            "one thread, no Python frames, and native frames only as far as 16 KiB of stack go",
            record.remedy(),
        );
        let request = &record.request;
        let mappings = parse_maps(&String::from_utf8_lossy(&record.maps));
        if record.maps.len() >= RECORD_MAPS_SIZE {
            notes.push(
                "capture",
                "the list of mappings was longer than a record holds",
                "images with higher addresses are missing",
                "",
            );
        }
        let (mut blocks, unused) = file_blocks(&mappings, request.realtime_ns);
        note_unused(&unused, &notes);
        blocks.push(Block {
            range: AddrRange::new(Addr(record.stack_address), record.stack.len() as u64),
            content: Content::Bytes(record.stack.clone()),
        });
        blocks.sort_by_key(|block| block.range.start);
        let memory = RecordMemory { blocks };
        let modules = find_modules(&memory, &mappings, &notes);
        let (crash, registers) = (request.crash(), request.registers());
        let context = Context {
            version: 1,
            trigger: "signal".into(),
            process: process(record, &mappings),
            signal: Some(SignalContext {
                tid: crash.tid,
                number: crash.signal,
                code: crash.code,
                address: crash.address,
                sender: crash.sender,
            }),
            fs_base: registers.fs_base.map(|base| (crash.tid, base)).into_iter().collect(),
            notes: notes.to_vec(),
            ..Context::default()
        };
        RecordFile {
            memory,
            facts: Facts {
                threads: vec![Thread {
                    tid: crash.tid,
                    name: None,
                    registers: Some(registers),
                }],
                modules,
                mappings,
                crash: Some(crash),
                context,
                recorded: Recorded {
                    // Nothing of the interpreter is in it.
                    is_complete: true,
                    ..Recorded::default()
                },
            },
        }
    }
}

fn read_start(file: &File, buf: &mut [u8]) -> std::io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = buf.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, read as u64)? {
            0 => break,
            count => read += count,
        }
    }
    Ok(read)
}

fn note_unused(unused: &[String], notes: &Notes) {
    let [first, ..] = unused else { return };
    notes.push(
        "modules",
        format!(
            "{} of the mapped files are not on this machine as they were, beginning with {first}",
            unused.len()
        ),
        "a record has no build ids to find others by; stacks are followed through those images by guessing, without names",
        "analyse the record on the machine and in the container where it was written, before anything is updated",
    );
}

fn process(record: &Record, mappings: &[Mapping]) -> ProcessContext {
    let request = &record.request;
    // The kernel maps the executable first.
    let executable = mappings.iter().find(|mapping| mapping.file.1 != 0);
    let crash_time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(request.realtime_ns / 1_000_000 * 1_000_000));
    ProcessContext {
        pid: request.pid.unsigned_abs(),
        command: vec![request.program.clone()],
        executable: executable.map(|mapping| mapping.path.clone()).unwrap_or_default(),
        crash_time: crash_time.ok().and_then(|time| time.format(&Rfc3339).ok()),
        arch: Some("x86_64".into()),
        ..ProcessContext::default()
    }
}

/// What there is of the process's memory, by address.
struct RecordMemory {
    blocks: Vec<Block>,
}

impl Memory for RecordMemory {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let error = ReadError {
            addr,
            len: buf.len() as u64,
        };
        let mut done = 0;
        while done < buf.len() {
            let at = addr.0.checked_add(done as u64).map(Addr).ok_or(error)?;
            let after = self.blocks.partition_point(|block| block.range.start <= at);
            let block = after.checked_sub(1).and_then(|index| self.blocks.get(index));
            let bytes = block.and_then(|block| block.from(at)).filter(|bytes| !bytes.is_empty());
            let bytes = bytes.ok_or(error)?;
            let step = bytes.len().min(buf.len() - done);
            let (to, from) = (buf.get_mut(done..done + step), bytes.get(..step));
            to.ok_or(error)?.copy_from_slice(from.ok_or(error)?);
            done += step;
        }
        Ok(())
    }
}

impl Target for RecordFile {
    fn memory(&self) -> &dyn Memory {
        &self.memory
    }
    fn facts(&self) -> &Facts {
        &self.facts
    }
}
