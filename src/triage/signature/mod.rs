//! The signature of a crash: its kind, the image, up to three native functions down to the first Python frame, and
//! the nearest Python function of the program.
//!
//! Names only: no address, line, path or version goes into it, so that it survives rebuilds, other versions of Python
//! and another place in memory. Exact equality groups; nothing is compared pairwise.
//!
//! Invariant: the same names give the same key in every version that has the same rules; which those are, the key says.

mod hash;
mod kind;
mod name;
mod native;
mod python;
mod rules;

use crate::report::model::{Frame, Report, Signature, Thread, Trigger};
use hash::Hash;
use serde::{Deserialize, Serialize};

pub use name::{function as plain_function, module as plain_module};
pub use native::{Origin, origin};
pub use rules::{is_libc, version as rules_version};

/// Digits of a key: collisions among a million groups stay below one in a hundred.
const KEY_DIGITS: usize = 12;

/// The signature of what a report describes; none for a snapshot of a process that nothing had happened to.
pub fn sign(report: &Report) -> Option<Signature> {
    let kind = kind::of(report)?;
    let thread = thread(report)?;
    let mut explain = Vec::new();
    let (native, python) = match kind.is_recursion() {
        true => (native::cycle(report, &thread.frames), python::cycle(&thread.frames)),
        false => (
            native::part(report, &thread.frames, &mut explain),
            python::nearest(&thread.frames, &mut explain),
        ),
    };
    let kind = if native.is_report { kind.about_to_abort() } else { kind };
    // What lies in the runtime alone, or has no name, is told apart by where Python was.
    let needs_python = native.is_incomplete || !native.is_foreign;
    let cause_python = python.clone().filter(|_| needs_python);
    let native_names: &[String] = if native.is_incomplete { &[] } else { &native.functions };

    let mut key = Hash::default();
    for part in [kind.as_str(), &native.module]
        .into_iter()
        .chain(native_names.iter().map(String::as_str))
    {
        key.add(part);
    }
    key.add(cause_python.as_deref().unwrap_or_default());
    let cause = key.text(KEY_DIGITS);
    key.add(python.as_deref().unwrap_or_default());
    Some(Signature {
        key: cause,
        title: Some(title(&kind.text(report), &native, native_names, python.as_deref())),
        frames: native_names.iter().chain(&python).cloned().collect(),
        call_site_key: Some(key.text(KEY_DIGITS)),
        kind: Some(kind.as_str().to_string()),
        module: Some(native.module),
        native: native_names.to_vec(),
        python,
        incomplete: native.is_incomplete,
        rules: Some(rules_version().to_string()),
        explain,
    })
}

/// A place in a Python file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// `co_filename`.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
}

/// Where the Python function of a signature stands.
pub fn place(report: &Report) -> Option<Place> {
    let (file, line) = python::place(&thread(report)?.frames)?;
    Some(Place { file, line })
}

/// The thread that crashed; the main one of a process that hung.
fn thread(report: &Report) -> Option<&Thread> {
    let pid = report.process.as_ref().and_then(|process| process.pid);
    report
        .crashed_thread()
        .or_else(|| {
            let hung = report.trigger == Some(Trigger::Timeout);
            report.threads.iter().find(|thread| hung && Some(thread.tid) == pid)
        })
        .or_else(|| report.threads.first())
}

/// For example `SIGSEGV in strlen (libc) <- pkg.reader.flush`.
fn title(kind: &str, native: &native::Part, names: &[String], python: Option<&str>) -> String {
    let mut title = kind.to_string();
    match (names.is_empty(), native.is_incomplete) {
        // The image is that of the last function: those before are what it called.
        (false, _) => title.push_str(&format!(" in {} ({})", names.join(" <- "), native.module)),
        (true, true) => title.push_str(&format!(" in {}", native.module)),
        (true, false) => {}
    }
    if let Some(python) = python {
        title.push_str(&format!(" <- {python}"));
    }
    title
}

/// Native frames from the place of the crash on: frames of handlers that raised the signal again are cut off.
fn natives(frames: &[Frame]) -> impl Iterator<Item = &crate::report::model::NativeFrame> {
    frames.iter().map_while(|frame| match frame {
        Frame::Native(native) => Some(native),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
