//! What a thread was raising and handling, with chain and traceback.

use super::Out;
use super::escape::clip;
use super::stack::{self, Detail};
use super::style::paint;
use crate::report::model::{Exception, Thread};

/// The most exceptions of one chain shown.
const MAX_CHAIN: usize = 8;
/// The most notes of one exception, and members of one group.
const MAX_PARTS: usize = 5;

pub(super) fn write(out: &mut Out, thread: &Thread) {
    for exception in [&thread.exception, &thread.handling].into_iter().flatten() {
        write_chain(out, exception);
    }
}

fn write_chain(out: &mut Out, exception: &Exception) {
    let style = out.style();
    let relation = if exception.raised {
        "exception being raised:"
    } else {
        "exception being handled:"
    };
    let mut next = Some((exception, relation));
    for _ in 0..MAX_CHAIN {
        let Some((exception, relation)) = next else {
            return;
        };
        out.line(&format!(
            "  {} {}",
            paint(style.dim, relation),
            paint(style.alarm, &title(out, exception))
        ));
        for note in exception.notes.iter().take(MAX_PARTS) {
            out.line(&format!("      {}", clip(note, out.options.width)));
        }
        for member in exception.exceptions.iter().take(MAX_PARTS) {
            out.line(&format!("      {} {}", paint(style.dim, "member:"), title(out, member)));
        }
        if exception.exceptions.len() > MAX_PARTS {
            let rest = exception.exceptions.len() - MAX_PARTS;
            out.line(&paint(style.dim, &format!("      … {rest} more members")));
        }
        if !out.is_short() {
            let detail = Detail {
                source: true,
                locals: usize::MAX,
                steps: 20,
            };
            stack::write(out, &exception.traceback, detail);
        }
        next = match (&exception.cause, &exception.context) {
            (Some(cause), _) => Some((cause, "caused by:")),
            (None, Some(context)) => Some((context, "while handling:")),
            (None, None) => None,
        };
    }
    if next.is_some() {
        out.line(&paint(style.dim, "  … and more"));
    }
}

/// As the last line of a Python traceback; what a `__str__` in Python would say is not known.
fn title(out: &Out, exception: &Exception) -> String {
    let name = clip(exception.type_name.as_deref().unwrap_or("an exception"), 80);
    let room = out.options.width * 2;
    match (exception.value.as_deref(), exception.repr.as_deref()) {
        (Some(""), _) | (None, None) => name,
        (Some(value), _) => format!("{name}: {}", clip(value, room)),
        (None, Some(repr)) => format!("{name}, made as {}", clip(repr, room)),
    }
}
