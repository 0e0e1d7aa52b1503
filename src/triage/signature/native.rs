//! The native part: from the place of the fault down to the first Python frame.

use std::collections::BTreeMap;

use super::rules::{self, Effect, Scope};
use super::{name, natives};
use crate::report::model::{Frame, NativeFrame, Report, Role};

/// How many functions a key holds.
const FUNCTIONS: usize = 3;

/// How many frames of an overflowed stack are looked at for what repeats.
const CYCLE_FRAMES: usize = 2000;

/// What native frames say.
pub struct Part {
    /// The image at fault, `python` for the interpreter.
    pub module: String,
    /// Functions, innermost first.
    pub functions: Vec<String>,
    /// One of the functions is of neither the interpreter nor the C library.
    pub is_foreign: bool,
    /// An image without symbols stands where the function would be.
    pub is_incomplete: bool,
    /// The innermost image of the runtime that has no symbol where the stack passes through.
    unnamed: Option<String>,
    /// Those of the functions that are of the C library.
    of_libc: Vec<String>,
}

/// Where a frame's code is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The interpreter.
    Python,
    /// The C and C++ libraries.
    Libc,
    /// What passes calls on between Python and C: libffi, ctypes, cffi.
    Passing,
    /// Anything else, and no image at all.
    Other,
}

/// Reads the native frames, and says of each why it counts or not.
pub fn part(report: &Report, frames: &[Frame], explain: &mut Vec<String>) -> Part {
    let mut part = Part {
        module: String::new(),
        functions: Vec::new(),
        is_foreign: false,
        is_incomplete: false,
        unnamed: None,
        of_libc: Vec::new(),
    };
    let begin = after_handlers(report, frames);
    for (index, frame) in natives(frames).enumerate() {
        let verdict = match index < begin {
            true => "skipped: delivers the signal".to_string(),
            false => part.take(report, frame),
        };
        explain.push(format!("{} {verdict}", text(frame)));
        if part.is_foreign && !verdict.starts_with("skipped") && !verdict.starts_with("prefix")
            || part.is_incomplete
            || part.functions.len() == FUNCTIONS
        {
            break;
        }
    }
    // `strlen <- flush` and `flush` are one cause: where the C library has no symbols, its functions have no names.
    if part.is_foreign && !part.of_libc.is_empty() {
        let of_libc = std::mem::take(&mut part.of_libc);
        part.functions.retain(|function| !of_libc.contains(function));
        explain.push(format!(
            "{}: left out after all, the caller says enough",
            of_libc.join(", ")
        ));
    }
    // What raises SIGABRT is the C library: that it has no symbols hides nothing.
    let is_abort = report
        .crash
        .as_ref()
        .is_some_and(|crash| crash.signal.as_deref() == Some("SIGABRT"));
    if part.functions.is_empty()
        && !part.is_incomplete
        && !is_abort
        && let Some(module) = part.unnamed.take()
    {
        part.is_incomplete = true;
        part.module = module;
    }
    if part.module.is_empty() {
        part.module = "python".to_string();
    }
    part
}

impl Part {
    fn take(&mut self, report: &Report, frame: &NativeFrame) -> String {
        let origin = origin(report, frame);
        if origin == Origin::Passing {
            return "skipped: passes a call on".to_string();
        }
        if frame.inlined && origin != Origin::Other {
            return "skipped: inlined, which differs between versions".to_string();
        }
        if let Some(role) = &frame.role {
            return match role {
                Role::Signal => "skipped: delivers the signal".to_string(),
                _ => "skipped: passes a call on".to_string(),
            };
        }
        let Some(function) = &frame.function else {
            return match (origin, &frame.module) {
                (Origin::Other, Some(module)) => {
                    self.is_incomplete = true;
                    self.module = name::module(module);
                    "kept: its image alone, it has no symbol".to_string()
                }
                (Origin::Other, None) => "skipped: in no image".to_string(),
                (_, module) => {
                    self.unnamed = self.unnamed.take().or_else(|| module.as_deref().map(name::module));
                    "skipped: no symbol in the runtime".to_string()
                }
            };
        };
        let function = name::function(function);
        let rule = rules::RULES.iter().find(|rule| {
            (rule.scope == Scope::Anywhere || origin != Origin::Other)
                && rule.functions.iter().any(|pattern| rules::fits(&function, pattern))
        });
        let verdict = match rule {
            Some(rule) if rule.effect == Effect::Skip => return format!("skipped: {}", rule.reason),
            Some(rule) => format!("prefix: {}", rule.reason),
            None => "kept".to_string(),
        };
        // Recursion counts once.
        if self.functions.last() != Some(&function) {
            if origin == Origin::Libc {
                self.of_libc.push(function.clone());
            }
            self.functions.push(function);
        }
        let module = frame.module.as_deref().map(name::module).unwrap_or_default();
        let is_first_foreign = origin == Origin::Other && !self.is_foreign;
        if self.module.is_empty() || is_first_foreign {
            self.module = module;
        }
        self.is_foreign |= origin == Origin::Other;
        verdict
    }
}

/// What repeats on an overflowed stack, sorted: where it broke is chance.
pub fn cycle(report: &Report, frames: &[Frame]) -> Part {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut modules: BTreeMap<String, String> = BTreeMap::new();
    let mut unnamed: BTreeMap<String, usize> = BTreeMap::new();
    for frame in frames.iter().take(CYCLE_FRAMES) {
        let Frame::Native(frame) = frame else { continue };
        if frame.role.is_some() || frame.inlined || origin(report, frame) != Origin::Other {
            continue;
        }
        if let (Some(function), Some(module)) = (&frame.function, &frame.module) {
            let function = name::function(function);
            modules.entry(function.clone()).or_insert_with(|| name::module(module));
            *counts.entry(function).or_default() += 1;
        } else if let Some(module) = &frame.module {
            *unnamed.entry(name::module(module)).or_default() += 1;
        }
    }
    let functions = most_frequent(counts);
    // It repeats in an image without symbols.
    let stripped = most_frequent(unnamed)
        .into_iter()
        .next()
        .filter(|_| functions.is_empty());
    Part {
        is_incomplete: stripped.is_some(),
        module: functions
            .first()
            .and_then(|function| modules.remove(function))
            .or(stripped)
            .unwrap_or_else(|| "python".to_string()),
        is_foreign: !functions.is_empty(),
        functions,
        unnamed: None,
        of_libc: Vec::new(),
    }
}

/// Names at least half as frequent as the most frequent one, at most [`FUNCTIONS`], sorted.
pub fn most_frequent(counts: BTreeMap<String, usize>) -> Vec<String> {
    let most = counts.values().copied().max().unwrap_or_default();
    counts
        .into_iter()
        .filter(|(_, count)| *count > 1 && *count * 2 >= most)
        .map(|(name, _)| name)
        .take(FUNCTIONS)
        .collect()
}

/// How many frames belong to handlers that ran before ours and raised the signal again: those inside the outermost
/// trampoline, if nothing there is of a program's own. A handler of the program that crashed itself is not cut off.
fn after_handlers(report: &Report, frames: &[Frame]) -> usize {
    let trampolines = natives(frames)
        .enumerate()
        .filter(|(_, frame)| frame.role == Some(Role::Signal));
    let outermost = trampolines.map(|(index, _)| index).last();
    let inside = outermost.map_or(0, |index| index + 1);
    let is_own = |frame: &NativeFrame| origin(report, frame) == Origin::Other && frame.module.is_some();
    match natives(frames).take(inside).any(is_own) {
        true => 0,
        false => inside,
    }
}

/// Where a frame's code is from.
pub fn origin(report: &Report, frame: &NativeFrame) -> Origin {
    let Some(module) = &frame.module else {
        return Origin::Other;
    };
    let file = module.rsplit('/').next().unwrap_or(module);
    let is_runtime = report
        .python
        .iter()
        .any(|python| python.executable.as_ref() == Some(module));
    if is_runtime || name::module(module) == "python" {
        Origin::Python
    } else if rules::is_libc(file) {
        Origin::Libc
    } else if rules::PASSING_IMAGES
        .iter()
        .any(|beginning| file.starts_with(beginning))
    {
        Origin::Passing
    } else {
        Origin::Other
    }
}

fn text(frame: &NativeFrame) -> String {
    let module = frame.module.as_deref().map(name::module);
    format!(
        "{} ({}):",
        frame.function.as_deref().unwrap_or("??"),
        module.as_deref().unwrap_or("no image")
    )
}
