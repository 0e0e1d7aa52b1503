//! CPython gave up by itself.

use super::scene::{fits, function, named};
use super::{Conclusion, Scene};
use crate::report::model::{Confidence, NativeFrame};
use crate::triage::Origin;

/// What ends the process for a fatal error (Python/pylifecycle.c).
const FATAL: &[&str] = &[
    "fatal_error*",
    "Py_FatalError",
    "_Py_FatalErrorFunc",
    "_Py_FatalErrorFormat",
    "_Py_FatalError_*",
    "_Py_FatalRefcountErrorFunc",
];

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.signal(libc::SIGABRT)?;
    let natives = scene.natives();
    let is_fatal = |index: &usize| {
        let frame = natives[*index];
        scene.origin(frame) == Origin::Python && fits(&function(frame), FATAL)
    };
    let last = (0..natives.len()).rfind(is_fatal)?;
    let caller = natives
        .get(last + 1)
        .filter(|frame| scene.origin(frame) != Origin::Passing);
    let title = match caller.map(|frame| function(frame)).filter(|name| !name.is_empty()) {
        Some(caller) => format!("CPython ended the process by a fatal error in {caller}"),
        None => "CPython ended the process by a fatal error".to_string(),
    };
    let message = message(scene, &natives, last);
    let title = match &message {
        Some(message) => format!("{title}: {message}"),
        None => title,
    };
    Some(
        Conclusion::new(Confidence::Certain, title)
            .because(format!("{} is on the stack", function(natives[last])))
            .because_if(caller.map(|frame| format!("{} called it", named(frame))))
            .advise("read the line \"Fatal Python error\" that it wrote to stderr"),
    )
}

/// What it said: an argument of one of the calls that lead to the end, the outermost first.
fn message(scene: &Scene<'_>, natives: &[&NativeFrame], last: usize) -> Option<String> {
    if !scene.has_values {
        return None;
    }
    let calls = scene.calls()?;
    let passed = |index: usize| {
        let is_python = |frame: &&&NativeFrame| scene.origin(frame) == Origin::Python;
        let callee = natives.get(index - 1).filter(is_python)?;
        let caller = natives.get(index)?;
        let arguments = calls.arguments(caller)?;
        let texts = arguments.map(|argument| calls.text(argument?));
        let all: Vec<&String> = texts.iter().flatten().collect();
        match (function(callee).as_str(), function(caller).as_str(), all.as_slice()) {
            ("Py_FatalError", ..) => texts[0].clone(),
            // Before the message stands the name of a function.
            ("_Py_FatalErrorFunc", ..) => texts[1].clone(),
            ("_Py_FatalErrorFormat", ..) => Some(calls.formatted(texts[1].as_deref()?, &arguments[2..])),
            // What they call has more arguments, but no other text.
            (_, "Py_FatalError", [message]) | (_, "_Py_FatalErrorFunc", [_, message]) => Some((*message).clone()),
            _ => None,
        }
    };
    (1..=last + 1).rev().find_map(passed)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;

    #[test]
    fn names_who_called_it() {
        let libc = ["raise@/lib/libc.so.6", "abort@/lib/libc.so.6"];
        let frames = [&libc[..], &["fatal_error_exit", "_Py_FatalErrorFunc", "take_gil"]].concat();
        let found = Stage::new(libc::SIGABRT, -6, 0).stack(&frames).apply(apply).unwrap();
        assert!(found.title.ends_with("in take_gil"), "{}", found.title);
        let other = [&libc[..], &["fatal_error@/x/fast.so"]].concat();
        assert_eq!(Stage::new(libc::SIGABRT, -6, 0).stack(&other).apply(apply), None);
    }
}
