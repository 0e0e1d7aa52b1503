//! One ELF file: sections, symbols, and what identifies it.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{ElfFile64, ProgramHeader};
use object::{LittleEndian, Object, ObjectSection, SectionKind};

use crate::addr::{Addr, Svma};
use crate::source::BuildId;

use super::ImageError;
use crate::source::mapped::map_file;

/// No debug section is larger; a header that says so lies.
const MAX_UNPACKED: u64 = 4 << 30;
/// The most that a `.gnu_debugdata` unpacks to: it holds one symbol table.
const MAX_MINI: u64 = 64 << 20;
/// The largest dictionary that it may ask for, in KiB; that of `xz -9` is 64 MiB.
const MAX_XZ_KIB: u32 = 100 << 10;
const PAGE: u64 = 4096;

pub(super) type Parsed<'a> = ElfFile64<'a, LittleEndian>;
pub(super) type Header = FileHeader64<LittleEndian>;

/// A 64-bit little-endian ELF file.
#[derive(Debug)]
pub(super) struct ElfFile {
    pub path: PathBuf,
    pub build_id: Option<BuildId>,
    /// Size and time of change: what tells a file from the one that replaces it.
    pub identity: String,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    Mapped(memmap2::Mmap),
    Unpacked(Vec<u8>),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Unpacked(bytes) => bytes,
        }
    }
}

/// Contents of a section.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    /// Where it is loaded; 0 for one that is not.
    pub address: Svma,
    /// Its bytes, uncompressed.
    pub bytes: Cow<'a, [u8]>,
}

impl ElfFile {
    pub fn open(file: &File, path: &Path) -> Result<ElfFile, ImageError> {
        let unreadable = |error: std::io::Error| ImageError::Unreadable {
            path: path.to_owned(),
            reason: error.kind(),
        };
        let meta = file.metadata().map_err(unreadable)?;
        let map = map_file(file).map_err(unreadable)?;
        let parsed = parse(&map).ok_or_else(|| ImageError::NotElf(path.to_owned()))?;
        let build_id = parsed.build_id().ok().flatten().map(|id| BuildId(id.to_vec()));
        Ok(ElfFile {
            path: path.to_owned(),
            build_id,
            identity: format!("{}:{}.{}", meta.size(), meta.mtime(), meta.mtime_nsec()),
            bytes: Bytes::Mapped(map),
        })
    }

    /// The small ELF file in `.gnu_debugdata`, with symbols of functions that `.dynsym` leaves out, packed with xz
    /// (GDB manual, section "MiniDebugInfo").
    pub fn mini_debug_info(&self) -> Option<ElfFile> {
        let packed = self.raw_section(".gnu_debugdata")?;
        let reader = lzma_rust2::XzReader::new_mem_limit(packed, true, MAX_XZ_KIB);
        let mut bytes = Vec::new();
        reader.take(MAX_MINI).read_to_end(&mut bytes).ok()?;
        parse(&bytes)?;
        Some(ElfFile {
            path: self.path.clone(),
            build_id: None,
            identity: self.identity.clone(),
            bytes: Bytes::Unpacked(bytes),
        })
    }

    /// The headers, looked at anew: that takes microseconds, and nothing has to borrow from this.
    pub fn parse(&self) -> Option<Parsed<'_>> {
        parse(&self.bytes)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A section that has contents in this file.
    pub fn section(&self, name: &str) -> Option<Section<'_>> {
        let parsed = self.parse()?;
        let section = parsed.section_by_name(name)?;
        if section.kind() == SectionKind::UninitializedData {
            return None;
        }
        let compressed = section.compressed_data().ok()?;
        if compressed.uncompressed_size > MAX_UNPACKED {
            return None;
        }
        let bytes = compressed.decompress().ok()?;
        // Debug files keep the headers of what they leave out.
        let is_left_out = bytes.is_empty() && section.size() > 0;
        (!is_left_out).then_some(Section {
            address: Svma(section.address()),
            bytes,
        })
    }

    /// The bytes of a section as they lie in the file.
    pub fn raw_section(&self, name: &str) -> Option<&[u8]> {
        let parsed = self.parse()?;
        let section = parsed.section_by_name(name)?;
        section.data().ok()
    }

    pub fn has_section(&self, name: &str) -> bool {
        let found = self.parse().and_then(|parsed| {
            let section = parsed.section_by_name(name)?;
            section.file_range().map(|(_, size)| size > 0)
        });
        found.unwrap_or(false)
    }

    /// File name and CRC of the separate debug file (`.gnu_debuglink`, GDB manual section 18.3).
    pub fn debug_link(&self) -> Option<(String, u32)> {
        let parsed = self.parse()?;
        let (name, crc) = parsed.gnu_debuglink().ok()??;
        let name = String::from_utf8(name.to_vec()).ok()?;
        // A name, not a path that leads elsewhere.
        let is_plain = !name.is_empty() && !name.contains('/') && name != "..";
        is_plain.then_some((name, crc))
    }

    /// Path and build id of the file that dwz moved common debug information to (`.gnu_debugaltlink`).
    pub fn debug_alt_link(&self) -> Option<(String, BuildId)> {
        let parsed = self.parse()?;
        let (path, id) = parsed.gnu_debugaltlink().ok()??;
        Some((String::from_utf8(path.to_vec()).ok()?, BuildId(id.to_vec())))
    }

    /// Address in the process minus stated address, for an image whose file offset 0 is at `base`.
    pub fn bias(&self, base: Addr) -> Option<u64> {
        let parsed = self.parse()?;
        let first = parsed
            .elf_program_headers()
            .iter()
            .find(|header| header.p_type(LittleEndian) == PT_LOAD)?;
        let page_of = |n: u64| n & !(PAGE - 1);
        let stated = page_of(first.p_vaddr(LittleEndian)).wrapping_sub(page_of(first.p_offset(LittleEndian)));
        Some(base.0.wrapping_sub(stated))
    }
}

fn parse(bytes: &[u8]) -> Option<Parsed<'_>> {
    // The typed parser takes either byte order; LittleEndian is fixed here, so check it.
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    Parsed::parse(bytes).ok()
}
