//! What a file says that its loaded image holds.

use object::LittleEndian;
use object::elf::{PF_W, PF_X, PT_DYNAMIC, PT_LOAD, SHF_EXECINSTR, SHT_NOBITS};
use object::read::elf::{ProgramHeader, SectionHeader};

use super::elf_file::ElfFile;
use crate::addr::{Addr, Svma};
use crate::source::{Memory, MemoryExt};

/// `d_tag` values (System V gABI, chapter "Dynamic Section"): the end, and where the dynamic linker
/// puts an address for debuggers.
const DT_NULL: u64 = 0;
const DT_DEBUG: u64 = 21;
/// The most entries of a dynamic section that are looked at; a library has about 30.
const MAX_ENTRIES: usize = 512;
/// Fewer entries than any dynamically linked image has say too little.
const MIN_ENTRIES: usize = 8;

/// The loadable segments of a file, as far as their bytes are what is in memory.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// Not writable, by address: stated address, position in the file, length.
    read_only: Vec<(u64, u64, u64)>,
    /// The dynamic section.
    dynamic: Option<(u64, u64, u64)>,
    /// Executable, of a debug file as well: stated address, length in memory.
    code: Vec<(u64, u64)>,
}

impl Loaded {
    /// Of a debug file, where its code lies: its program headers speak of bytes that were left out.
    pub fn new(file: &ElfFile) -> Loaded {
        let Some(parsed) = file.parse() else {
            return Loaded::default();
        };
        let is_left_out = parsed.elf_section_table().iter().any(|section| {
            let is_code = (section.sh_flags(LittleEndian) & SHF_EXECINSTR).0 != 0;
            is_code && section.sh_type(LittleEndian) == SHT_NOBITS
        });
        let executable = parsed
            .elf_program_headers()
            .iter()
            .filter(|header| header.p_type(LittleEndian) == PT_LOAD && (header.p_flags(LittleEndian) & PF_X).0 != 0);
        let mut loaded = Loaded {
            code: executable
                .map(|header| (header.p_vaddr(LittleEndian), header.p_memsz(LittleEndian)))
                .collect(),
            ..Loaded::default()
        };
        if is_left_out {
            return loaded;
        }
        for header in parsed.elf_program_headers() {
            let place = (
                header.p_vaddr(LittleEndian),
                header.p_offset(LittleEndian),
                header.p_filesz(LittleEndian),
            );
            match header.p_type(LittleEndian) {
                PT_LOAD if (header.p_flags(LittleEndian) & PF_W).0 == 0 => loaded.read_only.push(place),
                PT_DYNAMIC => loaded.dynamic = Some(place),
                _ => {}
            }
        }
        loaded
    }

    /// Whether code can lie at an address. Debug information names functions that the linker left out, too: their
    /// addresses begin at 0.
    pub fn is_code(&self, address: Svma) -> bool {
        let holds = |&(start, length): &(u64, u64)| address.0.checked_sub(start).is_some_and(|skip| skip < length);
        self.code.is_empty() || self.code.iter().any(holds)
    }

    /// The bytes of `file` from a stated address to the end of its segment, where that is not writable.
    pub fn read_only<'a>(&self, file: &'a ElfFile, address: Svma) -> Option<&'a [u8]> {
        self.read_only.iter().find_map(|&(start, offset, len)| {
            let skip = address.0.checked_sub(start).filter(|skip| *skip < len)?;
            bytes_at(file, offset.checked_add(skip)?, len - skip)
        })
    }

    /// Whether the dynamic section in memory is that of `file`: two dozen addresses and sizes, which another
    /// build hardly shares. The dynamic linker adds the bias to some of them (glibc, `elf/get-dynamic-info.h`).
    pub fn agrees(&self, file: &ElfFile, memory: &dyn Memory, bias: u64) -> bool {
        let Some((address, offset, len)) = self.dynamic else {
            return false;
        };
        let Some(stated) = bytes_at(file, offset, len) else {
            return false;
        };
        let mut entries = 0;
        for pair in stated.chunks_exact(16).take(MAX_ENTRIES) {
            let word = |at: usize| pair.get(at..)?.first_chunk().map(|b| u64::from_le_bytes(*b));
            let (Some(tag), Some(value)) = (word(0), word(8)) else {
                return false;
            };
            let at = Addr(address.wrapping_add(bias)).add(entries * 16);
            let (Ok(tag_there), Ok(value_there)) = (memory.read_u64(at), memory.read_u64(at.add(8))) else {
                return false;
            };
            let is_same = value_there == value || value_there == value.wrapping_add(bias) || tag == DT_DEBUG;
            if tag_there != tag || !is_same {
                return false;
            }
            if tag == DT_NULL {
                break;
            }
            entries += 1;
        }
        entries >= MIN_ENTRIES as u64
    }

    /// How many bytes of address space the segments take, in whole pages.
    pub fn extent(file: &ElfFile) -> Option<u64> {
        let parsed = file.parse()?;
        let loads = || {
            let headers = parsed.elf_program_headers().iter();
            headers.filter(|header| header.p_type(LittleEndian) == PT_LOAD)
        };
        let first = loads().map(|header| header.p_vaddr(LittleEndian)).min()? & !0xfff;
        let end = loads()
            .map(|header| {
                header
                    .p_vaddr(LittleEndian)
                    .saturating_add(header.p_memsz(LittleEndian))
            })
            .max()?;
        end.checked_sub(first)?.checked_next_multiple_of(0x1000)
    }
}

fn bytes_at(file: &ElfFile, offset: u64, len: u64) -> Option<&[u8]> {
    let rest = file.bytes().get(usize::try_from(offset).ok()?..)?;
    Some(
        usize::try_from(len)
            .ok()
            .and_then(|len| rest.get(..len))
            .unwrap_or(rest),
    )
}
