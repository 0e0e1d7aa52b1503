//! CPython gave up by itself.

use super::scene::{fits, function, named};
use super::{Conclusion, Scene};
use crate::addr::Addr;
use crate::machine::Lines;
use crate::report::model::{Confidence, NativeFrame};
use crate::source::streams::NativeStep;
use crate::source::{Memory, MemoryExt, Registers};
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
    let calls = Calls::new(scene)?;
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

/// What was passed at the calls of the crashed thread, as far as the code of their callers tells.
pub(super) struct Calls<'a> {
    memory: &'a dyn Memory,
    frames: Vec<(NativeStep, Registers, u32)>,
}

impl<'a> Calls<'a> {
    pub(super) fn new(scene: &Scene<'a>) -> Option<Calls<'a>> {
        let memory = scene.target.memory();
        let frames = Unwinder::new(memory, scene.target.modules()).frames(scene.registers?, MAX_FRAMES);
        Some(Calls { memory, frames })
    }

    /// The first arguments of the call that a frame stands at.
    pub(super) fn arguments(&self, caller: &NativeFrame) -> Option<[Option<u64>; 6]> {
        let pc = Addr(caller.address?.0);
        let (_, registers, known) = self.frames.iter().find(|(step, ..)| step.pc == pc)?;
        Some(Lines::before_call(self.memory, pc)?.arguments(self.memory, registers, *known))
    }

    /// The first line of the text at an address, if it is one.
    pub(super) fn text(&self, at: u64) -> Option<String> {
        text(self.memory, Addr(at))
    }

    /// A format of printf(3) with its arguments; `…` for what is not known.
    pub(super) fn formatted(&self, format: &str, arguments: &[Option<u64>]) -> String {
        let mut text = String::new();
        let mut arguments = arguments.iter().copied();
        let mut rest = format;
        while let Some((before, directive)) = rest.split_once('%') {
            text.push_str(before);
            let end = directive.find(|c: char| c == '%' || c.is_ascii_alphabetic() && !"hlzjt".contains(c));
            let kind = end.and_then(|end| directive.get(end..)?.chars().next());
            rest = end.and_then(|end| directive.get(end + 1..)).unwrap_or_default();
            // Precision and width may be arguments themselves.
            let modifiers = directive.get(..end.unwrap_or_default()).unwrap_or_default();
            let value = match kind {
                Some('%') => Some("%".to_string()),
                _ if modifiers.contains('*') => return text + "…",
                Some(kind) => arguments
                    .next()
                    .flatten()
                    .and_then(|value| self.argument(kind, modifiers, value)),
                None => None,
            };
            text.push_str(value.as_deref().unwrap_or("…"));
        }
        text + rest
    }

    fn argument(&self, kind: char, modifiers: &str, value: u64) -> Option<String> {
        let is_long = modifiers.contains(['l', 'z', 'j', 't']);
        Some(match kind {
            's' => self.text(value)?,
            'd' | 'i' if is_long => value.cast_signed().to_string(),
            'd' | 'i' => (value as i32).to_string(),
            'u' if is_long => value.to_string(),
            'u' => (value as u32).to_string(),
            'c' => char::from(value as u8).to_string(),
            'p' => Addr(value).to_string(),
            _ => return None,
        })
    }
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
    use crate::source::fake::FakeMemory;

    #[test]
    fn names_who_called_it() {
        let libc = ["raise@/lib/libc.so.6", "abort@/lib/libc.so.6"];
        let frames = [&libc[..], &["fatal_error_exit", "_Py_FatalErrorFunc", "take_gil"]].concat();
        let found = Stage::new(libc::SIGABRT, -6, 0).stack(&frames).apply(apply).unwrap();
        assert!(found.title.ends_with("in take_gil"), "{}", found.title);
        let other = [&libc[..], &["fatal_error@/x/fast.so"]].concat();
        assert_eq!(Stage::new(libc::SIGABRT, -6, 0).stack(&other).apply(apply), None);
    }

    #[test]
    fn what_is_not_known_of_a_format_is_left_open() {
        let mut text = b"table.csv".to_vec();
        text.resize(MAX_MESSAGE, 0);
        let memory = FakeMemory::new().with(Addr(0x5000), text);
        let calls = Calls {
            memory: &memory,
            frames: Vec::new(),
        };
        let format = |format, arguments: &[Option<u64>]| calls.formatted(format, arguments);
        assert_eq!(
            format(
                "row %d of %s: %zu%%",
                &[Some(u64::from(u32::MAX)), Some(0x5000), Some(7)]
            ),
            "row -1 of table.csv: 7%"
        );
        assert_eq!(format("%s and %s", &[None, Some(0x6000)]), "… and …");
        assert_eq!(format("%.*s", &[Some(3), Some(0x5000)]), "…");
        assert_eq!(format("100 %", &[]), "100 …");
    }
}
