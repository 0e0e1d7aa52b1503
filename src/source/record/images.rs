//! The files that were mapped, where they lie on this machine unchanged: their code and unwind tables stand in for the
//! memory that a record does not hold.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;

use memmap2::Mmap;

use crate::addr::{Addr, AddrRange};
use crate::source::elf_note::{LoadSegment, read_load_segments};
use crate::source::mapped::map_file;
use crate::source::maps::Mapping;
use crate::source::memory::{Memory, ReadError};

/// How far the clock that stamps files may be behind the one that stamped the crash, in nanoseconds: it moves with the
/// kernel's tick, of 10 ms at most (CONFIG_HZ=100).
const FILE_CLOCK_LAG: u64 = 10_000_000;

/// To which segments are mapped.
const PAGE: u64 = 4096;

/// Bytes of a process.
pub(super) struct Block {
    pub range: AddrRange,
    pub content: Content,
}

pub(super) enum Content {
    Bytes(Vec<u8>),
    /// From this offset of a file on.
    File(Rc<Mmap>, u64),
}

impl Block {
    /// The bytes from `at` to the end of the block.
    pub fn from(&self, at: Addr) -> Option<&[u8]> {
        let skip = at.0.checked_sub(self.range.start.0)?;
        let (bytes, start) = match &self.content {
            Content::Bytes(bytes) => (bytes.as_slice(), 0),
            Content::File(map, offset) => (&map[..], *offset),
        };
        let end = start.checked_add(self.range.len())?.min(bytes.len() as u64);
        bytes.get(start.checked_add(skip)? as usize..end as usize)
    }
}

/// The parts of mapped files that no process writes to. The second list names the files that could not be used.
pub(super) fn file_blocks(mappings: &[Mapping], crash_ns: u64) -> (Vec<Block>, Vec<String>) {
    let (mut blocks, mut unused) = (Vec::new(), Vec::new());
    let mut seen: Vec<&Mapping> = Vec::new();
    for first in mappings.iter().filter(|mapping| is_image_start(mapping, mappings)) {
        // In a small file several segments begin in the first page.
        if seen.iter().any(|other| other.same_file(first)) {
            continue;
        }
        seen.push(first);
        match open_unchanged(first, crash_ns).and_then(|file| map_file(&file).ok()) {
            Some(map) => blocks.extend(segments(first, mappings, &Rc::new(map))),
            None => unused.push(first.path.clone()),
        }
    }
    (blocks, unused)
}

/// File offset 0 of a file of which some part is code.
fn is_image_start(first: &Mapping, mappings: &[Mapping]) -> bool {
    let is_code = |mapping: &Mapping| mapping.execute && mapping.same_file(first);
    first.offset == 0 && first.file.1 != 0 && first.path.starts_with('/') && mappings.iter().any(is_code)
}

/// The very file that was mapped, if nothing changed it since the crash. Path and inode tell the file; the time of the
/// last change of its inode, which nobody can set back (inode(7)), that it is as it was. The device is not compared:
/// stat(2) and /proc/PID/maps name different ones on btrfs and overlayfs.
fn open_unchanged(mapping: &Mapping, crash_ns: u64) -> Option<File> {
    let path = Path::new(&mapping.path);
    let is_it = |meta: &Metadata| {
        let changed = (meta.ctime().unsigned_abs())
            .saturating_mul(1_000_000_000)
            .saturating_add(meta.ctime_nsec().unsigned_abs());
        let is_older = meta.ctime() >= 0 && changed.saturating_add(FILE_CLOCK_LAG) < crash_ns;
        meta.is_file() && meta.ino() == mapping.file.1 && is_older
    };
    // Looked at first: to open a pipe would wait for a writer.
    fs::metadata(path).ok().filter(is_it)?;
    let file = File::open(path).ok()?;
    file.metadata().ok().filter(is_it)?;
    Some(file)
}

/// The segments that were mapped read-only. What a segment that may be written to holds, relocations included, is known
/// to the process alone.
fn segments(first: &Mapping, mappings: &[Mapping], map: &Rc<Mmap>) -> Vec<Block> {
    let Some(segments) = read_load_segments(&FileBytes(map)) else {
        return Vec::new();
    };
    let page_of = |number: u64| number & !(PAGE - 1);
    let Some(base) = segments.first().map(|segment| page_of(segment.address)) else {
        return Vec::new();
    };
    let block = |segment: &LoadSegment| {
        let start = first.range.start.add(page_of(segment.address).wrapping_sub(base));
        let offset = page_of(segment.offset);
        let len = segment.file_size.checked_add(segment.offset - offset)?;
        // Where the record says that just this part of the file was mapped, and not for writing.
        mappings.iter().find(|mapping| {
            let is_here = mapping.same_file(first) && mapping.range.contains(start);
            is_here && !mapping.write && mapping.offset.wrapping_add(start.0 - mapping.range.start.0) == offset
        })?;
        Some(Block {
            range: AddrRange::new(start, len),
            content: Content::File(map.clone(), offset),
        })
    };
    segments
        .iter()
        .filter(|segment| !segment.writable)
        .filter_map(block)
        .collect()
}

/// A file as memory: each byte at its offset.
struct FileBytes<'a>(&'a [u8]);

impl Memory for FileBytes<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let bytes = usize::try_from(addr.0)
            .ok()
            .and_then(|at| self.0.get(at..)?.get(..buf.len()));
        let bytes = bytes.ok_or(ReadError {
            addr,
            len: buf.len() as u64,
        })?;
        buf.copy_from_slice(bytes);
        Ok(())
    }
}
