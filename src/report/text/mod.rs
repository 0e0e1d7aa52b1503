//! The report as text: for a terminal, and for the log of a CI job that nobody can scroll back far in.
//!
//! [`render`] puts the verdict first and a greppable `SUMMARY:` line last; between them stands the
//! crashed thread's merged stack, innermost frame first. [`Form::Short`] stops there, [`Form::Full`]
//! goes on with the other threads, modules, hooks and notes. Every string of the report is escaped and
//! bounded on its way out.
//!
//! Invariant: a pure function of report and options; no clock, terminal, environment or file is asked.

mod breadcrumbs;
mod escape;
pub(in crate::report) mod exception;
pub(in crate::report) mod extensions;
pub(in crate::report) mod findings;
pub(in crate::report) mod fold;
pub(in crate::report) mod headline;
pub(in crate::report) mod instruction;
pub(in crate::report) mod locals;
pub(in crate::report) mod notes;
pub(in crate::report) mod source;
pub(in crate::report) mod stack;
mod style;
pub(in crate::report) mod summary;
pub(in crate::report) mod tasks;
pub(in crate::report) mod threads;
pub(in crate::report) mod work;

use std::collections::HashSet;

use super::library::Library;
use super::model::{Address, Report, Thread};
pub(crate) use escape::is_hostile;
pub use escape::quoted;
pub(in crate::report) use escape::{clip, spread};
use headline::LABEL;
pub use style::Style;

/// How much is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Headline, findings, crashed thread, SUMMARY.
    Short,
    /// Everything.
    #[default]
    Full,
}

/// How a report is rendered.
#[derive(Clone, Copy, Debug)]
pub struct TextOptions {
    /// How much is said.
    pub form: Form,
    /// Colours.
    pub style: Style,
    /// The width to keep to where that is possible without losing what matters (file names).
    pub width: usize,
    /// Whether frames of the interpreter fold into one line.
    pub fold_interpreter: bool,
}

impl TextOptions {
    /// Plain text of 100 columns.
    pub fn new(form: Form) -> TextOptions {
        TextOptions {
            form,
            style: Style::plain(),
            width: 100,
            fold_interpreter: true,
        }
    }
}

/// The report as text, with a line end.
pub fn render(report: &Report, options: &TextOptions) -> String {
    let mut out = Out {
        text: String::new(),
        runtime: report.python.first().and_then(|python| python.executable.clone()),
        library: Library::of(report),
        shown: HashSet::new(),
        options: TextOptions {
            // Narrower than this, a stack cannot be shown at all.
            width: options.width.max(60),
            ..*options
        },
    };
    headline::write(&mut out, report);
    findings::write(&mut out, report);
    threads::write_main(&mut out, report);
    breadcrumbs::write(&mut out, report);
    if options.form == Form::Full {
        threads::write_others(&mut out, report);
        tasks::write(&mut out, report);
        notes::write_python(&mut out, report);
    }
    notes::write_notes(&mut out, report);
    notes::write_more(&mut out, report);
    summary::write(&mut out, report);
    out.text
}

/// Text that may be hostile, escaped for a terminal, in one line of at most `columns`.
pub fn one_line(text: &str, columns: usize) -> String {
    escape::clip(text, columns)
}

/// The thread a report is about: the crashed one, else the first (the main thread).
pub(in crate::report) fn main_thread(report: &Report) -> Option<&Thread> {
    report.crashed_thread().or(report.threads.first())
}

/// The text so far, and how to go on.
struct Out {
    text: String,
    options: TextOptions,
    /// The image of the interpreter.
    runtime: Option<String>,
    /// What comes with it.
    library: Library,
    /// Objects of this stack whose parts were shown.
    shown: HashSet<Address>,
}

impl Out {
    /// Appends a line that is escaped and styled already.
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Appends an empty line.
    fn gap(&mut self) {
        self.text.push('\n');
    }

    /// Appends `items` as running text after `label`, wrapped, each further line indented.
    fn flow(&mut self, label: &str, items: &[String], separator: &str, indent: usize) {
        let margin = " ".repeat(indent);
        let mut line = label.to_string();
        let mut used = escape::columns(label);
        for (index, item) in items.iter().enumerate() {
            let last = index + 1 == items.len();
            let piece = if last {
                item.clone()
            } else {
                format!("{item}{separator}")
            };
            let width = escape::columns(piece.trim_end());
            if used + width > self.options.width && used > indent {
                self.line(&line);
                line = margin.clone();
                used = indent;
            }
            used += escape::columns(&piece);
            line.push_str(&piece);
        }
        self.line(&line);
    }

    fn is_short(&self) -> bool {
        self.options.form == Form::Short
    }

    fn style(&self) -> Style {
        self.options.style
    }
}

/// A number with its thousands set off.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The last component of a path.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The name of an image, without the platform tag of extension modules: the JSON report has the path.
pub(in crate::report) fn module_name(path: &str) -> String {
    let name = file_name(path);
    let short = match (name.split_once(".cpython-"), name.ends_with(".so")) {
        (Some((stem, _)), true) => format!("{stem}.so"),
        _ => name.to_string(),
    };
    escape::clip(&short, 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extension_modules_lose_their_tag() {
        assert_eq!(
            module_name("/srv/pkg/_fast.cpython-312-x86_64-linux-gnu.so"),
            "_fast.so"
        );
        assert_eq!(module_name("/usr/lib/libpython3.12.so.1.0"), "libpython3.12.so.1.0");
        assert_eq!(module_name("x.abi3.so"), "x.abi3.so");
    }

    #[test]
    fn thousands_are_set_off() {
        let shown: Vec<String> = [0, 999, 1000, 45_123, 1_000_000].map(thousands).into();
        assert_eq!(shown, ["0", "999", "1,000", "45,123", "1,000,000"]);
    }
}
