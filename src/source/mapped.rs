//! Files as memory.

// The one place where a file is mapped; everything else sees a slice.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps a whole file, read-only.
///
/// # Errors
/// Those of mmap(2); an empty file cannot be mapped.
pub fn map_file(file: &File) -> io::Result<Mmap> {
    // SAFETY: the mapping is private and read-only, and its bytes are treated as hostile anyway, so a
    // change by another process is no worse than a different file: every reader checks each offset
    // against the slice. A file that is cut short while mapped ends this process by SIGBUS: accepted,
    // as every reader of mapped files does; package managers and linkers replace files by rename.
    unsafe { Mmap::map(file) }
}
