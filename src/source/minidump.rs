//! Minidump files: ours, and those that Breakpad, Crashpad, minidump-writer and lldb make.
//!
//! The crate `minidump` reads the directory and the registers. The lists of threads, modules, names and
//! memory are read here, row by row: the crate gives up a whole list for one bad row, drops memory
//! that overlaps, and reads names without a bound. The format is that of minidumpapiset.h, as
//! minidump-common has it.
//!
//! Invariant: no count, length or position in the file is trusted; nothing grows beyond a small multiple
//! of the file's length.

pub(super) mod error;
mod modules;
mod raw;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use minidump::{Minidump, MinidumpContext, MinidumpException, MinidumpMiscInfo, MinidumpSystemInfo};
use serde::de::DeserializeOwned;

pub use error::DumpError;
use raw::{Raw, amd64_registers, stream, whole_context};

use super::blocks::{Block, BlockMemory, without};
use super::mapped::map_file;
use super::maps::{Mapping, parse_maps};
use super::streams::{Context, SignalContext, stream_type};
use super::{Crash, Facts, Memory, Recorded, Registers, Target, Thread, runs};
use crate::addr::{Addr, AddrRange};
use crate::notes::Notes;

/// The most streams a dump may have; ours has 17.
const MAX_STREAMS: u32 = 4096;
/// The most threads that are taken from a dump.
const MAX_THREADS: usize = 65_536;
/// The longest thread name in UTF-16 units; the kernel allows 15, other systems more.
const MAX_THREAD_NAME: usize = 256;
/// The largest of our own streams that is parsed: parsed JSON takes several times its length.
const MAX_JSON: usize = 64 << 20;
/// `exception_code` of a dump of a process that lives on (minidump-common, `DUMP_REQUESTED`).
const DUMP_REQUESTED: u32 = 0xffff_ffff;
/// The text of `/proc/PID/maps` (minidump-common, `LinuxMaps`).
const LINUX_MAPS: u32 = 0x4767_0009;

/// A minidump, opened.
pub struct DumpFile {
    path: PathBuf,
    memory: BlockMemory<Mmap>,
    facts: Facts,
    is_ours: bool,
}

impl DumpFile {
    /// Opens a minidump. What is missing or damaged in it becomes a note in [`Target::context`].
    ///
    /// # Errors
    /// Where the file cannot be read, is not a minidump, or not even its directory is there.
    pub fn open(path: &Path) -> Result<DumpFile, DumpError> {
        let io = |source| io_error(path, source);
        let metadata = std::fs::metadata(path).map_err(io)?;
        if !metadata.is_file() {
            return Err(error::not_a_file(path, metadata.file_type()));
        }
        DumpFile::from_file(path, &File::open(path).map_err(io)?, &Notes::new())
    }

    /// The same for a file that is open; `path` is for messages. `notes` is what happened before, for
    /// instance when it was unpacked.
    ///
    /// # Errors
    /// As [`DumpFile::open`].
    pub fn from_file(path: &Path, file: &File, notes: &Notes) -> Result<DumpFile, DumpError> {
        let io = |source| io_error(path, source);
        if file.metadata().map_err(io)?.len() == 0 {
            return Err(DumpError::Empty {
                path: path.to_path_buf(),
            });
        }
        let data = map_file(file).map_err(io)?;
        let start = data.get(..512).unwrap_or(&data);
        if !start.starts_with(b"MDMP") {
            return Err(error::not_a_minidump(path, start));
        }
        let mut parts = read_parts(path, &data)?;
        parts.facts.context.notes.extend(notes.to_vec());
        Ok(DumpFile {
            path: path.to_path_buf(),
            memory: BlockMemory::new(data, without(parts.blocks, &parts.facts.recorded.redaction.zeroed)),
            facts: parts.facts,
            is_ours: parts.is_ours,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether coldframe wrote it; other writers leave less.
    pub fn is_ours(&self) -> bool {
        self.is_ours
    }

    /// What memory it holds, by address; ranges may touch but do not overlap.
    pub fn memory_ranges(&self) -> impl Iterator<Item = AddrRange> {
        self.memory.blocks().iter().map(|block| block.range)
    }
}

fn io_error(path: &Path, source: std::io::Error) -> DumpError {
    let path = path.to_path_buf();
    DumpError::Io { path, source }
}

impl Target for DumpFile {
    fn memory(&self) -> &dyn Memory {
        &self.memory
    }
    fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// All that is taken out of the file at once; memory stays in it.
struct Parts {
    blocks: Vec<Block>,
    facts: Facts,
    is_ours: bool,
}

fn read_parts(path: &Path, data: &[u8]) -> Result<Parts, DumpError> {
    let raw = Raw(data);
    let streams = raw.u32(8).unwrap_or(u32::MAX);
    let directory = raw.u32(12).unwrap_or(u32::MAX);
    let directory_end = u64::from(directory) + u64::from(streams.min(MAX_STREAMS)) * 12;
    if data.len() < 32 || (streams <= MAX_STREAMS && directory_end > data.len() as u64) {
        return Err(DumpError::Truncated {
            path: path.to_path_buf(),
            len: data.len() as u64,
            streams,
        });
    }
    let damaged = |detail| DumpError::Damaged {
        path: path.to_path_buf(),
        detail,
    };
    if streams > MAX_STREAMS {
        return Err(damaged(format!("it announces {streams} streams")));
    }
    let dump = Minidump::read(data).map_err(|error| damaged(error.to_string()))?;
    let notes = Notes::new();
    let reader = Reader {
        raw,
        dump: &dump,
        notes: &notes,
        system: dump.get_stream::<MinidumpSystemInfo>().ok(),
    };

    let mut context: Context = reader.json(stream_type::CONTEXT, "context").unwrap_or_default();
    let is_ours = dump.get_raw_stream(stream_type::CONTEXT).is_ok() || context.version != 0;
    let recorded = Recorded {
        is_complete: context.version > 0,
        layout: reader.json(stream_type::LAYOUT, "layout"),
        symbols: reader.json(stream_type::SYMBOLS, "symbols").unwrap_or_default(),
        sources: reader.json(stream_type::SOURCES, "sources").unwrap_or_default(),
        stacks: reader.stacks(),
        redaction: reader.json(stream_type::REDACTED, "redacted").unwrap_or_default(),
        variables: reader.json(stream_type::VARIABLES, "variables").unwrap_or_default(),
        structures: reader.json(stream_type::STRUCTURES, "structures").unwrap_or_default(),
    };
    let (mut threads, mut blocks) = reader.threads();
    blocks.extend(reader.memory());
    for thread in &mut threads {
        if let (Some(registers), Some(fs_base)) = (&mut thread.registers, context.fs_base.get(&thread.tid)) {
            registers.fs_base = Some(*fs_base);
        }
    }
    let crash = reader.crash(context.signal.as_ref(), &mut threads, &context.fs_base);
    let mappings = reader.mappings();
    let modules = reader.modules(&mappings);
    if context.process.pid == 0
        && let Ok(misc) = dump.get_stream::<MinidumpMiscInfo>()
    {
        context.process.pid = misc.raw.process_id().copied().unwrap_or_default();
    }
    reader.note_length();
    if !is_ours {
        notes.push(
            "input",
            "this minidump was not written by coldframe",
            "Python frames, symbols and source lines are there only as far as the stored memory reaches",
            "capture with `coldframe run`",
        );
    }
    context.notes.extend(notes.to_vec());
    Ok(Parts {
        blocks,
        facts: Facts {
            threads,
            modules,
            mappings,
            crash,
            context,
            recorded,
        },
        is_ours,
    })
}

/// The file while it is taken apart.
struct Reader<'a> {
    raw: Raw<'a>,
    dump: &'a Minidump<'a, &'a [u8]>,
    notes: &'a Notes,
    system: Option<MinidumpSystemInfo>,
}

impl<'a> Reader<'a> {
    /// The bytes of a stream, as far as the file holds them; `None` where the dump has no such stream.
    fn stream(&self, kind: u32, name: &str) -> Option<Raw<'a>> {
        let entry = self.dump.all_streams().find(|entry| entry.stream_type == kind)?;
        let wanted = entry.location.data_size as usize;
        let bytes = self.raw.from(entry.location.rva as usize, wanted);
        if bytes.0.len() < wanted {
            self.note_cut(name, &format!("{} of {wanted} bytes are there", bytes.0.len()));
        }
        Some(bytes)
    }

    fn mappings(&self) -> Vec<Mapping> {
        let text = self.stream(LINUX_MAPS, "mapping list");
        text.map_or_else(Vec::new, |text| parse_maps(&String::from_utf8_lossy(text.0)))
    }

    /// Says that the file is too short for its directory, whether or not what is missing is used here.
    fn note_length(&self) {
        let end = |entry: &minidump::format::MINIDUMP_DIRECTORY| {
            u64::from(entry.location.rva) + u64::from(entry.location.data_size)
        };
        let wanted = self.dump.all_streams().map(end).max().unwrap_or_default();
        let len = self.raw.0.len() as u64;
        if wanted > len {
            self.notes.push(
                "input",
                format!("the dump is cut short: {len} of at least {wanted} bytes are there"),
                "what the missing part would say is not in the report",
                "copy the file again from where it was captured",
            );
        }
    }

    fn note_cut(&self, name: &str, detail: &str) {
        self.notes.push(
            "input",
            format!("the {name} stream of the dump is cut short or damaged: {detail}"),
            "what it would say is missing from the report",
            "copy the file again from where it was captured",
        );
    }

    fn json<T: DeserializeOwned>(&self, kind: u32, name: &str) -> Option<T> {
        let bytes = self.stream(kind, name)?;
        if bytes.0.len() > MAX_JSON {
            self.note_cut(
                name,
                &format!("{} bytes are more than the {MAX_JSON} that are read", bytes.0.len()),
            );
            return None;
        }
        serde_json::from_slice(bytes.0)
            .map_err(|error| self.note_cut(name, &error.to_string()))
            .ok()
    }

    fn stacks(&self) -> Vec<super::streams::RecordedStack> {
        let Some(bytes) = self
            .stream(stream_type::STACKS, "stacks")
            .filter(|b| b.0.len() <= MAX_JSON)
        else {
            return Vec::new();
        };
        runs::decode(bytes.0).unwrap_or_else(|error| {
            self.note_cut("stacks", &error.to_string());
            Vec::new()
        })
    }

    /// The rows of a list: a count, in some writers' files padding, and rows of `size` bytes.
    fn rows(&self, kind: u32, name: &str, size: usize) -> Vec<Raw<'a>> {
        let Some(bytes) = self.stream(kind, name) else {
            return Vec::new();
        };
        let count = bytes.u32(0).unwrap_or_default() as usize;
        let fitting = bytes.0.len().saturating_sub(4) / size;
        if count > fitting {
            self.note_cut(name, &format!("{fitting} of {count} entries are there"));
        }
        // Breakpad aligns the rows to 8 bytes.
        let start = if bytes.0.len() == 8 + count.saturating_mul(size) {
            8
        } else {
            4
        };
        (0..count.min(fitting))
            .map(|i| bytes.from(start + i * size, size))
            .collect()
    }

    /// Threads, and the stacks that are stored with them.
    fn threads(&self) -> (Vec<Thread>, Vec<Block>) {
        let names = self.thread_names();
        let mut threads = Vec::new();
        let mut stacks = Vec::new();
        for row in self
            .rows(stream::THREAD_LIST, "thread list", 48)
            .into_iter()
            .take(MAX_THREADS)
        {
            let Some(tid) = row.u32(0) else { continue };
            let registers = row
                .u32(44)
                .zip(row.u32(40))
                .and_then(|(rva, size)| self.registers(rva, size));
            threads.push(Thread {
                tid,
                name: names.get(&tid).cloned(),
                registers,
            });
            stacks.extend(row.memory_descriptor(24));
        }
        (threads, stacks)
    }

    fn thread_names(&self) -> BTreeMap<u32, String> {
        let rows = self
            .rows(stream::THREAD_NAMES, "thread names", 12)
            .into_iter()
            .take(MAX_THREADS);
        rows.filter_map(|row| Some((row.u32(0)?, self.raw.string(row.u64(4)?, MAX_THREAD_NAME)?)))
            .collect()
    }

    fn registers(&self, rva: u32, size: u32) -> Option<Registers> {
        let bytes = self.raw.from(rva as usize, size as usize);
        let system = self.system.as_ref()?;
        let context = MinidumpContext::read(&whole_context(bytes.0), minidump::Endian::Little, system, None).ok()?;
        amd64_registers(&context.raw)
    }

    /// The exception, which also has the registers that the crashed thread had at the fault.
    fn crash(
        &self,
        signal: Option<&SignalContext>,
        threads: &mut Vec<Thread>,
        fs_base: &BTreeMap<u32, u64>,
    ) -> Option<Crash> {
        let from_context = signal.map(|s| Crash {
            tid: s.tid,
            signal: s.number,
            code: s.code,
            address: s.address,
            sender: s.sender,
        });
        let Ok(exception) = self.dump.get_stream::<MinidumpException>() else {
            return from_context;
        };
        let tid = exception.thread_id;
        let system = self.system.as_ref()?;
        let context = exception.raw.thread_context;
        if let Some(mut registers) = self.registers(context.rva, context.data_size) {
            registers.fs_base = fs_base.get(&tid).copied();
            match threads.iter_mut().find(|t| t.tid == tid) {
                Some(thread) => thread.registers = Some(registers),
                None => threads.push(Thread {
                    tid,
                    name: None,
                    registers: Some(registers),
                }),
            }
        }
        let record = &exception.raw.exception_record;
        let is_linux = matches!(
            system.os,
            minidump::system_info::Os::Linux | minidump::system_info::Os::Android
        );
        // lldb states why the process it looks at stands still.
        let is_crash =
            record.exception_code != DUMP_REQUESTED && record.exception_code != libc::SIGSTOP.cast_unsigned();
        if !is_linux || !is_crash {
            return from_context;
        }
        from_context.or(Some(Crash {
            tid,
            signal: record.exception_code.cast_signed(),
            code: record.exception_flags.cast_signed(),
            address: Addr(record.exception_address),
            sender: None,
        }))
    }

    fn memory(&self) -> Vec<Block> {
        let rows = self.rows(stream::MEMORY_LIST, "memory list", 16);
        let mut blocks: Vec<Block> = rows.iter().filter_map(|row| row.memory_descriptor(0)).collect();
        // Memory64List: a count and the position of the first block, the others follow it.
        if let Some(bytes) = self.stream(stream::MEMORY_64_LIST, "memory list (64 bit)")
            && let (Some(count), Some(mut offset)) = (bytes.u64(0), bytes.u64(8))
        {
            let fitting = bytes.0.len().saturating_sub(16) / 16;
            for i in 0..fitting.min(usize::try_from(count).unwrap_or(usize::MAX)) {
                let row = bytes.from(16 + i * 16, 16);
                let (Some(start), Some(len)) = (row.u64(0), row.u64(8)) else {
                    break;
                };
                blocks.push(Block {
                    range: AddrRange::new(Addr(start), len),
                    offset: offset as usize,
                });
                offset = offset.saturating_add(len);
            }
        }
        let stored: u64 = blocks.iter().map(|b| b.range.len()).fold(0, u64::saturating_add);
        let past_end = blocks
            .iter()
            .filter(|b| (b.offset as u64).saturating_add(b.range.len()) > self.raw.0.len() as u64);
        let past_end = past_end.count();
        if past_end > 0 {
            let detail = format!(
                "{past_end} of {} blocks ({stored} bytes in all) lie past the end of the file",
                blocks.len()
            );
            self.note_cut("memory list", &detail);
        }
        blocks
    }
}
