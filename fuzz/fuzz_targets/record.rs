//! The record that a crash leaves where no helper could run, and the request in it.
#![no_main]

use std::path::Path;

use coldframe::notes::Notes;
use coldframe::source::RecordFile;
use coldframe::source::request::Request;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = Request::from_bytes(data);
    if let Ok(record) = RecordFile::from_file(Path::new("fuzz.rec"), &coldframe_fuzz::file(data), &Notes::new()) {
        coldframe_fuzz::analyse(&record);
    }
});
