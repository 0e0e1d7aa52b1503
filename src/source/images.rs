//! From mappings to images.

use super::elf_note::read_image_header;
use super::maps::Mapping;
use super::{Memory, Module, Modules};
use crate::addr::AddrRange;
use crate::notes::Notes;

/// What the kernel appends to the path of a file that is gone or was replaced.
const DELETED: &str = " (deleted)";

/// The most mappings that may begin an image, and that may lie in one: mappings of a core may be hostile.
const MAX_IMAGES: usize = 65_536;
const MAX_PARTS: usize = 1024;

/// The images among the mappings, with their build ids.
///
/// An image begins where file offset 0 is mapped and reaches as far as its program headers say. A file
/// that is mapped only to be read is not one: some part of it must be executable. A later mapping of
/// another offset of the same file (the trampolines of libffi, which ctypes uses) is not a second image.
pub fn find_modules(memory: &dyn Memory, mappings: &[Mapping], notes: &Notes) -> Modules {
    let mut deleted = Vec::new();
    let mut list: Vec<Module> = Vec::new();
    let mut examined = 0;
    for (index, first) in mappings.iter().enumerate() {
        let is_vdso = first.path == "[vdso]";
        let has_file = first.file.1 != 0 && !first.path.is_empty() && !first.path.starts_with("/dev/");
        if first.offset != 0
            || !(has_file || is_vdso)
            || list.last().is_some_and(|m| m.range.contains(first.range.start))
        {
            continue;
        }
        examined += 1;
        if examined > MAX_IMAGES {
            break;
        }
        let following = mappings.get(index..).unwrap_or_default();
        let header = read_image_header(memory, first.range.start);
        let range = match &header {
            Some(header) => AddrRange::new(first.range.start, header.len),
            None => contiguous(following),
        };
        let is_code = following
            .iter()
            .take(MAX_PARTS)
            .take_while(|m| m.range.start < range.end)
            // Text that was moved to huge pages is anonymous, but lies inside the image.
            .any(|m| m.execute && (m.same_file(first) || m.file.1 == 0));
        if !is_code || (header.is_none() && readable(memory, first)) {
            continue;
        }
        let path = first.path.strip_suffix(DELETED).unwrap_or(&first.path);
        if path.len() < first.path.len() {
            deleted.push(path);
        }
        list.push(Module {
            range,
            path: path.to_string(),
            build_id: header.and_then(|h| h.build_id),
        });
    }
    if let [first, ..] = deleted.as_slice() {
        notes.push(
            "modules",
            format!(
                "{} of the mapped files were deleted or replaced since: {first} ...",
                deleted.len()
            ),
            "what lies under that path now is used only where its build id agrees",
            "give the original file with --symbols",
        );
    }
    Modules::new(list)
}

/// Whether the first bytes can be read: then a missing ELF header means that it is not an image.
fn readable(memory: &dyn Memory, mapping: &Mapping) -> bool {
    memory.read(mapping.range.start, &mut [0; 4]).is_ok()
}

/// Without headers: from the first mapping over those of the same file that follow without a gap.
fn contiguous(mappings: &[Mapping]) -> AddrRange {
    let mut list = mappings.iter();
    let Some(first) = list.next() else {
        return AddrRange::default();
    };
    let mut range = first.range;
    for next in list.take_while(|next| next.same_file(first)) {
        if next.range.start != range.end || next.offset == 0 {
            break;
        }
        range.end = next.range.end;
    }
    range
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::Addr;
    use crate::source::fake::FakeMemory;
    use crate::source::maps::parse_maps;

    /// An ELF header with one PT_LOAD of `len` bytes.
    fn header(len: u64) -> Vec<u8> {
        let mut bytes = vec![0; 0x80];
        let mut put = |at: usize, data: &[u8]| bytes[at..at + data.len()].copy_from_slice(data);
        put(0, b"\x7fELF\x02\x01");
        put(0x20, &0x40u64.to_le_bytes());
        put(0x36, &56u16.to_le_bytes());
        put(0x38, &1u16.to_le_bytes());
        put(0x40, &1u32.to_le_bytes());
        put(0x40 + 40, &len.to_le_bytes());
        bytes
    }

    #[test]
    fn trampolines_and_data_files_are_not_images() {
        let maps = parse_maps(
            "\
10000-11000 r--p 00000000 08:01 7 /lib/libffi.so (deleted)
11000-14000 r-xp 00001000 08:01 7 /lib/libffi.so (deleted)
14000-15000 rw-p 00000000 00:00 0
20000-21000 r-xp 00002000 08:01 7 /lib/libffi.so (deleted)
30000-38000 r--p 00000000 08:01 8 /lib/read-as-data.so
40000-41000 r--p 00000000 08:01 9 /lib/locale-archive
7000000-7001000 r-xp 00000000 00:00 0 [vdso]",
        );
        let memory = FakeMemory::new()
            .with(Addr(0x10000), header(0x5000))
            .with(Addr(0x30000), header(0x8000))
            .with(Addr(0x40000), vec![1; 64])
            .with(Addr(0x700_0000), header(0x800));
        let notes = Notes::new();
        let modules = find_modules(&memory, &maps, &notes);
        let found: Vec<_> = modules
            .iter()
            .map(|m| (m.path.as_str(), m.range.start.0, m.range.len()))
            .collect();
        assert_eq!(
            found,
            [("/lib/libffi.so", 0x10000, 0x5000), ("[vdso]", 0x700_0000, 0x1000)]
        );
        assert_eq!(notes.to_vec().len(), 1);
    }
}
