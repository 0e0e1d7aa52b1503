//! An ELF image as it lies in memory: its program headers and what they lead to.
//!
//! Structures: System V gABI, chapters "ELF Header" and "Program Header".

use crate::addr::{Addr, AddrRange, Svma};
use crate::source::{BuildId, Memory, MemoryExt, ReadError};

const HEADER_SIZE: usize = 64;
const SEGMENT_SIZE: usize = 56;
/// More program headers than any linker writes.
const MAX_SEGMENTS: u16 = 128;
/// Linkers write notes of some hundred bytes; a longer segment is cut.
const MAX_NOTES: u64 = 4096;
const PAGE: u64 = 4096;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_NOTE: u32 = 4;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
const PF_X: u32 = 1;
const NT_GNU_BUILD_ID: u32 = 3;

/// Why an image could not be read from memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryElfError {
    /// Part of it is missing.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Not a 64-bit little-endian ELF header.
    #[error("no 64-bit little-endian ELF header at {0}")]
    NotElf(Addr),
    /// A count or size that no linker writes.
    #[error("{count} program headers of {size} bytes at {at}")]
    Segments {
        /// `e_phnum`.
        count: u16,
        /// `e_phentsize`.
        size: u16,
        /// The ELF header.
        at: Addr,
    },
    /// There is no loadable segment.
    #[error("no loadable segment in the image at {0}")]
    NotLoaded(Addr),
}

/// A program header.
#[derive(Clone, Copy, Debug)]
struct Segment {
    kind: u32,
    flags: u32,
    offset: u64,
    address: Svma,
    memory_size: u64,
}

/// The program headers of an image in memory.
#[derive(Clone, Debug)]
pub struct MemoryElf {
    bias: u64,
    segments: Vec<Segment>,
}

impl MemoryElf {
    /// Reads the headers of the image whose file offset 0 is mapped at `base`, in two reads.
    ///
    /// # Errors
    /// Where they cannot be read or are not those of a loaded 64-bit ELF image.
    pub fn read(memory: &dyn Memory, base: Addr) -> Result<MemoryElf, MemoryElfError> {
        let header = memory.read_array::<HEADER_SIZE>(base)?;
        // EI_CLASS 2 is 64-bit, EI_DATA 1 is little-endian.
        if !header.starts_with(b"\x7fELF\x02\x01") {
            return Err(MemoryElfError::NotElf(base));
        }
        let (size, count) = (u16_at(&header, 54), u16_at(&header, 56));
        if usize::from(size) != SEGMENT_SIZE || count > MAX_SEGMENTS {
            return Err(MemoryElfError::Segments { count, size, at: base });
        }
        let table = memory.read_vec(base.add(u64_at(&header, 32)), usize::from(count) * SEGMENT_SIZE)?;
        let segments: Vec<Segment> = table
            .chunks_exact(SEGMENT_SIZE)
            .map(|row| Segment {
                kind: u32_at(row, 0),
                flags: u32_at(row, 4),
                offset: u64_at(row, 8),
                address: Svma(u64_at(row, 16)),
                memory_size: u64_at(row, 40),
            })
            .collect();
        let first = segments
            .iter()
            .find(|s| s.kind == PT_LOAD)
            .ok_or(MemoryElfError::NotLoaded(base))?;
        let page_of = |n: u64| n & !(PAGE - 1);
        // Where file offset 0 would be by the file's own account.
        let stated = page_of(first.address.0).wrapping_sub(page_of(first.offset));
        Ok(MemoryElf {
            bias: base.0.wrapping_sub(stated),
            segments,
        })
    }

    /// Address in the process minus stated address; wraps.
    pub fn bias(&self) -> u64 {
        self.bias
    }

    /// Where a stated address lies in the process.
    pub fn to_addr(&self, svma: Svma) -> Addr {
        Addr(svma.0.wrapping_add(self.bias))
    }

    /// The stated address of an address in the process.
    pub fn to_svma(&self, addr: Addr) -> Svma {
        Svma(addr.0.wrapping_sub(self.bias))
    }

    /// The loaded ranges with code in them.
    pub fn executable(&self) -> impl Iterator<Item = AddrRange> {
        self.of_kind(PT_LOAD)
            .filter(|s| s.flags & PF_X != 0)
            .map(|s| self.range(s))
    }

    /// The `.eh_frame_hdr` section (LSB Core, section 10.6.2).
    pub fn eh_frame_hdr(&self) -> Option<AddrRange> {
        self.of_kind(PT_GNU_EH_FRAME).map(|s| self.range(s)).next()
    }

    /// The dynamic section.
    pub fn dynamic(&self) -> Option<AddrRange> {
        self.of_kind(PT_DYNAMIC).map(|s| self.range(s)).next()
    }

    /// The `NT_GNU_BUILD_ID` note.
    pub fn build_id(&self, memory: &dyn Memory) -> Option<BuildId> {
        self.of_kind(PT_NOTE).find_map(|segment| {
            let range = self.range(segment);
            let notes = memory.read_vec(range.start, range.len().min(MAX_NOTES) as usize).ok()?;
            build_id_of_notes(&notes)
        })
    }

    fn of_kind(&self, kind: u32) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(move |s| s.kind == kind)
    }

    fn range(&self, segment: &Segment) -> AddrRange {
        AddrRange::new(self.to_addr(segment.address), segment.memory_size)
    }
}

/// Looks through the notes of a `PT_NOTE` segment: name size, contents size, type, then name and
/// contents, each padded to 4 bytes.
fn build_id_of_notes(mut notes: &[u8]) -> Option<BuildId> {
    let padded = |n: u32| (n as usize).checked_next_multiple_of(4);
    loop {
        let (header, rest) = notes.split_at_checked(12)?;
        let (name_size, size) = (u32_at(header, 0), u32_at(header, 4));
        let (name, rest) = rest.split_at_checked(padded(name_size)?)?;
        let contents = rest.get(..size as usize)?;
        if u32_at(header, 8) == NT_GNU_BUILD_ID && name == b"GNU\0" && !contents.is_empty() {
            return Some(BuildId(contents.to_vec()));
        }
        // The last note's padding may be cut off.
        notes = rest.get(padded(size)?..)?;
    }
}

/// Little-endian integers at a fixed position; 0 past the end.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..)
        .and_then(|b| b.first_chunk())
        .map_or(0, |b| u16::from_le_bytes(*b))
}
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|b| b.first_chunk())
        .map_or(0, |b| u32::from_le_bytes(*b))
}
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..)
        .and_then(|b| b.first_chunk())
        .map_or(0, |b| u64::from_le_bytes(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A note of type `kind` named "GNU".
    fn note(kind: u32, contents: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(4u32.to_le_bytes());
        bytes.extend((contents.len() as u32).to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(b"GNU\0");
        bytes.extend(contents);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn finds_the_build_id_among_other_notes() {
        let notes = [note(5, &[1, 2, 3]), note(NT_GNU_BUILD_ID, &[0xab; 20])].concat();
        assert_eq!(build_id_of_notes(&notes), Some(BuildId(vec![0xab; 20])));
        for cut in 0..notes.len() {
            assert_eq!(build_id_of_notes(&notes[..cut]), None);
        }
    }

    #[test]
    fn lengths_that_lie_end_the_search() {
        let mut lying = note(NT_GNU_BUILD_ID, &[1; 4]);
        lying[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(build_id_of_notes(&lying), None);
    }
}
