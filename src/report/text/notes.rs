//! What comes after the stacks: extension modules, hooks, notes, and where to read more.

use super::escape::{clip, quoted};
use super::style::paint;
use super::{Form, Out, extensions};
use crate::report::model::{Hooks, InputKind, Interpreter, LayoutProvider, Note, Report};

pub(super) fn write_python(out: &mut Out, report: &Report) {
    let style = out.style();
    for python in &report.python {
        extensions::write(out, &python.extension_modules);
        for interpreter in &python.interpreters {
            let facts = interpreter_facts(interpreter);
            if !facts.is_empty() {
                out.gap();
                let label = format!("{} ", paint(style.heading, &format!("Interpreter {}:", interpreter.id)));
                out.flow(&label, &facts, "; ", 2);
            }
        }
    }
}

/// What an interpreter was doing, and what hooks into it.
pub(in crate::report) fn interpreter_facts(interpreter: &Interpreter) -> Vec<String> {
    let mut facts = Vec::new();
    if interpreter.finalizing == Some(true) {
        facts.push("it was shutting down".to_string());
    }
    if interpreter.gc.as_ref().and_then(|gc| gc.collecting) == Some(true) {
        facts.push("a garbage collection was under way".to_string());
    }
    if let Some(holder) = interpreter.gil.as_ref().and_then(|gil| gil.holder_tid) {
        facts.push(format!("thread {holder} holds the GIL"));
    }
    if let Some(hooks) = &interpreter.hooks {
        facts.extend(hook_facts(hooks));
    }
    facts
}

fn hook_facts(hooks: &Hooks) -> Vec<String> {
    let mut facts = Vec::new();
    if !hooks.trace.is_empty() {
        facts.push(format!(
            "trace function (sys.settrace){} in thread {}",
            functions(&hooks.trace_functions),
            tids(&hooks.trace)
        ));
    }
    if !hooks.profile.is_empty() {
        facts.push(format!(
            "profile function (sys.setprofile){} in thread {}",
            functions(&hooks.profile_functions),
            tids(&hooks.profile)
        ));
    }
    if !hooks.monitoring_tools.is_empty() {
        let tools: Vec<String> = hooks
            .monitoring_tools
            .iter()
            .take(8)
            .map(|tool| clip(tool, 30))
            .collect();
        facts.push(format!("sys.monitoring tools: {}", tools.join(", ")));
    }
    if let Some(function) = &hooks.eval_frame {
        facts.push(format!("evaluation loop replaced by {}", clip(function, 100)));
    }
    facts
}

/// The names of hooked functions, after a space.
fn functions(names: &[String]) -> String {
    names
        .iter()
        .take(4)
        .map(|name| format!(" {}", clip(name, 60)))
        .collect()
}

fn tids(tids: &[u32]) -> String {
    let mut shown: Vec<String> = tids.iter().take(8).map(u32::to_string).collect();
    if tids.len() > shown.len() {
        shown.push("…".to_string());
    }
    shown.join(", ")
}

/// The word of the JSON report.
pub(super) fn provider(provider: &LayoutProvider) -> &str {
    match provider {
        LayoutProvider::Dwarf => "dwarf",
        LayoutProvider::DebugOffsets => "debug-offsets",
        LayoutProvider::Dump => "dump",
        LayoutProvider::BuiltIn => "built-in",
        LayoutProvider::Other(word) => word,
    }
}

/// All notes; in the short form those that say why its reader does not get what they expect: no dump, no
/// Python frames.
pub(super) fn write_notes(out: &mut Out, report: &Report) {
    let style = out.style();
    let room = out.options.width * 2;
    let is_shown = |note: &&Note| match (out.options.form, note.area.as_str()) {
        (Form::Full, _) | (Form::Short, "capture") => true,
        (Form::Short, "python" | "layout") => report.python.is_empty(),
        (Form::Short, _) => false,
    };
    let notes: Vec<&Note> = report.notes.iter().filter(is_shown).collect();
    if !notes.is_empty() {
        out.gap();
        out.line(&paint(style.heading, "Notes"));
    }
    for note in notes {
        let mut text = format!("  {}: {}", clip(&note.area, 20), clip(&note.what, room));
        if !note.effect.is_empty() {
            text.push_str(&format!("; {}", clip(&note.effect, room)));
        }
        out.line(&text);
        if !note.remedy.is_empty() {
            out.line(&format!(
                "    {} {}",
                paint(style.name, "try:"),
                clip(&note.remedy, room)
            ));
        }
    }
}

/// The file and the command that shows more; nothing for a live process.
pub(super) fn write_more(out: &mut Out, report: &Report) {
    let style = out.style();
    out.gap();
    let Some(path) = report
        .input
        .path
        .as_ref()
        .filter(|_| report.input.kind != InputKind::Process)
    else {
        return;
    };
    let more = if out.is_short() { "" } else { "--format json " };
    // Not shortened: it is there to be copied.
    let path = clip(&quoted(path), 4096);
    out.line(&format!("{} coldframe analyze {more}{path}", paint(style.dim, "more:")));
}
