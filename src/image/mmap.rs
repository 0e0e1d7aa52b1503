//! Files mapped into memory.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// A file's contents, read on demand by the kernel: of 30 MB of debug information a crash needs a
/// few hundred KB.
#[derive(Debug)]
pub(super) struct MappedFile {
    map: Mmap,
}

impl MappedFile {
    /// Maps the whole of a regular file.
    pub fn new(file: &File) -> io::Result<MappedFile> {
        // SAFETY: the map is private and read-only. What remains is another process writing to the file
        // meanwhile: package managers and linkers replace files by rename instead, and the readers of
        // the bytes (object, gimli, addr2line) check every offset against the slice, so altered bytes
        // give a wrong or no answer, not an invalid access. A file cut short in place raises SIGBUS, as
        // in every debugger that maps its files.
        let map = unsafe { Mmap::map(file)? };
        Ok(MappedFile { map })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.map
    }
}
