//! What coldframe itself says: on standard error, one line, whatever became of standard error.

use std::fmt::Display;
use std::io::Write;

/// Prints `coldframe: MESSAGE`. A standard error that is closed, or that nobody reads, is no reason to end: the exit
/// code says it too. (`eprintln` panics there.)
pub fn say(message: impl Display) {
    let line = format!("coldframe: {}\n", one_line(&message.to_string()));
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// Paths and other words of a message come from files and command lines: a line end or an escape sequence in them must
/// not pass for something that coldframe said.
fn one_line(text: &str) -> String {
    let is_safe = |c: char| !c.is_control();
    text.chars()
        .flat_map(|c| {
            let escaped = (!is_safe(c)).then(|| c.escape_default());
            let plain = is_safe(c).then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// An error with its causes, each said once: many messages name their cause already.
pub fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let error = anyhow::anyhow!("disk full")
            .context("cannot write x: disk full")
            .context("no report");
        assert_eq!(chain(&error), "no report: cannot write x: disk full");
    }

    #[test]
    fn a_message_is_one_line() {
        assert_eq!(one_line("a\nb \u{1b}[31m\tü"), "a\\nb \\u{1b}[31m\\tü");
    }
}
