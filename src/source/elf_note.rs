//! The little of an ELF image that identifies it: its build id and its extent in memory.
//!
//! Read from the headers that are mapped with the image, so that a deleted or replaced file does not
//! matter. Layouts are those of elf(5); 64-bit little-endian only.

use super::memory::{Memory, MemoryExt};
use super::module::BuildId;
use crate::addr::Addr;

/// The most program headers that are looked at; real images have about a dozen.
const MAX_PROGRAM_HEADERS: u16 = 128;
/// The most bytes of notes of one image that are looked at.
const MAX_NOTE_BYTES: u64 = 64 * 1024;
/// The longest build id that is believed; `ld --build-id=sha1` makes 20 bytes.
const MAX_BUILD_ID: usize = 64;
/// `e_phentsize` of ELFCLASS64.
const PROGRAM_HEADER_SIZE: u64 = 56;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const PF_W: u32 = 2;
/// `n_type` of the build id note, whose owner is `GNU`.
const NT_GNU_BUILD_ID: u32 = 3;
/// To which segments are mapped.
const PAGE: u64 = 4096;

/// What the headers of an image say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageHeader {
    /// Bytes from the mapping of file offset 0 to the end of the last segment, zero-filled part
    /// included, in whole pages.
    pub len: u64,
    /// The build id note, where there is one.
    pub build_id: Option<BuildId>,
}

/// What the loader maps: PT_LOAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadSegment {
    /// Where it begins in the file.
    pub offset: u64,
    /// Its stated address.
    pub address: u64,
    /// Bytes of the file.
    pub file_size: u64,
    /// Whether the process may write to it: then memory is not what the file holds.
    pub writable: bool,
}

struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    file_size: u64,
    memory_size: u64,
}

/// Reads the headers of the image whose file offset 0 is mapped at `base`; `None` where there is no
/// ELF image of 64 bits, or its headers cannot be read or make no sense.
pub fn read_image_header(memory: &dyn Memory, base: Addr) -> Option<ImageHeader> {
    let headers = read_program_headers(memory, base)?;
    let loads = || headers.iter().filter(|h| h.kind == PT_LOAD);
    // The first segment holds file offset 0 in every image a loader accepts from a linker.
    let first = loads().map(|h| h.address).min()? / PAGE * PAGE;
    let end = loads().map(|h| h.address.saturating_add(h.memory_size)).max()?;
    let len = end.checked_sub(first)?.checked_next_multiple_of(PAGE)?;
    let mut rest = MAX_NOTE_BYTES;
    let build_id = headers.iter().filter(|h| h.kind == PT_NOTE).find_map(|h| {
        let len = h.file_size.min(rest);
        rest -= len;
        find_build_id(memory, base.add(h.address.wrapping_sub(first)), len)
    });
    Some(ImageHeader { len, build_id })
}

/// The segments of an ELF file that the loader maps, in their order; `None` where it is no such file. `file` is its
/// content, each byte at its offset.
pub fn read_load_segments(file: &dyn Memory) -> Option<Vec<LoadSegment>> {
    let headers = read_program_headers(file, Addr(0))?;
    let loads = headers.iter().filter(|h| h.kind == PT_LOAD);
    Some(
        loads
            .map(|h| LoadSegment {
                offset: h.offset,
                address: h.address,
                file_size: h.file_size,
                writable: h.flags & PF_W != 0,
            })
            .collect(),
    )
}

fn read_program_headers(memory: &dyn Memory, base: Addr) -> Option<Vec<ProgramHeader>> {
    let ident: [u8; 6] = memory.read_array(base).ok()?;
    // ELFCLASS64, ELFDATA2LSB.
    if ident != *b"\x7fELF\x02\x01" {
        return None;
    }
    let table = memory.read_u64(base.add(0x20)).ok()?;
    let entry_size = memory.read_u16(base.add(0x36)).ok()?;
    let count = memory.read_u16(base.add(0x38)).ok()?;
    if u64::from(entry_size) != PROGRAM_HEADER_SIZE || count > MAX_PROGRAM_HEADERS {
        return None;
    }
    (0..u64::from(count))
        .map(|i| read_program_header(memory, base.add(table).add(i * PROGRAM_HEADER_SIZE)))
        .collect()
}

fn read_program_header(memory: &dyn Memory, at: Addr) -> Option<ProgramHeader> {
    Some(ProgramHeader {
        kind: memory.read_u32(at).ok()?,
        flags: memory.read_u32(at.add(4)).ok()?,
        offset: memory.read_u64(at.add(8)).ok()?,
        address: memory.read_u64(at.add(16)).ok()?,
        file_size: memory.read_u64(at.add(32)).ok()?,
        memory_size: memory.read_u64(at.add(40)).ok()?,
    })
}

/// Looks for the build id among the notes at `start`.
pub fn find_build_id(memory: &dyn Memory, start: Addr, len: u64) -> Option<BuildId> {
    let end = len.min(MAX_NOTE_BYTES);
    let mut offset = 0;
    // Each turn advances by at least the 12 bytes of a note's header.
    while offset + 12 <= end {
        let at = start.add(offset);
        let name_size = u64::from(memory.read_u32(at).ok()?);
        let data_size = memory.read_u32(at.add(4)).ok()?;
        let kind = memory.read_u32(at.add(8)).ok()?;
        let data = offset + 12 + name_size.next_multiple_of(4);
        if kind == NT_GNU_BUILD_ID
            && name_size == 4
            && (1..=MAX_BUILD_ID).contains(&(data_size as usize))
            && memory.read_array(at.add(12)) == Ok(*b"GNU\0")
        {
            return memory.read_vec(start.add(data), data_size as usize).ok().map(BuildId);
        }
        offset = data + u64::from(data_size).next_multiple_of(4);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::fake::FakeMemory;

    fn image() -> Vec<u8> {
        let mut bytes = vec![0u8; 0x300];
        let mut put = |at: usize, data: &[u8]| bytes[at..at + data.len()].copy_from_slice(data);
        put(0, b"\x7fELF\x02\x01\x01");
        put(0x20, &0x40u64.to_le_bytes());
        put(0x36, &56u16.to_le_bytes());
        put(0x38, &2u16.to_le_bytes());
        // PT_LOAD at 0x400000, 0x1800 bytes in memory; PT_NOTE at 0x400200.
        put(0x40, &1u32.to_le_bytes());
        put(0x40 + 16, &0x40_0000u64.to_le_bytes());
        put(0x40 + 40, &0x1800u64.to_le_bytes());
        put(0x78, &4u32.to_le_bytes());
        put(0x78 + 16, &0x40_0200u64.to_le_bytes());
        put(0x78 + 32, &0x40u64.to_le_bytes());
        // A note of another owner first.
        put(
            0x200,
            &[4, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, b'X', b'Y', b'Z', 0, 1, 2, 3, 4],
        );
        put(
            0x214,
            &[
                4, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, b'G', b'N', b'U', 0, 0xaa, 0xbb, 0xcc,
            ],
        );
        bytes
    }

    #[test]
    fn finds_extent_and_build_id() {
        let memory = FakeMemory::new().with(Addr(0x7000), image());
        let header = read_image_header(&memory, Addr(0x7000)).unwrap();
        assert_eq!(header.len, 0x2000);
        assert_eq!(header.build_id.unwrap().to_string(), "aabbcc");
    }

    #[test]
    fn hostile_headers_do_not_panic() {
        let good = image();
        for at in 0..good.len() {
            for value in [0, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                let memory = FakeMemory::new().with(Addr(u64::MAX - 0x300), bad);
                let _ = read_image_header(&memory, Addr(u64::MAX - 0x300));
            }
        }
    }
}
