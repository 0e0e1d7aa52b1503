//! The ELF header and the program headers of a core (elf(5)); 64-bit little-endian.

use std::path::Path;

use super::CoreError;
use crate::addr::{Addr, AddrRange};

const HEADER_SIZE: usize = 64;
const SEGMENT_SIZE: usize = 56;
const SECTION_SIZE: usize = 64;
const ET_CORE: u16 = 4;
const EM_X86_64: u16 = 62;
/// `e_phnum` where the number does not fit: it is in `sh_info` of section 0 then.
const PN_XNUM: u16 = 0xffff;
/// The most program headers that are read. A process has at most `vm.max_map_count` mappings, 65,530
/// by default.
const MAX_SEGMENTS: usize = 1 << 20;

/// `p_type` of memory.
pub(super) const PT_LOAD: u32 = 1;
/// `p_type` of notes.
pub(super) const PT_NOTE: u32 = 4;
/// `p_flags`: executable, writable, readable.
pub(super) const PF_X: u32 = 1;
pub(super) const PF_W: u32 = 2;
pub(super) const PF_R: u32 = 4;

/// Some bytes that may be hostile; little-endian numbers at positions in them.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn u16(self, at: usize) -> Option<u16> {
        self.0.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b))
    }
    pub fn u32(self, at: usize) -> Option<u32> {
        self.0.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
    }
    pub fn i32(self, at: usize) -> Option<i32> {
        self.u32(at).map(u32::cast_signed)
    }
    pub fn u64(self, at: usize) -> Option<u64> {
        self.0.get(at..)?.first_chunk().map(|b| u64::from_le_bytes(*b))
    }
    /// `len` bytes at `at`, or as many of them as there are.
    pub fn part(self, at: u64, len: u64) -> Bytes<'a> {
        let rest = usize::try_from(at).ok().and_then(|at| self.0.get(at..));
        let rest = rest.unwrap_or_default();
        let cut = usize::try_from(len).ok().and_then(|len| rest.get(..len));
        Bytes(cut.unwrap_or(rest))
    }
}

/// A program header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub kind: u32,
    pub flags: u32,
    pub offset: u64,
    /// Where it was in the process.
    pub range: AddrRange,
    /// How many of its bytes are stored. The rest was left out; it was not zero.
    pub file_size: u64,
}

/// Reads the program headers; as many of them as are there.
pub(super) fn read_segments(path: &Path, data: &[u8]) -> Result<Vec<Segment>, CoreError> {
    let path = || path.to_path_buf();
    let raw = Bytes(data);
    if !data.starts_with(b"\x7fELF") {
        return Err(CoreError::NotACore { path: path() });
    }
    let truncated = || CoreError::Truncated {
        path: path(),
        len: data.len() as u64,
    };
    if data.len() < HEADER_SIZE {
        return Err(truncated());
    }
    // EI_CLASS, EI_DATA, e_type, e_machine.
    let class = data.get(4).copied().unwrap_or_default();
    let (kind, machine) = raw.u16(16).zip(raw.u16(18)).ok_or_else(truncated)?;
    if class != 2 || data.get(5) != Some(&1) || (kind == ET_CORE && machine != EM_X86_64) {
        return Err(CoreError::Machine {
            path: path(),
            machine,
            bits: [0, 32, 64].get(usize::from(class)).copied().unwrap_or_default(),
        });
    }
    if kind != ET_CORE {
        return Err(CoreError::NotACore { path: path() });
    }
    let table = raw.u64(32).ok_or_else(truncated)?;
    let count = match raw.u16(56).ok_or_else(truncated)? {
        PN_XNUM => {
            let section = raw.part(raw.u64(40).unwrap_or(u64::MAX), SECTION_SIZE as u64);
            // sh_info of a section header that is there.
            section.u32(44).map_or(usize::from(PN_XNUM), |n| n as usize)
        }
        count => usize::from(count),
    };
    let count = count.min(MAX_SEGMENTS);
    let rows = raw.part(table, (count * SEGMENT_SIZE) as u64);
    let segments: Vec<Segment> = rows.0.chunks_exact(SEGMENT_SIZE).filter_map(segment).collect();
    if segments.is_empty() {
        return Err(truncated());
    }
    Ok(segments)
}

fn segment(row: &[u8]) -> Option<Segment> {
    let row = Bytes(row);
    Some(Segment {
        kind: row.u32(0)?,
        flags: row.u32(4)?,
        offset: row.u64(8)?,
        range: AddrRange::new(Addr(row.u64(16)?), row.u64(40)?),
        file_size: row.u64(32)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A core with `count` program headers of which `e_phnum` says `stated`.
    fn core(stated: u16, count: u32) -> Vec<u8> {
        let table = 128usize;
        let mut bytes = vec![0; table + count as usize * SEGMENT_SIZE];
        let mut put = |at: usize, data: &[u8]| bytes[at..at + data.len()].copy_from_slice(data);
        put(0, b"\x7fELF\x02\x01\x01");
        put(16, &ET_CORE.to_le_bytes());
        put(18, &EM_X86_64.to_le_bytes());
        put(32, &(table as u64).to_le_bytes());
        put(40, &64u64.to_le_bytes());
        put(56, &stated.to_le_bytes());
        put(64 + 44, &count.to_le_bytes());
        bytes
    }

    #[test]
    fn more_segments_than_a_short_can_say() {
        let path = Path::new("core");
        assert_eq!(read_segments(path, &core(PN_XNUM, 70_000)).unwrap().len(), 70_000);
        assert_eq!(read_segments(path, &core(3, 3)).unwrap().len(), 3);
    }

    #[test]
    fn what_is_no_core_of_ours_is_named() {
        let path = Path::new("core");
        let mut other = core(1, 1);
        other[18] = 183;
        let error = read_segments(path, &other).unwrap_err();
        assert!(
            matches!(
                error,
                CoreError::Machine {
                    machine: 183,
                    bits: 64,
                    ..
                }
            ),
            "{error}"
        );
        other[16] = 3;
        assert!(matches!(read_segments(path, &other), Err(CoreError::NotACore { .. })));
        for len in 0..other.len() {
            assert!(read_segments(path, &core(1, 1)[..len.min(180)]).is_err());
        }
    }
}
