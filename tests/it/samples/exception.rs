//! The exceptions of a report against what CPython itself said of them.

use coldframe::report::model::{Exception, Frame, Thread};
use serde_json::Value;

use super::check::Problems;
use super::header::Header;

/// What is being raised and handled in the crashed thread, by the header.
pub fn check_header(header: &Header, thread: &Thread, problems: &mut Problems) {
    let repr = |exception: Option<&Exception>| exception.and_then(|exception| exception.repr.clone());
    let (raised, handled) = match &thread.exception {
        Some(exception) if exception.raised => (Some(exception), thread.handling.as_ref()),
        other => (None, other.as_ref()),
    };
    problems.expect("exception", header.get("exception"), repr(handled).as_deref());
    problems.expect("raised exception", header.get("raised"), repr(raised).as_deref());
}

/// The exception that a thread handles, with its chain.
pub fn check(what: &str, expected: &Value, thread: &Thread, problems: &mut Problems) {
    let handled = match &thread.exception {
        Some(exception) if exception.raised => thread.handling.as_ref(),
        other => other.as_ref(),
    };
    compare(&format!("{what}: exception"), expected, handled, problems);
}

fn compare(what: &str, expected: &Value, found: Option<&Exception>, problems: &mut Problems) {
    let found = match (expected.is_null(), found) {
        (true, None) => return,
        (false, Some(found)) => found,
        (_, found) => {
            return problems.push(format!("{what}: expected {expected}, found {found:?}"));
        }
    };
    let text = |key: &str| expected[key].as_str();
    let type_name = found.type_name.as_deref();
    let type_name = type_name.map(|name| name.rsplit('.').next().unwrap_or(name));
    problems.expect(&format!("{what}: type"), text("type"), type_name);
    // A `__str__` in Python is not run.
    if type_name != Some("Refused") || found.value.is_some() {
        problems.expect(&format!("{what}: str"), text("str").map(shorten), found.value.clone());
    }
    if found.repr.as_ref().is_none_or(|repr| !repr.contains('…')) {
        problems.expect(&format!("{what}: repr"), text("repr"), found.repr.as_deref());
    }
    let strings = |key: &str| -> Vec<&str> {
        let items = expected[key].as_array().into_iter().flatten();
        items.filter_map(Value::as_str).collect()
    };
    problems.expect(
        &format!("{what}: notes"),
        strings("notes"),
        found.notes.iter().map(String::as_str).collect(),
    );
    let entries = expected["traceback"].as_array().into_iter().flatten().rev();
    let entries: Vec<String> = entries
        .map(|entry| format!("{} {}:{}", entry["function"], entry["file"], entry["line"]))
        .collect();
    let frames: Vec<String> = found.traceback.iter().map(place).collect();
    problems.expect(&format!("{what}: traceback"), entries, frames);
    compare(
        &format!("{what}, cause"),
        &expected["cause"],
        found.cause.as_deref(),
        problems,
    );
    compare(
        &format!("{what}, context"),
        &expected["context"],
        found.context.as_deref(),
        problems,
    );
    let members = expected["members"].as_array().map(Vec::as_slice).unwrap_or_default();
    problems.expect(&format!("{what}: members"), members.len(), found.exceptions.len());
    for (index, (expected, found)) in members.iter().zip(&found.exceptions).enumerate() {
        compare(&format!("{what}, member {index}"), expected, Some(found), problems);
    }
}

/// Function, file and line, as the oracle writes them.
pub fn place(frame: &Frame) -> String {
    let Frame::Python(frame) = frame else {
        return format!("{frame:?}");
    };
    let quoted = |text: &Option<String>| format!("{:?}", text.as_deref().unwrap_or_default());
    format!(
        "{} {}:{}",
        quoted(&frame.function),
        quoted(&frame.file),
        frame.line.unwrap_or(0)
    )
}

/// Reports keep this many characters of a str.
fn shorten(text: &str) -> String {
    const MAX: usize = 512;
    let count = text.chars().count();
    match text.char_indices().nth(MAX) {
        Some((end, _)) => format!("{}… {} more", &text[..end], count - MAX),
        None => text.to_string(),
    }
}
