//! The last line: one line to search logs for.

use super::escape::clip;
use super::headline::signal_word;
use super::style::paint;
use super::{Out, main_thread, module_name, stack};
use crate::report::model::{Frame, Report, Trigger};

/// For example `SUMMARY: coldframe: SIGSEGV flush_buffer (_fast.so) <- Reader.flush (pkg/reader.py:41) [3f2a91c0]`.
pub(super) fn write(out: &mut Out, report: &Report) {
    let line = line(report);
    out.line(&paint(out.style().heading, &line));
}

/// The line, without a style.
pub(in crate::report) fn line(report: &Report) -> String {
    let mut parts = vec![format!("SUMMARY: coldframe: {}", kind(report))];
    let frames = main_thread(report).map_or(&[][..], |thread| &thread.frames);
    let native = abort_message(report).or_else(|| native_place(frames));
    let places: Vec<String> = native.into_iter().chain(python_place(frames)).collect();
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

/// What was said before an abort tells more than the function that raised the signal.
fn abort_message(report: &Report) -> Option<String> {
    let crash = report.crash.as_ref()?;
    let message = crash
        .message
        .as_deref()
        .filter(|_| crash.signal.as_deref() == Some("SIGABRT"))?;
    Some(clip(message.lines().next()?, 120))
}

/// The innermost native frame that is not the interpreter's own, as long as no Python frame lies inside it.
fn native_place(frames: &[Frame]) -> Option<String> {
    let mut natives = frames.iter().map_while(|frame| match frame {
        Frame::Native(native) => Some(native),
        _ => None,
    });
    let native = natives
        .clone()
        .find(|native| native.role.is_none())
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

fn python_place(frames: &[Frame]) -> Option<String> {
    let python = frames.iter().find_map(|frame| match frame {
        Frame::Python(python) => Some(python),
        _ => None,
    })?;
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
