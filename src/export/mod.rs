//! An ELF core from a minidump, for debuggers that know no minidumps.
//!
//! [`write_core`] writes what the dump holds: registers and memory exactly as recorded, the signal, the mapped files.
//! What a debugger looks for beyond that is made from the list of modules: an auxiliary vector, and the loader's list of
//! libraries, in a page of its own. In another page lies the layout of CPython that was recorded, where the generated
//! helpers look for it.
//!
//! Invariant: memory the dump does not hold is left out, never filled up; the one word that is changed is the
//! executable's pointer to the loader's list (DT_DEBUG).

mod elf;
mod libraries;
mod notes;

use std::io::{self, Write};

use crate::addr::Addr;
use crate::image::Images;
use crate::source::{DumpFile, MemoryExt, Target};
use elf::{Contents, Segment};

/// Where the recorded layout is put: an address that no process has in use, and that the helpers know
/// (gdb-scripts/walk/recorded.py).
const LAYOUT_AT: Addr = Addr(0x4346_0000_0000);
/// What begins that page; a length of 32 bits and JSON follow.
const LAYOUT_MAGIC: &[u8; 16] = b"coldframe-layout";
/// Where the loader's list of libraries is put.
const LIBRARIES_AT: Addr = Addr(0x4346_1000_0000);

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Threads with registers.
    pub threads: usize,
    /// Bytes of memory of the process.
    pub memory: u64,
    /// Images that a debugger will find.
    pub modules: usize,
}

/// Writes the core of a dump. `images` are the files at hand: where the executable is among them, a debugger finds the
/// libraries, too.
///
/// # Errors
/// Where `out` cannot be written.
pub fn write_core(dump: &DumpFile, images: &Images, out: &mut dyn Write) -> io::Result<Written> {
    let memory = dump.memory();
    let mut segments: Vec<Segment> = dump
        .memory_ranges()
        .filter(|range| !range.is_empty())
        .map(|range| Segment {
            address: range.start,
            flags: elf::flags(dump.mappings(), range.start),
            contents: Contents::Memory(range.len()),
        })
        .collect();
    let recorded: u64 = segments.iter().map(|segment| segment.contents.len()).sum();
    let libraries = libraries::list(dump, images, LIBRARIES_AT);
    if let Some(layout) = &dump.recorded().layout {
        let json = serde_json::to_vec(layout)?;
        let length = u32::try_from(json.len()).unwrap_or(0);
        let page = [&LAYOUT_MAGIC[..], &length.to_le_bytes(), &json].concat();
        segments.push(Segment::made(LAYOUT_AT, page));
    }
    let mut patch = None;
    if let Some(libraries) = &libraries {
        segments.push(Segment::made(LIBRARIES_AT, libraries.page.clone()));
        patch = libraries.pointer.map(|at| (at, LIBRARIES_AT.0.to_le_bytes()));
        if let Some((at, word)) = patch
            && memory.read_u64(at).is_err()
        {
            segments.push(Segment::made(at, word.to_vec()));
            patch = None;
        }
    }
    segments.sort_by_key(|segment| segment.address);
    let notes = notes::all(dump);
    elf::write(&notes, &segments, memory, patch, out)?;
    Ok(Written {
        threads: dump
            .threads()
            .iter()
            .filter(|thread| thread.registers.is_some())
            .count(),
        memory: recorded,
        modules: libraries.map_or(0, |libraries| libraries.count),
    })
}
