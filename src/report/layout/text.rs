//! The layout of a build as text.

use super::model::{Check, Field, LayoutReport};
use crate::report::text::clip;

/// Longer texts are paths that nobody has.
const MAX_TEXT: usize = 4096;

/// The report as text: with a check, what that found; else every field.
pub fn render(report: &LayoutReport) -> String {
    let mut out = headline(report);
    let facts = [
        ("file", report.file.clone()),
        ("debug file", report.debug_file.clone()),
        ("build id", report.build_id.clone()),
        ("built-in row", report.built_in_row.clone()),
        ("_PyRuntime", report.runtime_address.map(|address| address.to_string())),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            out += &format!("{name:<14}{}\n", clip(&value, MAX_TEXT));
        }
    }
    match &report.check {
        Some(check) => out += &render_check(check),
        None => out += &render_fields(report),
    }
    for note in &report.notes {
        out += &format!("note: {}\n", clip(note, MAX_TEXT));
    }
    out
}

fn headline(report: &LayoutReport) -> String {
    let version = report.version.as_deref().unwrap_or("of an unknown version");
    let gil = if report.free_threaded {
        "free-threaded"
    } else {
        "with the GIL"
    };
    format!("CPython {version}, {} build, {gil}\n", report.build)
}

fn render_fields(report: &LayoutReport) -> String {
    let mut out = String::new();
    if !report.behaviour.is_empty() {
        out += "\nBehaviour\n";
        let width = report.behaviour.iter().map(|aspect| aspect.name.len()).max();
        for aspect in &report.behaviour {
            out += &format!(
                "  {:<width$}  {}\n",
                aspect.name,
                aspect.value,
                width = width.unwrap_or(0)
            );
        }
    }
    out += "\nOffsets and sizes in bytes; - where this build has no such field\n";
    let width = report.fields.iter().map(|field| field.name.len()).max().unwrap_or(0);
    for field in &report.fields {
        let offset = field.offset.map_or("-".to_string(), |offset| offset.to_string());
        let provider = field.provider.as_deref().unwrap_or("");
        let line = format!("  {:<width$}  {offset:>7}  {provider:<13}  {}", field.name, in_c(field));
        out += line.trim_end();
        out.push('\n');
    }
    out
}

/// `_ts.next`, or with all the names that versions gave it.
fn in_c(field: &Field) -> String {
    let structure = field.structures.join(" or ");
    if field.members.is_empty() {
        format!("sizeof {structure}")
    } else {
        format!("{} of {structure}", field.members.join(" or "))
    }
}

fn render_check(check: &Check) -> String {
    let mut out = String::new();
    let row = check.row.as_deref().unwrap_or("none");
    if !check.not_described.is_empty() {
        out += &format!(
            "\nNot described by the debug information: {}\n",
            clip(&check.not_described.join(", "), MAX_TEXT)
        );
    }
    if check.is_clean() {
        return out
            + &format!(
                "\nAll {} fields that the build states are as in the built-in row {row}.\n",
                check.compared
            );
    }
    if !check.differences.is_empty() {
        out += &format!(
            "\n{} of {} fields differ; the built-in row is {row}, - means no such field (or, in debug-offsets, no word)\n",
            check.differences.len(),
            check.compared.max(check.differences.len())
        );
        let width = check.differences.iter().map(|difference| difference.name.len()).max();
        let width = width.unwrap_or(0);
        out += &format!(
            "  {:<width$}  {:>7}  {:>13}  {:>8}\n",
            "", "dwarf", "debug-offsets", "built-in"
        );
        let cell = |offset: Option<u64>| offset.map_or("-".to_string(), |offset| offset.to_string());
        for difference in &check.differences {
            out += &format!(
                "  {:<width$}  {:>7}  {:>13}  {:>8}\n",
                difference.name,
                cell(difference.dwarf),
                cell(difference.debug_offsets),
                cell(difference.built_in)
            );
        }
    }
    if !check.missing.is_empty() {
        out += "\nMissing in coldframe (docs/adding-a-cpython.md)\n";
        for missing in &check.missing {
            out += &format!("  {}\n", clip(missing, MAX_TEXT));
        }
    }
    if let Some(words) = &check.debug_offsets_words {
        out += "\nThe words of _Py_DebugOffsets, as its type has them\n";
        for line in words.lines() {
            out += &format!("{}\n", clip(line, MAX_TEXT));
        }
    }
    out
}
