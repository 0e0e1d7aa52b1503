//! SARIF 2.1.0 (OASIS), for code scanning: one result per group.

use serde_json::{Value, json};

use super::{Row, Triage, place, seen, some};
use crate::report::json::{self, JsonError};
use crate::report::model::{Frame, Thread};
use crate::report::text::one_line;

/// What GitHub shows of a run; it refuses more than five times as many.
const MOST: usize = 5_000;
/// Frames of a stack.
const MOST_FRAMES: usize = 100;
/// The name under which a group's key is a fingerprint. It changes with what keys are made of.
const FINGERPRINT: &str = "coldframeSignature/v1";

/// The groups as one run. `root` is the repository's folder: a result stands at the nearest Python line in it. A crash
/// without such a line becomes a notification of the run, because code scanning refuses results without a place.
///
/// # Errors
/// Where the document cannot be written as JSON.
pub fn sarif(triage: &Triage, root: &str) -> Result<String, JsonError> {
    let mut rules: Vec<String> = Vec::new();
    let mut results = Vec::new();
    let mut notifications = Vec::new();
    for row in &triage.groups {
        match place::of(row, root) {
            Some(at) if results.len() < MOST => {
                let rule = rule(row);
                let index = rules.iter().position(|known| *known == rule).unwrap_or_else(|| {
                    rules.push(rule.clone());
                    rules.len() - 1
                });
                results.push(result(row, at, (&rule, index), root));
            }
            _ => notifications.push(notification("error", &message(row))),
        }
    }
    for record in triage.ungrouped.iter().take(MOST) {
        let why = record.error.as_deref().unwrap_or("no reason known");
        notifications.push(notification("note", &format!("{}: {why}", record.path)));
    }
    json::of(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "coldframe",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules.iter().map(|id| described(id)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{"executionSuccessful": true, "toolExecutionNotifications": notifications}],
            "results": results,
        }],
    }))
}

fn result(row: &Row, (file, line): (&str, u32), (rule, index): (&str, usize), root: &str) -> Value {
    let group = &row.group;
    let mut result = json!({
        "ruleId": rule,
        "ruleIndex": index,
        "level": if row.known.is_some() { "note" } else { "error" },
        "message": {"text": message(row)},
        "locations": [physical(file, line)],
        "fingerprints": {FINGERPRINT: group.key},
        "partialFingerprints": {FINGERPRINT: group.key},
        "occurrenceCount": group.count,
        "baselineState": if row.known.is_some() { "unchanged" } else { "new" },
    });
    if let Some(known) = &row.known {
        let mut suppression = json!({"kind": "external"});
        if let Some(issue) = &known.issue {
            suppression["justification"] = json!(one_line(issue, 500));
        }
        result["suppressions"] = json!([suppression]);
    }
    let thread = row.report.as_ref().and_then(|report| {
        let crashed = report.crashed_thread();
        crashed.or(report.threads.first())
    });
    if let Some(thread) = thread.filter(|thread| !thread.frames.is_empty()) {
        result["stacks"] = json!([stack(thread, root)]);
    }
    result
}

/// The kind of death without its message, for example `MEM`, which a finding's rule can be configured by.
fn rule(row: &Row) -> String {
    let kind = row
        .record
        .signature
        .as_ref()
        .and_then(|signature| signature.kind.as_deref());
    let word = kind.unwrap_or("CRASH").split(':').next().unwrap_or("CRASH");
    one_line(word, 30)
}

fn described(id: &str) -> Value {
    let text = match id {
        "MEM" => "access to memory that is not there or not allowed",
        "STACK" => "overflow of a thread's stack",
        "ABRT" => "abort: by the program, the C library or the interpreter",
        "FPE" => "division by zero or an arithmetic overflow",
        "ILL" => "an instruction that the processor does not know",
        "TRAP" => "a breakpoint or trap",
        "SYS" => "a system call that is not allowed",
        "HANG" => "a process that did not end in time",
        "EXCEPTION" => "an exception that nothing caught",
        _ => "the end of a process by a signal",
    };
    json!({
        "id": id,
        "shortDescription": {"text": text},
        "defaultConfiguration": {"level": "error"},
    })
}

fn message(row: &Row) -> String {
    let group = &row.group;
    let mut text = format!(
        "{} ({}) [{}]",
        one_line(&group.title, 500),
        seen(group),
        one_line(&group.key, 40)
    );
    if !group.tests.is_empty() {
        text.push_str(&format!("; tests: {}", one_line(&some(group.tests.iter(), 5), 1_000)));
    }
    text
}

fn notification(level: &str, text: &str) -> Value {
    json!({"level": level, "message": {"text": one_line(text, 2_000)}})
}

fn stack(thread: &Thread, root: &str) -> Value {
    let frames: Vec<Value> = thread
        .frames
        .iter()
        .take(MOST_FRAMES)
        .map(|frame| stack_frame(frame, root))
        .collect();
    json!({"message": {"text": "the crashed thread, innermost frame first"}, "frames": frames})
}

fn stack_frame(frame: &Frame, root: &str) -> Value {
    let (function, module, file, line) = match frame {
        Frame::Python(frame) => (
            frame.qualname.as_ref().or(frame.function.as_ref()),
            &frame.module,
            frame.file.as_deref().and_then(|file| place::relative(file, root)),
            frame.line,
        ),
        // Sources of native code are relative to the folder they were built in, which is not known.
        Frame::Native(frame) => (frame.function.as_ref(), &frame.module, None, None),
        Frame::Unknown => (None, &None, None, None),
    };
    let name = one_line(function.map_or("??", String::as_str), 300);
    let mut location = match (file, line) {
        (Some(file), Some(line)) => physical(file, line),
        _ => json!({}),
    };
    location["logicalLocations"] = json!([{"fullyQualifiedName": name, "kind": "function"}]);
    match module {
        Some(module) => json!({"location": location, "module": one_line(module, 300)}),
        None => json!({"location": location}),
    }
}

fn physical(file: &str, line: u32) -> Value {
    json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(file), "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": line.max(1)},
    }})
}

/// A relative path as a URI reference (RFC 3986): what a path segment cannot hold is percent-encoded.
fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(byte as char),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_references() {
        assert_eq!(uri("tests/a b:ü.py"), "tests/a%20b%3A%C3%BC.py");
    }
}
