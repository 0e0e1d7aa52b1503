//! Writing the dump file.
//!
//! Of minidump-writer only what lays out a file is used (`mem_writer`, and the structures of
//! `minidump_format` and `minidump_cpu`). Its attach stops the program with SIGSTOP and waits without a limit, its
//! thread list takes whole mappings as stacks and needs ptrace, one unreadable range aborts it, and
//! it keeps the dump in memory; docs/architecture.md says more.
//!
//! The order in the file is: who and where (system, threads, exception, modules, names), our own small
//! streams, the process's memory, then what is nice to have. The directory entry of a stream is filled
//! in when the stream is complete, so a dump that was cut short is a smaller dump.
//!
//! Invariant: nothing here asks the operating system about the process; all facts are in [`DumpContents`].

mod file;
mod layout;
mod streams;

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use minidump_writer::mem_writer::MemoryWriterError;

use super::select::Selection;
use crate::addr::{Addr, AddrRange};
use crate::source::maps::Mapping;
use crate::source::runs::{self, RunsError};
use crate::source::streams::{
    Context, RecordedLayout, RecordedRedaction, RecordedSources, RecordedStack, RecordedSymbols, stream_type,
};
use crate::source::variables::{RecordedStructures, RecordedVariables};
use crate::source::{Crash, Memory, Modules, Thread};
use file::PartFile;
use layout::Layout;

pub use file::dump_name;

/// Everything that goes into a dump.
pub struct DumpContents<'a> {
    /// The threads; for the crashed one the registers at the fault.
    pub threads: &'a [Thread],
    /// What killed it; `None` for a hang or a dump on demand.
    pub crash: Option<&'a Crash>,
    /// The images.
    pub modules: &'a Modules,
    /// What is mapped where.
    pub mappings: &'a [Mapping],
    /// The text of `/proc/PID/maps`, which some readers want; may be empty.
    pub maps_text: &'a str,
    /// Where the bytes come from.
    pub memory: &'a dyn Memory,
    /// Which bytes.
    pub selection: &'a Selection,
    /// See [`Context`].
    pub context: &'a Context,
    /// See [`RecordedLayout`].
    pub layout: Option<&'a RecordedLayout>,
    /// See [`RecordedSymbols`].
    pub symbols: &'a RecordedSymbols,
    /// See [`RecordedSources`].
    pub sources: &'a RecordedSources,
    /// Frame lists of the threads whose stack memory was not kept whole.
    pub stacks: &'a [RecordedStack],
    /// What redaction left out.
    pub redaction: &'a RecordedRedaction,
    /// What is written as zeros, `redaction.zeroed` included; normal ([`crate::source::ranges`]).
    pub zeroed: &'a [AddrRange],
    /// Variables of native frames.
    pub variables: &'a [RecordedVariables],
    /// Structures of Python types written in C.
    pub structures: &'a RecordedStructures,
}

/// A dump that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenDump {
    /// The file; not the path asked for where that was taken.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Ranges that could not be read any more when they were written, and are not in the dump.
    pub lost_ranges: usize,
}

/// Why a dump could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file cannot be made, written or renamed.
    #[error("{path}: cannot be written: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Too many dumps of that name.
    #[error("{path}: exists, and so do the next {tried} names; remove old dumps")]
    NoName {
        /// The file asked for.
        path: PathBuf,
        /// How many names were tried.
        tried: u32,
    },
    /// Positions in a minidump have 32 bits.
    #[error("the dump would be longer than 4 GiB ({0} bytes so far)")]
    TooLong(u64),
    /// A structure could not be put into bytes.
    #[error("a minidump structure could not be written: {0}")]
    Structure(#[from] MemoryWriterError),
    /// One of our own streams could not be put into bytes.
    #[error("a stream could not be written: {0}")]
    Json(#[from] serde_json::Error),
    /// The frame lists could not be put into bytes.
    #[error(transparent)]
    Runs(#[from] RunsError),
}

/// Writes a dump to `path`, or where that is taken to `NAME-1.dmp` and so on: first as `NAME.dmp.part`,
/// readable by its owner only, then synced and renamed. On failure nothing is left behind.
///
/// # Errors
/// Where the file cannot be written; what is missing from the process is none.
pub fn write_dump(path: &Path, contents: &DumpContents<'_>) -> Result<WrittenDump, WriteError> {
    let part = PartFile::create(path)?;
    let lost_ranges = write_streams(part.file(), contents).map_err(|error| match error {
        StreamError::Io(source) => WriteError::Io {
            path: part.path().to_path_buf(),
            source,
        },
        StreamError::Other(error) => error,
    })?;
    let (path, bytes) = part.finish()?;
    Ok(WrittenDump {
        path,
        bytes,
        lost_ranges,
    })
}

/// An error without the name of the file.
#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Other(#[from] WriteError),
}

impl From<MemoryWriterError> for StreamError {
    fn from(error: MemoryWriterError) -> StreamError {
        StreamError::Other(error.into())
    }
}

impl From<serde_json::Error> for StreamError {
    fn from(error: serde_json::Error) -> StreamError {
        StreamError::Other(error.into())
    }
}

/// How many directory entries there is room for; one more than there are streams would be harmless.
const STREAMS: u32 = 16;

fn write_streams(file: &std::fs::File, contents: &DumpContents<'_>) -> Result<usize, StreamError> {
    let time = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let mut out = Layout::begin(file, STREAMS, time as u32)?;
    streams::system_info(&mut out, &contents.context.process)?;
    let threads = streams::thread_list(&mut out, contents)?;
    streams::exception(&mut out, contents, &threads)?;
    streams::module_list(
        &mut out,
        contents.modules,
        Path::new(&contents.context.process.executable),
    )?;
    streams::thread_names(&mut out, contents.threads)?;
    streams::misc_info(&mut out, contents)?;

    out.raw_stream(stream_type::CONTEXT, &serde_json::to_vec(contents.context)?)?;
    if let Some(layout) = contents.layout {
        out.raw_stream(stream_type::LAYOUT, &serde_json::to_vec(layout)?)?;
    }
    if !contents.stacks.is_empty() {
        out.raw_stream(
            stream_type::STACKS,
            &runs::encode(contents.stacks).map_err(WriteError::from)?,
        )?;
    }

    if !contents.redaction.is_empty() {
        out.raw_stream(stream_type::REDACTED, &serde_json::to_vec(contents.redaction)?)?;
    }

    let lost = streams::memory(&mut out, contents, &threads)?;

    if !contents.symbols.is_empty() {
        out.raw_stream(stream_type::SYMBOLS, &serde_json::to_vec(contents.symbols)?)?;
    }
    if !contents.variables.is_empty() {
        out.raw_stream(stream_type::VARIABLES, &serde_json::to_vec(contents.variables)?)?;
    }
    if !contents.structures.is_empty() {
        out.raw_stream(stream_type::STRUCTURES, &serde_json::to_vec(contents.structures)?)?;
    }
    if !contents.sources.is_empty() {
        out.raw_stream(stream_type::SOURCES, &serde_json::to_vec(contents.sources)?)?;
    }
    streams::memory_info(&mut out, contents.mappings)?;
    if !contents.maps_text.is_empty() {
        out.raw_stream(streams::LINUX_MAPS, contents.maps_text.as_bytes())?;
    }
    out.finish()?;
    Ok(lost)
}

/// Where in the memory of the process a stack is kept, and where its thread's row lies in the file.
struct ThreadRow {
    tid: u32,
    /// Position of the `stack` member of the row.
    stack_field: u64,
    /// Position and length of the registers, zero where they are not known.
    context: (u32, u32),
    /// The stack pointer, for a row without stack.
    sp: Addr,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::fake::{FakeMemory, FakeTarget};
    use crate::source::{DumpFile, MemoryExt, Target};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn threads_without_ptrace_and_lost_ranges() {
        let folder = std::env::temp_dir().join(format!("coldframe-write-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        // As where ptrace is denied: only the handler's registers are known.
        let registers = crate::source::Registers {
            dwarf: [7; 17],
            ..crate::source::Registers::default()
        };
        let threads = [
            Thread {
                tid: 5,
                name: Some("main".into()),
                registers: None,
            },
            Thread {
                tid: 6,
                name: None,
                registers: Some(registers),
            },
            Thread {
                tid: 7,
                name: Some("wörker".into()),
                registers: None,
            },
        ];
        let crash = Crash {
            tid: 6,
            signal: 6,
            code: -6,
            address: Addr(5),
            sender: None,
        };
        let memory = FakeMemory::new().with(Addr(0x1000), vec![3; 0x20_000]);
        let selection = Selection {
            ranges: vec![
                AddrRange::new(Addr(0x1000), 0x1_8000),
                AddrRange::new(Addr(0x90_0000), 8),
            ],
            stacks: [(6, AddrRange::new(Addr(0x2000), 64))].into(),
        };
        let target = FakeTarget::default();
        let contents = DumpContents {
            threads: &threads,
            crash: Some(&crash),
            modules: target.modules(),
            mappings: &[],
            maps_text: "",
            memory: &memory,
            selection: &selection,
            context: target.context(),
            layout: None,
            symbols: &target.facts.recorded.symbols,
            sources: &target.facts.recorded.sources,
            stacks: &[],
            redaction: &target.recorded().redaction,
            zeroed: &[AddrRange::new(Addr(0x1100), 0x10), AddrRange::new(Addr(0x1_0ff0), 0x20)],
            variables: &[],
            structures: &target.recorded().structures,
        };
        let written = write_dump(&folder.join("x.dmp"), &contents).unwrap();
        assert_eq!(written.lost_ranges, 1);
        let dump = DumpFile::open(&written.path).unwrap();
        assert_eq!(dump.crash(), Some(&crash));
        assert_eq!(dump.threads().len(), 3);
        for (a, b) in threads.iter().zip(dump.threads()) {
            assert_eq!((a.tid, &a.name, a.registers), (b.tid, &b.name, b.registers));
        }
        assert_eq!(dump.memory().read_vec(Addr(0x1000), 0x1_8000).unwrap(), {
            let mut bytes = vec![3; 0x1_8000];
            bytes[0x100..0x110].fill(0);
            bytes[0xfff0..0x1_0010].fill(0);
            bytes
        });
        assert!(dump.memory().read_u8(Addr(0x90_0000)).is_err());
        assert_eq!(
            std::fs::metadata(&written.path).unwrap().permissions().mode() & 0o777,
            0o600
        );

        // A part file that another capture left does not stop this one.
        std::fs::write(folder.join("x-1.dmp.part"), "").unwrap();
        assert_eq!(
            write_dump(&folder.join("x.dmp"), &contents).unwrap().path,
            folder.join("x-2.dmp")
        );
        let missing = folder.join("none").join("x.dmp");
        assert!(matches!(write_dump(&missing, &contents), Err(WriteError::Io { .. })));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
