//! A minidump, ours or another's, its streams, and the analysis of what it holds.
#![no_main]

use std::path::Path;

use coldframe::notes::Notes;
use coldframe::source::DumpFile;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(dump) = DumpFile::from_file(Path::new("fuzz.dmp"), &coldframe_fuzz::file(data), &Notes::new()) {
        coldframe_fuzz::analyse(&dump);
    }
});
