//! CPython gave up by itself.

use super::scene::{fits, function, named};
use super::{Conclusion, Scene};
use crate::addr::Addr;
use crate::machine::Lines;
use crate::report::model::{Confidence, NativeFrame};
use crate::source::{Memory, MemoryExt};
use crate::triage::Origin;
use crate::unwind::Unwinder;

/// What ends the process for a fatal error (Python/pylifecycle.c).
const FATAL: &[&str] = &[
    "fatal_error*",
    "Py_FatalError",
    "_Py_FatalErrorFunc",
    "_Py_FatalErrorFormat",
    "_Py_FatalError_*",
    "_Py_FatalRefcountErrorFunc",
];

/// How many frames from the end on are looked at.
const MAX_FRAMES: usize = 40;
/// The longest message, in bytes.
const MAX_MESSAGE: usize = 512;

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
    let memory = scene.target.memory();
    let frames = Unwinder::new(memory, scene.target.modules()).frames(scene.registers?, MAX_FRAMES);
    let passed = |index: usize| {
        let is_python = |frame: &&&NativeFrame| scene.origin(frame) == Origin::Python;
        let callee = natives.get(index - 1).filter(is_python)?;
        let caller = natives.get(index)?;
        let pc = Addr(caller.address?.0);
        let (_, registers, known) = frames.iter().find(|(step, ..)| step.pc == pc)?;
        let arguments = Lines::before_call(memory, pc)?.arguments(memory, registers, *known);
        let texts = arguments.map(|argument| text(memory, Addr(argument?)));
        let all: Vec<&String> = texts.iter().flatten().collect();
        match (function(callee).as_str(), function(caller).as_str(), all.as_slice()) {
            ("Py_FatalError", ..) => texts[0].clone(),
            // Before the message stands the name of a function.
            ("_Py_FatalErrorFunc", ..) => texts[1].clone(),
            // Of what is still to be filled in nothing is known.
            ("_Py_FatalErrorFormat", ..) => texts[1].clone().filter(|text| !text.contains('%')),
            // What they call has more arguments, but no other text.
            (_, "Py_FatalError", [message]) | (_, "_Py_FatalErrorFunc", [_, message]) => Some((*message).clone()),
            _ => None,
        }
    };
    (1..=last + 1).rev().find_map(passed)
}

fn text(memory: &dyn Memory, at: Addr) -> Option<String> {
    let text = String::from_utf8(memory.read_c_string(at, MAX_MESSAGE).ok()?).ok()?;
    let is_text = !text.is_empty() && text.chars().all(|c| !c.is_control() || c == '\n');
    is_text.then(|| text.lines().next().unwrap_or_default().to_string())
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
