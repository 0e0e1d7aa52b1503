//! A report against what CPython itself said right before the crash (samples/oracle.py).

use std::collections::BTreeMap;

use coldframe::report::Report;
use coldframe::report::model::{PythonFrame, Thread, ValueState, Variable};
use serde_json::Value;

use super::check::{Problems, find_thread, python_frames, scope_word};
use super::header::Header;
use super::{exception, values};

/// The most frames of one thread whose locals are in a report, counted from the inner and from the outer end.
const WITH_LOCALS: (usize, usize) = (150, 49);

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Compares frames, names and values of every thread.
pub fn check(header: &Header, oracle: &Value, report: &Report, problems: &mut Problems) {
    let process = report.process.as_ref();
    problems.expect(
        "pid",
        oracle["pid"].as_u64(),
        process.and_then(|process| process.pid).map(u64::from),
    );
    let version = report.python.first().and_then(|python| python.version.clone());
    problems.expect("version", oracle["python"].as_str(), version.as_deref());
    for expected in oracle["threads"].as_array().into_iter().flatten() {
        let is_crashed = expected["crashed"] == true;
        // It asked the oracle, and went on until a thread crashed that Python does not know.
        if is_crashed && header.get("thread") == Some("native") {
            continue;
        }
        // A subinterpreter knows neither which thread runs it nor the threads of others.
        let is_alone = header.in_other_interpreters() > 0;
        if is_alone && !is_crashed {
            continue;
        }
        let name = text(expected, "name");
        let thread = match (is_crashed, expected["main"] == true) {
            (true, _) => report.crashed_thread(),
            (false, true) => find_thread(report, "main"),
            (false, false) => find_thread(report, name),
        };
        let Some(thread) = thread else {
            problems.push(format!("no thread {name}"));
            continue;
        };
        // In a child after fork, `threading` still has the parent's id of the main thread.
        let tid = if expected["main"] == true {
            &oracle["pid"]
        } else {
            &expected["tid"]
        };
        if !is_alone {
            problems.expect("thread id", tid.as_u64(), Some(u64::from(thread.tid)));
        }
        if let (Some(daemon), false) = (thread.daemon, is_alone || expected["main"] == true) {
            problems.expect(
                &format!("{name} is a daemon"),
                expected["daemon"].as_bool(),
                Some(daemon),
            );
        }
        if is_crashed {
            exception::check("crashed thread", &oracle["exception"], thread, problems);
        } else if expected["exception"].is_object() {
            exception::check(name, &expected["exception"], thread, problems);
        }
        let limit = thread.recursion.map(|recursion| u64::from(recursion.limit));
        problems.expect(
            &format!("recursion limit of {name}"),
            oracle["recursion_limit"].as_u64(),
            limit,
        );
        check_frames(header, expected, thread, true, problems);
        let frames = python_frames(thread);
        let depth = thread.recursion.map_or(0, |recursion| recursion.depth as usize);
        // Before 3.12 calls of C functions count as well. Each interpreter counts its own, and a thread may run several.
        let runs_several = frames.iter().any(|frame| frame.interpreter.is_some());
        if !runs_several && depth + 1 < frames.len() {
            problems.push(format!("{name}: recursion {depth}, and {} frames", frames.len()));
        }
    }
}

/// The frames of the crashed thread, where nothing else is known: some lines may be missing.
pub fn check_code(header: &Header, oracle: &Value, report: &Report, problems: &mut Problems) {
    // The thread that asked the oracle is not the one that crashed.
    if header.get("thread") == Some("native") {
        return;
    }
    let threads = oracle["threads"].as_array().into_iter().flatten();
    for expected in threads.filter(|thread| thread["crashed"] == true) {
        match report.crashed_thread() {
            Some(thread) => check_frames(header, expected, thread, false, problems),
            None => problems.push("no crashed thread".to_string()),
        }
    }
}

fn check_frames(header: &Header, expected: &Value, thread: &Thread, is_whole: bool, problems: &mut Problems) {
    let name = text(expected, "name");
    let is_crashed = expected["crashed"] == true;
    let frames = python_frames(thread);
    let entries = expected["frames"].as_array().map(Vec::as_slice).unwrap_or_default();
    // The crash may be further inside than the function that asked the oracle.
    let inner = if is_crashed {
        let seen = header.frames.len() - header.in_other_interpreters();
        seen.saturating_sub(entries.len())
    } else {
        0
    };
    // One interpreter does not see what another one runs in the same thread.
    let outer = if is_crashed { header.in_other_interpreters() } else { 0 };
    problems.expect(
        &format!("frames of {name}"),
        inner + entries.len() + outer,
        frames.len(),
    );
    for (index, (entry, frame)) in entries.iter().zip(frames.iter().skip(inner)).enumerate() {
        let what = format!("{name}, frame {index}");
        let is_asking = index == 0 && is_crashed;
        check_frame(
            entry,
            frame,
            is_asking,
            is_whole || frame.line.is_some(),
            &what,
            problems,
        );
        let is_omitted = index + inner >= WITH_LOCALS.0 && index + inner + WITH_LOCALS.1 < frames.len();
        if is_whole && !is_omitted {
            check_locals(entry, frame, &what, problems);
        }
    }
}

fn check_frame(
    entry: &Value,
    frame: &PythonFrame,
    is_asking: bool,
    has_line: bool,
    what: &str,
    problems: &mut Problems,
) {
    problems.expect(what, entry["function"].as_str(), frame.function.as_deref());
    problems.expect(what, entry["file"].as_str(), frame.file.as_deref());
    problems.expect(
        &format!("{what}: qualname"),
        entry["qualname"].as_str(),
        frame.qualname.as_deref(),
    );
    // The frame that asked goes on to the line of the crash, which the header has.
    if is_asking || !has_line {
        return;
    }
    problems.expect(
        &format!("{what}: line"),
        entry["line"].as_u64(),
        frame.line.map(u64::from),
    );
    let expected: Vec<Option<u64>> = match entry["span"].as_array() {
        Some(span) => span.iter().map(Value::as_u64).collect(),
        // No end, and no columns.
        None => vec![entry["line"].as_u64(), None, None, None],
    };
    let found = [frame.line, frame.column, frame.end_line, frame.end_column];
    problems.expect(
        &format!("{what}: span"),
        expected,
        found.map(|number| number.map(u64::from)).to_vec(),
    );
}

fn check_locals(entry: &Value, frame: &PythonFrame, what: &str, problems: &mut Problems) {
    if entry["function"] == "<module>" {
        return; // the oracle has no values of globals
    }
    let is_slots = entry["function"] == frame.function.as_deref().unwrap_or_default();
    let expected: Vec<&Value> = entry["locals"].as_array().into_iter().flatten().collect();
    let variables = frame
        .locals
        .iter()
        .filter(|variable| variable.state != ValueState::Folded);
    let names: Vec<&str> = variables.map(|variable| variable.name.as_str()).collect();
    let order: Vec<&str> = expected
        .iter()
        .map(|value| text(value, "name"))
        .filter(|name| names.contains(name))
        .collect();
    if is_slots {
        problems.expect(&format!("{what}: order of locals"), order, names);
    }
    let found: BTreeMap<&str, &Variable> = frame
        .locals
        .iter()
        .map(|variable| (variable.name.as_str(), variable))
        .collect();
    for expected in expected {
        let name = text(expected, "name");
        let what = format!("{what}, {name}");
        let Some(found) = found.get(name) else {
            if !may_be_absent(expected) {
                problems.push(format!("{what}: missing"));
            }
            continue;
        };
        problems.expect(&what, text(expected, "scope"), scope_word(found));
        let state = if expected["set"] == true {
            if found.state == ValueState::Redacted {
                continue; // redaction has tests of its own
            }
            ValueState::Ok
        } else {
            ValueState::Unset
        };
        problems.expect(&what, &state, &found.state);
        if state == ValueState::Ok {
            let type_name = found
                .type_name
                .as_deref()
                .map(|name| name.rsplit('.').next().unwrap_or(name));
            problems.expect(&format!("{what}: type"), expected["type"].as_str(), type_name);
            // The importer's objects have a `__repr__` of their own.
            if !text(entry, "file").starts_with("<frozen ") {
                values::compare(&what, text(expected, "repr"), found, true, problems);
            }
        }
    }
}

/// What a report leaves out: variables of an inlined comprehension that is over (3.12 and later), and the definitions in
/// a class body.
fn may_be_absent(expected: &Value) -> bool {
    let name = text(expected, "name");
    let is_dunder = name.starts_with("__") && name.ends_with("__");
    let is_definition = ["function", "type", "module"].contains(&text(expected, "type"));
    expected["set"] == false && expected["scope"] == "local" || is_dunder || is_definition
}

/// One value beside what the program itself printed.
pub struct Compared {
    /// What kind of value it is, as the program says.
    pub kind: String,
    pub problems: Problems,
}

/// The lines `NAME<tab>SCOPE<tab>REPR<tab>KIND` of every variable of one function, attributes included.
pub fn compare_values(function: &str, lines: &str, report: &Report) -> Result<Vec<Compared>, String> {
    let frames = report.crashed_thread().map(python_frames).unwrap_or_default();
    let frame = frames
        .iter()
        .find(|frame| frame.function.as_deref() == Some(function))
        .ok_or_else(|| format!("values: no frame of {function}"))?;
    // Structures of extension modules come from the built-in table, which has final releases only.
    let version = report.python.first().and_then(|python| python.version.as_deref());
    let is_prerelease = version.is_some_and(|version| version.contains(|c: char| c.is_ascii_alphabetic()));
    let compare = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, scope, repr, kind] = fields[..] else {
            return Err(format!("values: {line}"));
        };
        let mut problems = Problems::default();
        compare_value(name, scope, repr, frame, is_prerelease, &mut problems);
        Ok(Compared {
            kind: kind.to_string(),
            problems,
        })
    };
    lines.lines().map(compare).collect()
}

fn compare_value(
    name: &str,
    scope: &str,
    repr: &str,
    frame: &PythonFrame,
    is_prerelease: bool,
    problems: &mut Problems,
) {
    let (variable, attribute) = match (scope, name.split_once('.')) {
        ("attribute", Some((variable, attribute))) => (variable, Some(attribute)),
        _ => (name, None),
    };
    let found = frame.locals.iter().find(|local| local.name == variable);
    let found = match attribute {
        Some(attribute) => found.and_then(|local| {
            let name = format!(".{attribute}");
            local.children.iter().find(|child| child.name == name)
        }),
        None => found,
    };
    let Some(found) = found else {
        if !is_prerelease || attribute.is_none() {
            problems.push(format!("values: no {name}"));
        }
        return;
    };
    if attribute.is_none() {
        problems.expect(&format!("values: {name}"), scope, scope_word(found));
    }
    if repr == "<unset>" {
        problems.expect(name, &ValueState::Unset, &found.state);
        return;
    }
    let may_be_plain = is_prerelease || name.starts_with("opaque_") || name.contains('.');
    values::compare(&format!("values: {name}"), repr, found, may_be_plain, problems);
    let is_elided = found.value.as_ref().is_some_and(|value| value.contains('…'));
    if is_elided && !["long", "deep", "many"].iter().any(|word| name.contains(word)) {
        problems.push(format!("values: {name} is not whole"));
    }
}

/// All of [`compare_values`].
pub fn check_values(function: &str, lines: &str, report: &Report, problems: &mut Problems) {
    match compare_values(function, lines, report) {
        Ok(compared) => {
            if compared.len() < 30 {
                problems.push(format!("values: only {} of them", compared.len()));
            }
            problems
                .0
                .extend(compared.into_iter().flat_map(|value| value.problems.0));
        }
        Err(problem) => problems.push(problem),
    }
}
