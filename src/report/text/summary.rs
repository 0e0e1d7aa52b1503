//! The last line: one line to search logs for.

use super::escape::clip;
use super::headline::signal_word;
use super::style::paint;
use super::{Out, main_thread, module_name, stack};
use crate::report::is_standard_library;
use crate::report::model::{Frame, NativeFrame, PythonFrame, Report, Signature, Trigger};

/// For example `SUMMARY: coldframe: SIGSEGV flush_buffer (_fast.so) <- Reader.flush (pkg/reader.py:41) [3f2a91c0]`.
pub(super) fn write(out: &mut Out, report: &Report) {
    let line = line(report);
    out.line(&paint(out.style().heading, &line));
}

/// The line, without a style.
pub(in crate::report) fn line(report: &Report) -> String {
    let mut parts = vec![format!("SUMMARY: coldframe: {}", kind(report))];
    let frames = main_thread(report).map_or(&[][..], |thread| &thread.frames);
    let signature = report.signature.as_ref();
    let said = abort_message(report);
    let native = native_place(frames, signature);
    let places: Vec<String> = said
        .into_iter()
        .chain(native)
        .chain(python_place(frames, signature))
        .collect();
    if !places.is_empty() {
        parts.push(places.join(" <- "));
    }
    if let Some(signature) = &report.signature {
        parts.push(format!("[{}]", clip(&signature.key, 40)));
    }
    parts.join(" ")
}

fn kind(report: &Report) -> String {
    match (&report.crash, &report.trigger) {
        (Some(crash), _) => clip(&signal_word(crash), 20),
        (None, Some(Trigger::Timeout)) => "timeout".to_string(),
        (None, Some(Trigger::Exception)) => "exception".to_string(),
        (None, _) => "snapshot".to_string(),
    }
}

/// What was said before an abort.
fn abort_message(report: &Report) -> Option<String> {
    let crash = report.crash.as_ref()?;
    let message = crash
        .message
        .as_deref()
        .filter(|_| crash.signal.as_deref() == Some("SIGABRT"))?;
    Some(clip(message.lines().next()?, 120))
}

/// The innermost native frame that the signature counts, as long as no Python frame lies inside it: what aborts says
/// nothing. Without a signature the innermost that is not the interpreter's own.
fn native_place(frames: &[Frame], signature: Option<&Signature>) -> Option<String> {
    let mut natives = frames.iter().map_while(|frame| match frame {
        Frame::Native(native) => Some(native),
        _ => None,
    });
    let counts = |native: &&NativeFrame| {
        let function = native.function.as_deref().unwrap_or_default();
        signature.is_some_and(|signature| signature.native.iter().any(|name| function.contains(name.as_str())))
    };
    let native = match signature {
        Some(signature) if signature.native.is_empty() && !signature.incomplete => return None,
        _ => natives.clone().find(counts),
    };
    let native = native
        .or_else(|| natives.clone().find(|native| native.role.is_none()))
        .or_else(|| natives.next())?;
    let module = native.module.as_deref().map(module_name);
    let offset = native
        .module_offset
        .map(|offset| format!("+{offset}"))
        .unwrap_or_default();
    Some(match (&native.function, module) {
        (Some(function), Some(module)) => format!("{} ({module})", clip(function, 80)),
        (Some(function), None) => clip(function, 80),
        (None, Some(module)) => format!("{module}{offset}"),
        (None, None) => native
            .address
            .map_or_else(|| "??".to_string(), |address| address.to_string()),
    })
}

/// The Python frame that the signature names, which is the innermost of the program itself; else the innermost.
fn python_place(frames: &[Frame], signature: Option<&Signature>) -> Option<String> {
    let mut pythons = frames.iter().filter_map(|frame| match frame {
        Frame::Python(python) => Some(python),
        _ => None,
    });
    let named = signature.and_then(|signature| signature.python.as_deref());
    let function = named.map(|name| name.rsplit_once('.').map_or(name, |(_, function)| function));
    let is_it = |python: &&PythonFrame| {
        function.is_some() && python.function.as_deref() == function && !python.file.as_deref().is_some_and(is_library)
    };
    let python = pythons.clone().find(is_it).or_else(|| pythons.next())?;
    let name = python
        .qualname
        .as_deref()
        .or(python.function.as_deref())
        .unwrap_or("???");
    let name = clip(name, 80);
    Some(match stack::place(python.file.as_deref(), python.line, 100) {
        Some(place) => format!("{name} ({place})"),
        None => name,
    })
}

fn is_library(file: &str) -> bool {
    file.starts_with("<frozen ") || is_standard_library(file)
}
