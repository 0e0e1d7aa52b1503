//! The native part: from the place of the fault down to the first Python frame.

use std::collections::BTreeMap;

use super::rules::{self, Effect, Scope};
use super::{name, natives};
use crate::report::model::{Frame, NativeFrame, Report, Role};

/// How many functions of an overflowed stack a key holds.
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
    /// A function without a symbol stands where the cause would be.
    pub is_incomplete: bool,
    /// It was about to abort with a message.
    pub is_report: bool,
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
    let mut walk = Walk::default();
    let begin = after_handlers(report, frames);
    for (index, frame) in natives(frames).enumerate() {
        let verdict = match index < begin {
            true => "skipped: delivers the signal".to_string(),
            false => walk.take(report, frame, explain.len()),
        };
        explain.push(format!("{} {verdict}", text(frame)));
        if walk.is_over {
            break;
        }
    }
    // What raises a signal is the C library: that it has no symbols hides nothing. faulthandler raises again what was a
    // fault at first.
    let is_raised = report
        .crash
        .as_ref()
        .is_some_and(|crash| crash.signal.as_deref() == Some("SIGABRT") || crash.sender.is_some() && begin == 0);
    walk.finish(is_raised, explain)
}

/// Whose function a frame is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// The C or C++ library.
    Library,
    /// The interpreter with its standard library.
    Interpreter,
    /// The program and its extension modules.
    Program,
}

/// A frame that may count.
struct Candidate {
    owner: Owner,
    /// None without a symbol.
    function: Option<String>,
    /// The image's name.
    module: String,
    /// Its line of the explanation, and what that is of.
    line: usize,
    text: String,
}

/// What was found on the way from the place of the crash to the first Python frame.
#[derive(Default)]
struct Walk {
    candidates: Vec<Candidate>,
    is_report: bool,
    is_over: bool,
}

impl Walk {
    /// Takes one frame, whose explanation is going to be on that line; gives the explanation.
    fn take(&mut self, report: &Report, frame: &NativeFrame, line: usize) -> String {
        let origin = match origin(report, frame) {
            Origin::Other if frame.module.as_deref().is_some_and(is_of_standard_library) => Origin::Python,
            origin => origin,
        };
        if origin == Origin::Passing {
            // What it called is found by now. If nothing was, what crashed is the call itself.
            self.is_over = true;
            return "skipped, and what is below: passes a call on".to_string();
        }
        let function = frame.function.as_deref().map(name::function);
        // Python's headers have functions, too.
        if frame.inlined && (origin != Origin::Other || function.as_deref().is_some_and(is_of_python)) {
            return "skipped: inlined, which differs between versions".to_string();
        }
        match frame.role {
            None => {}
            Some(Role::Signal) => return "skipped: delivers the signal".to_string(),
            // Without a name it may be what was called.
            Some(_) if function.is_none() && origin == Origin::Python => {}
            Some(_) => return "skipped: passes a call on".to_string(),
        }
        let Some(module) = frame.module.as_deref().map(name::module) else {
            return "skipped: in no image".to_string();
        };
        if module == rules::OUR_HANDLER {
            return "skipped: of coldframe itself".to_string();
        }
        let rule = function.as_ref().and_then(|function| {
            rules::RULES.iter().find(|rule| {
                (rule.scope == Scope::Anywhere || origin != Origin::Other)
                    && rule.functions.iter().any(|pattern| rules::fits(function, pattern))
            })
        });
        if rule.is_some_and(|rule| rule.effect == Effect::Report) {
            self.candidates.clear();
            self.is_report = true;
        }
        let owner = match (rule.map(|rule| rule.effect), origin) {
            (Some(Effect::Skip | Effect::Report), _) => {
                return format!("skipped: {}", rule.map_or("", |rule| rule.reason));
            }
            (Some(Effect::Library), _) | (None, Origin::Libc) => Owner::Library,
            (None, Origin::Other) => Owner::Program,
            (None, Origin::Python | Origin::Passing) => Owner::Interpreter,
        };
        self.is_over = owner == Owner::Program;
        self.candidates.push(Candidate {
            owner,
            function,
            module: match owner {
                Owner::Interpreter => "python".to_string(),
                _ => module,
            },
            line,
            text: text(frame),
        });
        "skipped: inside of a library or the interpreter, which its caller stands for".to_string()
    }

    /// Decides which of the candidates count. Of a library and of the interpreter only the function does that was called
    /// from outside: what is inside differs between versions, and with what the compiler inlined. A library's counts only
    /// where there is nothing else: where it has no symbols, its functions have no names.
    fn finish(mut self, is_raised: bool, explain: &mut [String]) -> Part {
        let mut outermost = |owner| {
            let at = self.candidates.iter().rposition(|candidate| candidate.owner == owner)?;
            Some(self.candidates.remove(at))
        };
        let program = outermost(Owner::Program);
        let interpreter = outermost(Owner::Interpreter);
        let library = outermost(Owner::Library).filter(|library| library.function.is_some() || !is_raised);
        let is_foreign = program.is_some();
        let kept = match (program, interpreter) {
            // Others have names only where the interpreter's symbols are.
            (Some(program), Some(interpreter)) if interpreter.function.as_deref().is_some_and(is_of_python) => {
                vec![interpreter, program]
            }
            (Some(one), _) | (None, Some(one)) => vec![one],
            (None, None) => library.into_iter().collect(),
        };
        for candidate in &kept {
            if let Some(line) = explain.get_mut(candidate.line) {
                let verdict = match candidate.function {
                    Some(_) => "kept",
                    None => "kept without a name, for it has no symbol",
                };
                *line = format!("{} {verdict}", candidate.text);
            }
        }
        let last = kept.last();
        Part {
            module: last.map_or_else(|| "python".to_string(), |candidate| candidate.module.clone()),
            is_foreign,
            is_report: self.is_report,
            is_incomplete: last.is_some_and(|candidate| candidate.function.is_none()),
            functions: kept.into_iter().filter_map(|candidate| candidate.function).collect(),
        }
    }
}

/// Whether it is the name of a function that the interpreter exports, or of one of its headers.
fn is_of_python(function: &str) -> bool {
    rules::OF_PYTHON.iter().any(|pattern| rules::fits(function, pattern))
}

/// Whether an image is a module of the standard library: builds of CPython differ in which of them are files of their own.
fn is_of_standard_library(path: &str) -> bool {
    path.contains("/lib-dynload/")
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
        is_report: false,
        functions,
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
    let is_own = |frame: &NativeFrame| {
        let module = frame.module.as_deref().map(name::module);
        origin(report, frame) == Origin::Other && module.is_some_and(|module| module != rules::OUR_HANDLER)
    };
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
