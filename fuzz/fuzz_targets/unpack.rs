//! Compressed streams of every kind.
#![no_main]

use std::path::Path;

use coldframe::source::unpack::{Packing, unpack};

/// More is cut: an input of some bytes may stand for gigabytes.
const LIMIT: u64 = 4 << 20;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let packing = Packing::detect(data);
    if packing.is_none() {
        return;
    }
    if let Ok(unpacked) = unpack(Path::new("fuzz"), &mut &*data, packing, LIMIT) {
        assert!(unpacked.file.metadata().expect("a file").len() <= LIMIT);
    }
});
