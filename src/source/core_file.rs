//! ELF core files: the kernel's, and those of gdb's `gcore`.
//!
//! The file is mapped, and only what an analysis asks for is touched: a core of many gigabytes, sparse
//! or not, costs what is read of it. Bytes that were not stored (`p_filesz` below `p_memsz`) are
//! unknown, not zero: by default the kernel leaves out the pages of files (core(5), `coredump_filter`).
//!
//! Invariant: no count, length or position in the file is trusted; nothing grows beyond a small multiple
//! of the file's headers and notes.

mod error;
mod header;
mod notes;
mod process;

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

pub use error::CoreError;
use header::{Bytes, PF_R, PF_W, PF_X, PT_LOAD, PT_NOTE, Segment, read_segments};
use notes::CoreNotes;

use super::blocks::{Block, BlockMemory};
use super::images::find_modules;
use super::mapped::map_file;
use super::maps::Mapping;
use super::streams::{Context, SignalContext};
use super::{Facts, Memory, Recorded, Target, Thread};
use crate::addr::{Addr, AddrRange};
use crate::notes::Notes;

/// Where the vDSO begins (getauxval(3)).
const AT_SYSINFO_EHDR: u64 = 33;

/// A core, opened.
pub struct CoreFile {
    memory: BlockMemory<Mmap>,
    facts: Facts,
}

impl CoreFile {
    /// Opens a core. What is missing or damaged in it becomes a note in [`Target::context`].
    ///
    /// # Errors
    /// Where the file cannot be read or is not a core of x86_64, or not even its headers are there.
    pub fn open(path: &Path) -> Result<CoreFile, CoreError> {
        let file = File::open(path).map_err(|source| CoreError::Io {
            path: path.to_path_buf(),
            source,
        })?;
        CoreFile::from_file(path, &file, &Notes::new())
    }

    /// The same for a file that is open; `path` is for messages. `notes` is what happened before, for
    /// instance when it was unpacked.
    ///
    /// # Errors
    /// As [`CoreFile::open`].
    pub fn from_file(path: &Path, file: &File, notes: &Notes) -> Result<CoreFile, CoreError> {
        let io = |source| CoreError::Io {
            path: path.to_path_buf(),
            source,
        };
        let data = map_file(file).map_err(io)?;
        CoreFile::from_bytes(path.to_path_buf(), data, notes)
    }

    fn from_bytes(path: PathBuf, data: Mmap, notes: &Notes) -> Result<CoreFile, CoreError> {
        let segments = read_segments(&path, &data)?;
        note_length(&segments, data.len() as u64, notes);
        let mut core = CoreNotes::default();
        for segment in segments.iter().filter(|segment| segment.kind == PT_NOTE) {
            core.add(Bytes(&data).part(segment.offset, segment.file_size));
        }
        core.complete_crash();
        if core.is_damaged {
            notes.push(
                "input",
                "the notes of the core are cut short or damaged",
                "threads, the signal or modules may be missing",
                "copy the file again",
            );
        }
        let loads: Vec<Segment> = segments.into_iter().filter(|s| s.kind == PT_LOAD).collect();
        let blocks = loads.iter().map(|segment| Block {
            range: AddrRange::new(segment.range.start, segment.file_size.min(segment.range.len())),
            offset: usize::try_from(segment.offset).unwrap_or(usize::MAX),
        });
        let memory = BlockMemory::new(data, blocks.collect());
        let mappings = mappings(&core, loads);
        let modules = find_modules(&memory, &mappings, notes);
        let context = context(&memory, &core, notes);
        Ok(CoreFile {
            memory,
            facts: Facts {
                threads: threads(&core, context.process.pid),
                modules,
                mappings,
                crash: core.crash,
                context,
                recorded: Recorded::default(),
            },
        })
    }

    /// What memory it holds, by address; ranges may touch but do not overlap.
    pub fn memory_ranges(&self) -> impl Iterator<Item = AddrRange> {
        self.memory.blocks().iter().map(|block| block.range)
    }
}

impl Target for CoreFile {
    fn memory(&self) -> &dyn Memory {
        &self.memory
    }
    fn facts(&self) -> &Facts {
        &self.facts
    }
}

fn note_length(segments: &[Segment], len: u64, notes: &Notes) {
    let ends = segments.iter().map(|s| s.offset.saturating_add(s.file_size));
    let wanted = ends.max().unwrap_or_default();
    if wanted > len {
        notes.push(
            "input",
            format!("the core is cut short: {len} of {wanted} bytes are there"),
            "memory in the missing part is not known: stacks may be missing or end early",
            "raise the limit on core files (ulimit -c unlimited, ProcessSizeMax= of systemd-coredump), or copy it again",
        );
    }
}

/// The main thread first, the others in the order of their ids, which is that of the kernel's list
/// unless ids have wrapped around; in the file, the thread that died comes first.
fn threads(core: &CoreNotes, pid: u32) -> Vec<Thread> {
    let mut threads: Vec<Thread> = core
        .threads
        .iter()
        .map(|status| Thread {
            tid: status.tid,
            name: None,
            registers: status.registers,
        })
        .collect();
    threads.sort_by_key(|thread| (thread.tid != pid, thread.tid));
    threads.dedup_by_key(|thread| thread.tid);
    threads
}

/// What is mapped, by address: the mapped files with the permissions that the program headers state, the
/// other memory, and the vDSO by its name.
fn mappings(core: &CoreNotes, mut loads: Vec<Segment>) -> Vec<Mapping> {
    loads.sort_by_key(|segment| segment.range.start);
    let flags = |start: Addr| {
        let after = loads.partition_point(|segment| segment.range.start <= start);
        let segment = loads.get(after.checked_sub(1)?)?;
        segment.range.contains(start).then_some(segment.flags)
    };
    let mapping = |range: AddrRange, flags: u32, offset, path: &str, inode| Mapping {
        range,
        read: flags & PF_R != 0,
        write: flags & PF_W != 0,
        execute: flags & PF_X != 0,
        private: true,
        offset,
        file: (path.to_string(), inode),
        path: path.to_string(),
    };
    let mut list: Vec<Mapping> = core
        .files
        .iter()
        .map(|file| {
            // gdb leaves out the headers of what it does not store: it may be code.
            let flags = flags(file.range.start).unwrap_or(PF_R | PF_X);
            mapping(file.range, flags, file.offset, &file.path, 1)
        })
        .collect();
    list.sort_by_key(|mapping| mapping.range.start);
    let is_of_file = |start: Addr| {
        let after = list.partition_point(|mapping| mapping.range.start <= start);
        let last = after.checked_sub(1).and_then(|index| list.get(index));
        last.is_some_and(|mapping| mapping.range.contains(start))
    };
    let vdso = core.auxiliary(AT_SYSINFO_EHDR).map(Addr);
    let others: Vec<Mapping> = loads
        .iter()
        .filter(|segment| !segment.range.is_empty() && !is_of_file(segment.range.start))
        .map(|segment| {
            let is_vdso = Some(segment.range.start) == vdso;
            let path = if is_vdso { "[vdso]" } else { "" };
            mapping(segment.range, segment.flags, 0, path, 0)
        })
        .collect();
    list.extend(others);
    list.sort_by_key(|mapping| mapping.range.start);
    list
}

fn context(memory: &dyn Memory, core: &CoreNotes, notes: &Notes) -> Context {
    let fs_base = core
        .threads
        .iter()
        .filter_map(|thread| Some((thread.tid, thread.registers?.fs_base?)));
    Context {
        process: process::describe(memory, core),
        fs_base: fs_base.collect(),
        signal: core.crash.as_ref().map(|crash| SignalContext {
            tid: crash.tid,
            number: crash.signal,
            code: crash.code,
            address: crash.address,
            sender: crash.sender,
        }),
        trigger: if core.crash.is_some() {
            "signal".to_string()
        } else {
            String::new()
        },
        notes: notes.to_vec(),
        ..Context::default()
    }
}
