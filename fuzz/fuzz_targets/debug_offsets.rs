//! `_Py_DebugOffsets` at the start of `_PyRuntime`.
#![no_main]

use coldframe::addr::Addr;
use coldframe::layout::read_debug_offsets;
use coldframe_fuzz::{Bytes, START};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = read_debug_offsets(&Bytes(data), Addr(START));
});
