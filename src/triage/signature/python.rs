//! The Python part: the nearest function of the program itself.

use std::collections::BTreeMap;

use super::native::most_frequent;
use super::rules;
use crate::report::is_standard_library;
use crate::report::model::{Frame, PythonFrame};

/// How many frames of an overflowed stack are looked at for what repeats.
const CYCLE_FRAMES: usize = 2000;

/// The innermost Python frame that is neither of the standard library nor of a test runner; the innermost of all
/// where there is none.
pub fn nearest(frames: &[Frame], explain: &mut Vec<String>) -> Option<String> {
    let mut first = None;
    for frame in pythons(frames) {
        let Some(name) = name(frame) else { continue };
        match passing(frame) {
            Some(reason) => explain.push(format!("{name}: skipped: {reason}")),
            None => {
                explain.push(format!("{name}: kept"));
                return Some(name);
            }
        }
        first.get_or_insert(name);
    }
    first
}

/// The place in a file of the function that [`nearest`] names.
pub fn place(frames: &[Frame]) -> Option<(String, u32)> {
    let own = pythons(frames).find(|frame| name(frame).is_some() && passing(frame).is_none());
    let frame = own.or_else(|| pythons(frames).next())?;
    Some((frame.file.clone()?, frame.line?))
}

/// The functions that repeat on an overflowed stack.
pub fn cycle(frames: &[Frame]) -> Option<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for frame in pythons(frames).take(CYCLE_FRAMES) {
        if let Some(name) = name(frame) {
            *counts.entry(name).or_default() += 1;
        }
    }
    let repeating = most_frequent(counts);
    match repeating.is_empty() {
        true => nearest(frames, &mut Vec::new()),
        false => Some(repeating.join(", ")),
    }
}

fn pythons(frames: &[Frame]) -> impl Iterator<Item = &PythonFrame> {
    frames.iter().filter_map(|frame| match frame {
        Frame::Python(python) => Some(python),
        _ => None,
    })
}

/// `pkg.mod.work`: the function's bare name, for qualified ones are known from 3.11 on only. None for a comprehension,
/// which has a frame in some versions and none in others.
fn name(frame: &PythonFrame) -> Option<String> {
    let function = frame.function.as_deref()?;
    if rules::COMPREHENSIONS.contains(&function) {
        return None;
    }
    Some(match module(frame) {
        Some(module) => format!("{module}.{function}"),
        None => function.to_string(),
    })
}

/// The module's name; that of the file for a program, which is `__main__` however it is called.
fn module(frame: &PythonFrame) -> Option<String> {
    let stem = || {
        let file = frame.file.as_deref()?.rsplit('/').next()?;
        Some(file.strip_suffix(".py").unwrap_or(file).to_string())
    };
    match frame.module.as_deref() {
        None | Some("__main__") => stem(),
        Some(module) => Some(module.to_string()),
    }
}

/// Why a frame is not the program's own.
fn passing(frame: &PythonFrame) -> Option<&'static str> {
    let file = frame.file.as_deref().unwrap_or_default();
    if file.starts_with("<frozen ") {
        return Some("of the interpreter");
    }
    if is_standard_library(file) {
        return Some("of the standard library");
    }
    let package = frame.module.as_deref().and_then(|module| module.split('.').next());
    package
        .is_some_and(|package| rules::PASSING_MODULES.contains(&package))
        .then_some("of a test runner or a pool")
}
