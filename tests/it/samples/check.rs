//! A report against the header of the sample it is of.

use std::collections::{BTreeMap, BTreeSet};

use coldframe::report::Report;
use coldframe::report::model::{
    Confidence, Frame, NativeFrame, PythonFrame, Role, Scope, Thread, ValueState, Variable,
};

use super::cell::Outcome;
use super::header::{Count, Header, Native};
use super::{exception, glob, state};

/// Everything that differs.
#[derive(Default)]
pub struct Problems(pub Vec<String>);

impl Problems {
    pub fn push(&mut self, problem: String) {
        self.0.push(problem);
    }

    pub fn expect<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, expected: T, found: T) {
        if expected != found {
            self.push(format!("{what}: expected {expected:?}, found {found:?}"));
        }
    }
}

pub fn python_frames(thread: &Thread) -> Vec<&PythonFrame> {
    let mut frames = Vec::new();
    for frame in &thread.frames {
        if let Frame::Python(frame) = frame {
            frames.push(frame);
        }
    }
    frames
}

pub fn native_frames(thread: &Thread) -> Vec<&NativeFrame> {
    let mut frames = Vec::new();
    for frame in &thread.frames {
        if let Frame::Native(frame) = frame {
            frames.push(frame);
        }
    }
    frames
}

/// The thread that a header calls `main` or by its name.
pub fn find_thread<'a>(report: &'a Report, name: &str) -> Option<&'a Thread> {
    let name = if name == "main" { "MainThread" } else { name };
    report
        .threads
        .iter()
        .find(|thread| thread.python_name.as_deref() == Some(name))
}

/// Checks everything the header states but values of the oracle.
pub fn check(header: &Header, outcome: &Outcome, report: &Report, has_qualnames: bool) -> Problems {
    let mut problems = Problems::default();
    problems.expect("ends", header.get("ends").unwrap_or_default(), &*outcome.ending());
    if let Some(text) = header.get("stderr").filter(|text| !outcome.stderr.contains(text)) {
        problems.push(format!("stderr lacks {text:?}"));
    }
    check_report(header, report, has_qualnames, &mut problems);
    problems
}

/// What of it a report says.
pub fn check_report(header: &Header, report: &Report, has_qualnames: bool, problems: &mut Problems) {
    check_crash(header, report, problems);
    let Some(thread) = report.crashed_thread() else {
        return problems.push("no crashed thread".to_string());
    };
    // Python has no name for a thread that it does not know.
    let name = header
        .get("thread")
        .filter(|name| *name != "native")
        .map(|name| if name == "main" { "MainThread" } else { name });
    problems.expect("crashed thread", name, thread.python_name.as_deref());
    problems.expect(
        "it comes first",
        Some(thread.tid),
        report.threads.first().map(|thread| thread.tid),
    );
    let frames = python_frames(thread);
    problems.expect("number of Python frames", header.frames.len(), frames.len());
    for (index, (expected, found)) in header.frames.iter().zip(&frames).enumerate() {
        let function = found.function.as_deref().unwrap_or_default();
        if !expected.matches(function, found.file.as_deref().unwrap_or_default(), found.line) {
            problems.push(format!(
                "Python frame {index}: expected {expected}, found {function} {:?}:{:?}",
                found.file, found.line
            ));
        }
        if expected.interpreter.is_some() {
            problems.expect(
                &format!("interpreter of Python frame {index}"),
                expected.interpreter,
                found.interpreter,
            );
        }
    }
    check_findings(header, report, problems);
    exception::check_header(header, thread, problems);
    state::check_hooks(header, report, problems);
    state::check_states(header, report, problems);
    state::check_works(header, report, problems);
    let runtime = report.python.first().and_then(|python| python.executable.as_deref());
    check_native_variables(header, &native_frames(thread), problems);
    check_native(
        &header.natives,
        &native_frames(thread),
        runtime.unwrap_or_default(),
        problems,
    );
    check_names(header, &frames, has_qualnames, problems);
    check_parts(header, &frames, problems);
    for (name, expected) in &header.others {
        let frames = find_thread(report, name).map(python_frames).unwrap_or_default();
        let fits = |frame: &&PythonFrame| match (&frame.function, &frame.file) {
            (Some(function), Some(file)) => expected.matches(function, file, frame.line),
            _ => false,
        };
        if !frames.iter().any(fits) {
            problems.push(format!("thread {name} is not at {expected}"));
        }
    }
}

/// The findings of the header, and no other one that is certain.
fn check_findings(header: &Header, report: &Report, problems: &mut Problems) {
    let pair = |id: &str, confidence: &Confidence| {
        let word = serde_json::to_value(confidence).expect("a word");
        (id.to_string(), word.as_str().unwrap_or_default().to_string())
    };
    let is_free_threaded = report.python.iter().any(|python| python.free_threaded == Some(true));
    let host = report.process.as_ref().and_then(|process| process.host.as_ref());
    let knows_processor = host.is_some_and(|host| host.cpu.is_some());
    let has_message = report.crash.as_ref().is_some_and(|crash| crash.message.is_some());
    let expected = header.findings.iter().map(|(id, confidence)| match id.as_str() {
        // Without a GIL, all that is left of it is what came of it.
        "gil-not-held" if is_free_threaded => ("null-deref".to_string(), "certain".to_string()),
        // They have another allocator (mimalloc).
        "allocator-mismatch" if is_free_threaded && has_message => {
            ("heap-corruption".to_string(), "certain".to_string())
        }
        // Only a dump says what the processor has.
        "illegal-instruction" if !knows_processor && !header.titles.is_empty() => (id.clone(), "likely".to_string()),
        _ => (id.clone(), confidence.clone()),
    });
    let expected: BTreeSet<(String, String)> = expected.collect();
    let found: BTreeSet<(String, String)> = report
        .findings
        .iter()
        .map(|finding| pair(&finding.id, &finding.confidence))
        .filter(|found| found.1 != "possible" || expected.contains(found))
        .collect();
    // What rests on names may be missing where the interpreter has none.
    let is_runtime = |path: &String| {
        report
            .python
            .iter()
            .any(|python| python.executable.as_ref() == Some(path))
    };
    let is_nameless = report.crashed_thread().is_some_and(|thread| {
        let mut natives = native_frames(thread).into_iter();
        natives.any(|frame| frame.function.is_none() && frame.module.as_ref().is_some_and(is_runtime))
    });
    let is_optional = |finding: &(String, String)| is_nameless && finding.1 != "certain";
    let expected = expected
        .into_iter()
        .filter(|finding| found.contains(finding) || !is_optional(finding))
        .collect();
    problems.expect("findings", expected, found);
    for (id, title) in &header.titles {
        let finding = report.findings.iter().find(|finding| finding.id == *id);
        let found = finding.map(|finding| &*finding.title).unwrap_or_default();
        if !is_nameless && !glob::matches(title, found) {
            problems.push(format!("title of {id}: expected {title:?}, found {found:?}"));
        }
    }
}

fn check_crash(header: &Header, report: &Report, problems: &mut Problems) {
    let Some(crash) = &report.crash else {
        problems.push("no crash".to_string());
        return;
    };
    problems.expect("signal", header.get("signal"), crash.signal.as_deref());
    if header.get("code").is_some() {
        problems.expect("code", header.get("code"), crash.code.as_deref());
    }
    if let Some(address) = header.get("address") {
        problems.expect(
            "address",
            Some(address),
            crash.address.map(|at| at.to_string()).as_deref(),
        );
    }
    check_instruction(header, report, problems);
    let thread = report.crashed_thread();
    problems.expect("crashed thread's id", crash.tid, thread.map(|thread| thread.tid));
    if let Some(pc) = header.get("pc") {
        let natives = thread.map(native_frames).unwrap_or_default();
        let found = natives.iter().find(|frame| frame.role != Some(Role::Signal));
        let found = found.and_then(|frame| frame.address).map(|address| address.to_string());
        problems.expect("pc", Some(pc), found.as_deref());
    }
}

/// The instruction that faulted, of every sample; and by the header, if it says what the instruction did.
fn check_instruction(header: &Header, report: &Report, problems: &mut Problems) {
    let Some(crash) = &report.crash else { return };
    let code = crash.code.as_deref().unwrap_or_default();
    let is_access = ["SEGV_MAPERR", "SEGV_ACCERR", "BUS_ADRERR"].contains(&code);
    let access = crash
        .instruction
        .as_ref()
        .and_then(|instruction| instruction.access.as_ref());
    if is_access {
        let explains = access.and_then(|access| access.explains_fault);
        problems.expect("the instruction explains the fault", Some(true), explains);
        let names = report.crashed_thread().map(|thread| thread.registers.len());
        problems.expect("registers", true, names >= Some(17));
    }
    if crash.sender.is_some() {
        problems.expect(
            "instruction of a signal that was sent",
            true,
            crash.instruction.is_none(),
        );
    }
    if let Some(expected) = header.get("access") {
        let kind = access.map(|access| format!("{:?}", access.kind).to_lowercase());
        problems.expect("access", Some(expected), kind.as_deref());
    }
}

/// The header's native frames must appear in this order, with any others between them. A build of one file has the
/// modules of the library, whose names begin with `_`, in the `runtime`.
fn check_native(expected: &[Native], frames: &[&NativeFrame], runtime: &str, problems: &mut Problems) {
    let fits = |native: &Native, frame: &NativeFrame| {
        let path = frame.module.as_deref().unwrap_or_default();
        let module = path.rsplit('/').next().unwrap_or_default();
        let is_built_in = path == runtime && native.module.starts_with('_');
        glob::matches(&native.name, frame.function.as_deref().unwrap_or_default())
            && (is_built_in || glob::matches(&native.module, module))
    };
    let mut position = 0;
    for native in expected {
        let Some(ahead) = frames[position..].iter().position(|frame| fits(native, frame)) else {
            let names: Vec<_> = frames.iter().take(60).map(|frame| frame.function.as_deref()).collect();
            problems.push(format!("no native frame {native:?} in order, in {names:?}"));
            return;
        };
        let first = position + ahead;
        let run = frames[first..].iter().take_while(|frame| fits(native, frame)).count();
        let is_right = match native.count {
            Count::Any => true,
            Count::Exactly(count) => run == count,
            Count::MoreThan(count) => run > count,
        };
        if !is_right {
            problems.push(format!("{run} native frames {native:?}"));
        }
        position = first + if native.count == Count::Any { 1 } else { run };
    }
}

/// Variables of the innermost native frame of a function; `(optimized out)` for those that are nowhere.
fn check_native_variables(header: &Header, frames: &[&NativeFrame], problems: &mut Problems) {
    for expected in &header.native_variables {
        let what = format!("{} {} {}", expected.scope, expected.function, expected.name);
        let name = |frame: &NativeFrame| frame.function.as_deref().map(coldframe::triage::plain_function);
        let frame = frames
            .iter()
            .find(|frame| name(frame).as_deref() == Some(&expected.function));
        let variables = frame.map(|frame| &frame.locals[..]).unwrap_or_default();
        let Some(found) = variables.iter().find(|variable| variable.name == expected.name) else {
            problems.push(format!("{what}: no such variable in {variables:?}"));
            continue;
        };
        let scope = format!("native-{}", scope_word(found));
        problems.expect(&what, &*expected.scope, &*scope);
        let value = match found.state {
            ValueState::OptimizedOut => "(optimized out)",
            _ => found.value.as_deref().unwrap_or_default(),
        };
        if !expected.value.matches(value) {
            problems.push(format!("{what}: expected {:?}, found {value}", expected.value));
        }
    }
}

/// What is shown below variables.
fn check_parts(header: &Header, frames: &[&PythonFrame], problems: &mut Problems) {
    for expected in &header.parts {
        let what = format!("part {} {}", expected.function, expected.name);
        let find = || {
            let (name, field) = expected.name.split_once('.')?;
            let frame = frames
                .iter()
                .find(|frame| frame.function.as_deref() == Some(&expected.function))?;
            let variable = frame.locals.iter().find(|variable| variable.name == name)?;
            let part = variable.children.iter().find(|part| part.name == format!(".{field}"))?;
            part.value.clone()
        };
        match find() {
            Some(value) if expected.value.matches(&value) => {}
            found => problems.push(format!("{what}: expected {:?}, found {found:?}", expected.value)),
        }
    }
}

/// Qualified names and variables, by the innermost frame of the function.
fn check_names(header: &Header, frames: &[&PythonFrame], has_qualnames: bool, problems: &mut Problems) {
    let mut innermost = BTreeMap::new();
    for frame in frames {
        innermost
            .entry(frame.function.as_deref().unwrap_or_default())
            .or_insert(*frame);
    }
    for (function, qualname) in header.qualnames.iter().filter(|_| has_qualnames) {
        let found = innermost.get(&**function).and_then(|frame| frame.qualname.as_deref());
        problems.expect(&format!("qualname of {function}"), Some(&**qualname), found);
    }
    let find = |function: &str, name: &str| -> Option<&Variable> {
        innermost
            .get(function)?
            .locals
            .iter()
            .find(|variable| variable.name == name)
    };
    for (function, name) in &header.unset {
        let state = find(function, name).map(|variable| variable.state.clone());
        problems.expect(&format!("{function} {name}"), Some(ValueState::Unset), state);
    }
    for expected in &header.variables {
        let what = format!("{} {} {}", expected.scope, expected.function, expected.name);
        let Some(found) = find(&expected.function, &expected.name) else {
            problems.push(format!("{what}: no such variable"));
            continue;
        };
        problems.expect(&what, &*expected.scope, scope_word(found));
        let value = found.value.as_deref().unwrap_or_default();
        if !expected.value.matches(value) {
            problems.push(format!("{what}: expected {:?}, found {value}", expected.value));
        }
    }
}

pub fn scope_word(variable: &Variable) -> &'static str {
    match variable.scope {
        Some(Scope::Argument) => "argument",
        Some(Scope::Local) => "local",
        Some(Scope::Cell) => "cell",
        Some(Scope::Free) => "free",
        _ => "?",
    }
}
