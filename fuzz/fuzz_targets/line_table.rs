//! The three formats of line tables. The input is the first line, the instruction, then the table.
#![no_main]

use coldframe::layout::VERSIONS;
use coldframe::python::linetable::position;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((head, table)) = data.split_first_chunk::<8>() else {
        return;
    };
    let [a, b, c, d, e, f, g, h] = *head;
    let (first_line, lasti) = (u32::from_le_bytes([a, b, c, d]), i32::from_le_bytes([e, f, g, h]));
    for row in VERSIONS {
        let _ = position(row.behaviour.line_table, table, first_line, lasti);
    }
});
