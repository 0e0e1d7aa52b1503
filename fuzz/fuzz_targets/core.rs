//! An ELF core, its notes, and the analysis of what it holds.
#![no_main]

use std::path::Path;

use coldframe::notes::Notes;
use coldframe::source::CoreFile;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(core) = CoreFile::from_file(Path::new("core"), &coldframe_fuzz::file(data), &Notes::new()) {
        coldframe_fuzz::analyse(&core);
    }
});
