//! What kind of death it was.

use super::rules;
use crate::report::model::{Confidence, Report, Trigger};

/// Bytes of a message that go into a kind.
const MESSAGE: usize = 80;

/// The finding that says a stack overflowed.
const STACK_OVERFLOW: &str = "stack-overflow";

/// A wrong access to memory.
const FAULT: &str = "MEM";

/// The kind of a crash, as its key has it.
pub struct Kind(String);

impl Kind {
    /// The word in the key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A stack that overflowed: where it did is chance, what called itself is not.
    pub fn is_recursion(&self) -> bool {
        self.0 == "STACK"
    }

    /// Of a process that was about to abort, whatever it died of then.
    pub fn about_to_abort(self) -> Kind {
        match self.0.as_str() {
            FAULT => Kind("ABRT".to_string()),
            _ => self,
        }
    }

    /// For people: the signal's own name where there is one.
    pub fn text(&self, report: &Report) -> String {
        let signal = report.crash.as_ref().and_then(|crash| crash.signal.clone());
        let message = report.crash.as_ref().and_then(|crash| crash.message.as_deref());
        match (signal, message.map(plain)) {
            (Some(signal), Some(message)) => format!("{signal} ({message})"),
            (Some(signal), None) if self.is_recursion() => format!("{signal} (stack overflow)"),
            (Some(signal), None) => signal,
            (None, _) => self.0.clone(),
        }
    }
}

/// The kind of what a report describes; none where nothing had happened.
pub fn of(report: &Report) -> Option<Kind> {
    let Some(crash) = &report.crash else {
        return match report.trigger {
            Some(Trigger::Timeout) => Some(Kind("HANG".to_string())),
            Some(Trigger::Exception) => Some(Kind("EXCEPTION".to_string())),
            _ => None,
        };
    };
    let overflowed = report
        .findings
        .iter()
        .any(|finding| finding.id == STACK_OVERFLOW && finding.confidence == Confidence::Certain);
    let word = match crash.signal.as_deref() {
        Some("SIGSEGV" | "SIGBUS") if overflowed => "STACK",
        // One class: the same access is SIGBUS with some base registers (amd64 stack faults).
        Some("SIGSEGV" | "SIGBUS") => FAULT,
        Some(signal) => signal.strip_prefix("SIG").unwrap_or(signal),
        None => "SIGNAL",
    };
    Some(Kind(match &crash.message {
        Some(message) => match plain(message) {
            message if is_of_heap(&message) => format!("{word}: heap corruption"),
            message => format!("{word}: {message}"),
        },
        None => word.to_string(),
    }))
}

/// Whether the allocator says it.
fn is_of_heap(message: &str) -> bool {
    rules::HEAP_MESSAGES
        .iter()
        .any(|beginning| message.starts_with(beginning))
}

/// A message without what differs from run to run: numbers, addresses, paths; its first line, clipped.
fn plain(message: &str) -> String {
    let line = without_program(message.lines().next().unwrap_or_default());
    let mut words = Vec::new();
    for word in line.split_whitespace() {
        let core = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '/' && c != '_');
        let digits = core.strip_prefix("0x").unwrap_or(core);
        let is_number = !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
            && digits.bytes().any(|byte| byte.is_ascii_digit());
        words.push(match () {
            () if is_number => "N".to_string(),
            // `file.c:12:`
            () if core.contains('/') => core
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .split(':')
                .next()
                .unwrap_or_default()
                .to_string(),
            () if word.contains(':')
                && core
                    .rsplit(':')
                    .next()
                    .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) =>
            {
                core.split(':').next().unwrap_or_default().to_string()
            }
            () => word.to_string(),
        });
    }
    let mut text = words.join(" ");
    while text.len() > MESSAGE {
        text.pop();
    }
    text
}

/// Without the name of the program, which `assert` puts first (glibc assert/assert.c): it is python3, python3.12 or app.
fn without_program(line: &str) -> &str {
    match line.split_once(": ") {
        Some((program, rest)) if line.contains("Assertion `") && !program.contains(':') => rest,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn messages() {
        for (message, expected) in [
            (
                "double free or corruption (fasttop)",
                "double free or corruption (fasttop)",
            ),
            ("free(): invalid pointer", "free(): invalid pointer"),
            (
                "*** stack smashing detected ***: terminated",
                "*** stack smashing detected ***: terminated",
            ),
            (
                "python: /build/x/a.c:12: work: Assertion `x==1' failed.",
                "a.c work: Assertion `x==1' failed.",
            ),
            (
                "/x/a.c:12: work: Assertion `x==1' failed.",
                "a.c work: Assertion `x==1' failed.",
            ),
            (
                "object at 0x7f001234 has refcount -5\nmore",
                "object at N has refcount N",
            ),
        ] {
            assert_eq!(plain(message), expected);
        }
        assert!(plain(&"é ".repeat(1000)).len() <= 80);
    }
}
