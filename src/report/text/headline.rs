//! The first lines: what died of what.

use super::escape::{clip, quoted};
use super::style::paint;
use super::{Out, file_name, instruction};
use crate::report::model::{Crash, Process, Python, Report, Trigger};
use crate::report::signals;

pub(super) const LABEL: &str = "coldframe: ";

pub(super) fn write(out: &mut Out, report: &Report) {
    let style = out.style();
    let verdict = verdict(report);
    let room = out.options.width.saturating_sub(LABEL.len()).max(40);
    let program = clip(&program(report), room);
    out.line(&format!(
        "{}{} in {}",
        paint(style.heading, LABEL),
        paint(style.alarm, &verdict),
        paint(style.heading, &program)
    ));
    let indent = " ".repeat(LABEL.len());
    if let Some(message) = report.crash.as_ref().and_then(|crash| crash.message.as_ref()) {
        out.line(&format!(
            "{indent}{}",
            paint(style.alarm, &clip(message.trim_end(), room * 2))
        ));
    }
    if let Some(instruction) = report.crash.as_ref().and_then(|crash| crash.instruction.as_ref()) {
        instruction::write(out, instruction);
    }
    let facts = facts(report);
    if !facts.is_empty() {
        out.flow(&indent, &facts, ", ", LABEL.len());
    }
    for (key, value) in report.annotations.iter().take(20) {
        out.line(&format!("{indent}{} = {}", clip(key, 40), clip(value, room)));
    }
}

/// What died of what, or why the process was captured.
pub(in crate::report) fn verdict(report: &Report) -> String {
    match &report.crash {
        Some(crash) => crash_verdict(crash, report.process.as_ref()),
        None => trigger_verdict(report),
    }
}

/// For example `SIGSEGV at 0x0 (address not mapped)`.
fn crash_verdict(crash: &Crash, process: Option<&Process>) -> String {
    let signal = signal_word(crash);
    let mut text = clip(&signal, 20);
    if let Some(address) = crash.address {
        text.push_str(&format!(" at {address}"));
    }
    let own_pid = process.and_then(|process| process.pid);
    let meaning = match &crash.sender {
        Some(sender) if u32::try_from(sender.pid).ok() == own_pid => "raised by the process itself".to_string(),
        Some(sender) => format!("sent by process {} of user {}", sender.pid, sender.uid),
        None => {
            let code = crash.code.as_deref().unwrap_or_default();
            match signals::code_meaning(&signal, code).or_else(|| signals::signal_meaning(&signal)) {
                Some(meaning) => meaning.to_string(),
                None => clip(code, 30),
            }
        }
    };
    if !meaning.is_empty() {
        text.push_str(&format!(" ({meaning})"));
    }
    text
}

/// The name of the signal, or what there is of it.
pub(super) fn signal_word(crash: &Crash) -> String {
    match (&crash.signal, crash.number) {
        (Some(name), _) => name.clone(),
        (None, Some(number)) => signals::signal_name(number).map_or_else(|| format!("signal {number}"), str::to_string),
        (None, None) => "crash".to_string(),
    }
}

fn trigger_verdict(report: &Report) -> String {
    match &report.trigger {
        Some(Trigger::Timeout) => "timeout".to_string(),
        Some(Trigger::Exception) => "uncaught exception".to_string(),
        Some(Trigger::Other(word)) => clip(word, 30),
        Some(Trigger::Signal) => "unknown signal".to_string(),
        Some(Trigger::Request) | None => "no crash".to_string(),
    }
}

/// The command line, or what there is of it.
pub(in crate::report) fn program(report: &Report) -> String {
    let Some(process) = &report.process else {
        return "an unknown program".to_string();
    };
    match (process.command.as_slice(), &process.executable, process.pid) {
        ([], Some(executable), _) => file_name(executable).to_string(),
        ([], None, Some(pid)) => format!("process {pid}"),
        ([], None, None) => "an unknown program".to_string(),
        ([program, arguments @ ..], ..) => {
            let words = std::iter::once(file_name(program)).chain(arguments.iter().map(String::as_str));
            words.map(quoted).collect::<Vec<_>>().join(" ")
        }
    }
}

/// The runtimes, the process and its machine.
pub(in crate::report) fn facts(report: &Report) -> Vec<String> {
    let mut facts: Vec<String> = report.python.iter().take(4).map(python).collect();
    if let Some(process) = &report.process {
        facts.extend(process.pid.map(|pid| format!("pid {pid}")));
        facts.extend(process.uptime_s.map(|seconds| format!("ran {}", duration(seconds))));
        if let Some(host) = &process.host {
            let parts = [&host.os, &host.kernel, &host.arch].into_iter().flatten();
            let host: Vec<String> = parts.map(|part| clip(part, 50)).collect();
            if !host.is_empty() {
                facts.push(host.join(" "));
            }
        }
        facts.extend(
            process
                .container
                .as_ref()
                .map(|name| format!("in container {}", clip(name, 40))),
        );
    }
    facts
}

/// For example `CPython 3.12.1 (layout: dwarf)`.
fn python(python: &Python) -> String {
    let mut text = match python.implementation.as_deref() {
        None | Some("cpython") => "CPython".to_string(),
        Some(other) => clip(other, 20),
    };
    text.push_str(&format!(" {}", clip(python.version.as_deref().unwrap_or("?"), 20)));
    if python.build.as_deref() == Some("debug") {
        text.push_str(" debug build");
    }
    if python.free_threaded == Some(true) {
        text.push_str(" free-threaded");
    }
    if let Some(layout) = &python.layout {
        text.push_str(&format!(
            " (layout: {})",
            clip(super::notes::provider(&layout.provider), 20)
        ));
    }
    text
}

fn duration(seconds: f64) -> String {
    if seconds.is_nan() || seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    // A float saturates where it does not fit.
    let seconds = seconds as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min {:02} s", seconds % 60),
        (0, _) => format!("{hours} h {minutes:02} min"),
        _ => format!("{days} d {hours:02} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        let shown: Vec<String> = [0.04, 59.9, 125.0, 7_300.0, 200_000.0, f64::NAN].map(duration).into();
        assert_eq!(
            shown,
            ["0.0 s", "59.9 s", "2 min 05 s", "2 h 01 min", "2 d 07 h", "NaN s"]
        );
    }
}
