//! Regular expressions (Modules/_sre/sre.c).

use super::super::text;
use super::printer::{Printer, Subject};
use crate::addr::Addr;
use crate::source::MemoryExt;

/// Flags in the order of `pattern_repr`; their values are those of Modules/_sre/sre_constants.h.
const FLAGS: [(&str, u32); 9] = [
    ("re.TEMPLATE", 1),
    ("re.IGNORECASE", 2),
    ("re.LOCALE", 4),
    ("re.MULTILINE", 8),
    ("re.DOTALL", 16),
    ("re.UNICODE", 32),
    ("re.VERBOSE", 64),
    ("re.DEBUG", 128),
    ("re.ASCII", 256),
];
const LOCALE_UNICODE_ASCII: u32 = 4 | 32 | 256;
const UNICODE: u32 = 32;

/// `re.compile('a+', re.IGNORECASE)`; of the pattern's repr the first 200 characters.
pub fn pattern(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let (memory, offsets) = (printer.python.memory, &printer.python.layout.offsets.pattern);
    let mut flags = memory.read_u32(offsets.flags.of(subject.at)).ok()?;
    let is_bytes = memory.read_i32(offsets.is_bytes.of(subject.at)).ok()?;
    if is_bytes == 0 && flags & LOCALE_UNICODE_ASCII == UNICODE {
        flags &= !UNICODE;
    }
    let pattern = printer.python.read_or_null(offsets.pattern.of(subject.at));
    let pattern: String = printer.repr(pattern).chars().take(200).collect();
    let mut names = Vec::new();
    for (name, value) in FLAGS {
        if flags & value != 0 {
            names.push(name.to_string());
            flags &= !value;
        }
    }
    if flags != 0 {
        names.push(format!("0x{flags:x}"));
    }
    Some(match names.is_empty() {
        true => format!("re.compile({pattern})"),
        false => format!("re.compile({pattern}, {})", names.join("|")),
    })
}

/// `<re.Match object; span=(0, 1), match='a'>`; of the repr of what matched the first 50 characters.
pub fn found(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let (python, offsets) = (printer.python, &printer.python.layout.offsets);
    let mark = offsets.match_object.mark.of(subject.at);
    let start = python.memory.read_u64(mark).ok()?;
    let end = python.memory.read_u64(mark.add(8)).ok()?;
    let string = python.read_or_null(offsets.match_object.string.of(subject.at));
    let matched = matched(printer, string, start, end)?;
    let matched: String = matched.chars().take(50).collect();
    Some(format!(
        "<{} object; span=({start}, {end}), match={matched}>",
        subject.info.tp_name
    ))
}

/// The `repr` of a part of the string, as far as it is shown.
fn matched(printer: &Printer<'_, '_>, string: Addr, start: u64, end: u64) -> Option<String> {
    // A repr has at least one character for each of the string.
    let count = end.checked_sub(start)?.min(64);
    let python = printer.python;
    let info = python.type_of(string)?;
    match info.name.as_str() {
        "str" => {
            let points = python.read_str_part(string, start, count)?;
            Some(text::str_repr(&points))
        }
        "bytes" => {
            let data = python.layout.offsets.bytes.data.of(string).add(start);
            let bytes = python.memory.read_vec(data, count as usize).ok()?;
            Some(text::bytes_repr(&bytes))
        }
        _ => Some("…".to_string()),
    }
}
