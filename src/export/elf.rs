//! The file: header, program headers, notes, memory (elf(5), core(5)).

use std::io::{self, Write};

use crate::addr::Addr;
use crate::source::maps::Mapping;
use crate::source::{Memory, MemoryExt};

const HEADER_SIZE: u64 = 64;
const PROGRAM_HEADER_SIZE: u64 = 56;
const SECTION_HEADER_SIZE: u64 = 64;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const PF_X: u32 = 1;
const PF_W: u32 = 2;
const PF_R: u32 = 4;
/// `e_phnum` where there are more; their number is in the first section header then.
const PN_XNUM: usize = 0xffff;
/// How much memory is copied at once.
const STEP: u64 = 1 << 20;

/// A piece of memory.
pub(super) struct Segment {
    pub address: Addr,
    /// PF_R, PF_W, PF_X.
    pub flags: u32,
    pub contents: Contents,
}

/// Where its bytes are.
pub(super) enum Contents {
    /// So many in the dump.
    Memory(u64),
    /// Made for the core.
    Made(Vec<u8>),
}

impl Contents {
    pub fn len(&self) -> u64 {
        match self {
            Contents::Memory(len) => *len,
            Contents::Made(bytes) => bytes.len() as u64,
        }
    }
}

impl Segment {
    pub fn made(address: Addr, bytes: Vec<u8>) -> Segment {
        Segment {
            address,
            flags: PF_R,
            contents: Contents::Made(bytes),
        }
    }
}

/// What the process may do there; reading, where that is not known.
pub(super) fn flags(mappings: &[Mapping], address: Addr) -> u32 {
    let after = mappings.partition_point(|mapping| mapping.range.start <= address);
    let mapping = after.checked_sub(1).map(|index| &mappings[index]);
    mapping
        .filter(|mapping| mapping.range.contains(address))
        .map_or(PF_R, |mapping| {
            let flag = |is_set, flag| if is_set { flag } else { 0 };
            flag(mapping.read, PF_R) | flag(mapping.write, PF_W) | flag(mapping.execute, PF_X)
        })
}

/// Writes the file. `patch` is a word of memory that is written otherwise than it was recorded.
pub(super) fn write(
    notes: &[u8],
    segments: &[Segment],
    memory: &dyn Memory,
    patch: Option<(Addr, [u8; 8])>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let count = segments.len() + 1;
    let many = count >= PN_XNUM;
    let sections = if many { SECTION_HEADER_SIZE } else { 0 };
    let mut offset = HEADER_SIZE + count as u64 * PROGRAM_HEADER_SIZE + sections;
    out.write_all(&header(count))?;
    out.write_all(&program_header(PT_NOTE, 0, offset, 0, notes.len() as u64))?;
    offset += notes.len() as u64;
    for segment in segments {
        let len = segment.contents.len();
        out.write_all(&program_header(PT_LOAD, segment.flags, offset, segment.address.0, len))?;
        offset += len;
    }
    if many {
        // Section 0: sh_info, at 44, is the number of program headers.
        let mut section = [0; SECTION_HEADER_SIZE as usize];
        section[44..48].copy_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
        out.write_all(&section)?;
    }
    out.write_all(notes)?;
    for segment in segments {
        match &segment.contents {
            Contents::Made(bytes) => out.write_all(bytes)?,
            Contents::Memory(len) => copy(memory, segment.address, *len, patch, out)?,
        }
    }
    Ok(())
}

fn copy(
    memory: &dyn Memory,
    start: Addr,
    len: u64,
    patch: Option<(Addr, [u8; 8])>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut done = 0;
    while done < len {
        let at = start.add(done);
        let step = STEP.min(len - done);
        // A block may be cut off in a damaged file; what follows keeps its place.
        let mut bytes = memory
            .read_vec(at, step as usize)
            .unwrap_or_else(|_| vec![0; step as usize]);
        if let Some((word, value)) = patch {
            for (index, byte) in value.iter().enumerate() {
                let place = word.0.wrapping_add(index as u64).wrapping_sub(at.0);
                if let Some(target) = usize::try_from(place).ok().and_then(|place| bytes.get_mut(place)) {
                    *target = *byte;
                }
            }
        }
        out.write_all(&bytes)?;
        done += step;
    }
    Ok(())
}

fn header(count: usize) -> [u8; HEADER_SIZE as usize] {
    let mut header = [0; HEADER_SIZE as usize];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    // ELFCLASS64, ELFDATA2LSB, EV_CURRENT; ET_CORE, EM_X86_64.
    put(0, b"\x7fELF\x02\x01\x01");
    put(16, &4u16.to_le_bytes());
    put(18, &62u16.to_le_bytes());
    put(20, &1u32.to_le_bytes());
    put(32, &HEADER_SIZE.to_le_bytes());
    put(52, &(HEADER_SIZE as u16).to_le_bytes());
    put(54, &(PROGRAM_HEADER_SIZE as u16).to_le_bytes());
    put(56, &(count.min(PN_XNUM) as u16).to_le_bytes());
    if count >= PN_XNUM {
        put(40, &(HEADER_SIZE + count as u64 * PROGRAM_HEADER_SIZE).to_le_bytes());
        put(58, &(SECTION_HEADER_SIZE as u16).to_le_bytes());
        put(60, &1u16.to_le_bytes());
    }
    header
}

fn program_header(kind: u32, flags: u32, offset: u64, address: u64, size: u64) -> [u8; PROGRAM_HEADER_SIZE as usize] {
    let mut header = [0; PROGRAM_HEADER_SIZE as usize];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &kind.to_le_bytes());
    put(4, &flags.to_le_bytes());
    put(8, &offset.to_le_bytes());
    put(16, &address.to_le_bytes());
    put(32, &size.to_le_bytes());
    // Notes have no place in memory.
    put(40, &if kind == PT_LOAD { size } else { 0 }.to_le_bytes());
    put(48, &if kind == PT_LOAD { 1u64 } else { 4 }.to_le_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::fake::FakeMemory;

    #[test]
    fn the_patched_word_is_written_wherever_blocks_end() {
        let memory = FakeMemory::new().with(Addr(0x1000), vec![1; 32]);
        for (at, expected) in [(0x1008, 8..16), (0x0ffc, 0..4), (0x101c, 28..32), (0x2000, 0..0)] {
            let mut out = Vec::new();
            copy(&memory, Addr(0x1000), 32, Some((Addr(at), [7; 8])), &mut out).unwrap();
            let changed: Vec<usize> = (0..32).filter(|&index| out[index] == 7).collect();
            assert_eq!(changed, expected.collect::<Vec<_>>(), "{at:#x}");
        }
    }
}
