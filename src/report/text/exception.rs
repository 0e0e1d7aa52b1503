//! What a thread was raising and handling, with chain and traceback.

use super::Out;
use super::escape::clip;
use super::stack::{self, Detail};
use super::style::paint;
use crate::report::model::{Exception, Frame, Thread, ValueState, Variable};

/// The most exceptions of one chain shown.
pub(in crate::report) const MAX_CHAIN: usize = 8;
/// The most notes of one exception, and members of one group.
pub(in crate::report) const MAX_PARTS: usize = 5;

pub(super) fn write(out: &mut Out, thread: &Thread) {
    for exception in [&thread.exception, &thread.handling].into_iter().flatten() {
        write_chain(out, exception);
    }
}

/// The exceptions of a chain, each with how it came about, the outermost first.
pub(in crate::report) fn chain(exception: &Exception) -> impl Iterator<Item = (&'static str, &Exception)> {
    let relation = if exception.raised {
        "exception being raised:"
    } else {
        "exception being handled:"
    };
    std::iter::successors(Some((relation, exception)), |(_, exception)| {
        match (&exception.cause, &exception.context) {
            (Some(cause), _) => Some(("caused by:", &**cause)),
            (None, Some(context)) => Some(("while handling:", &**context)),
            (None, None) => None,
        }
    })
}

fn write_chain(out: &mut Out, exception: &Exception) {
    let style = out.style();
    let room = out.options.width * 2;
    let mut shown = Vec::new();
    for (relation, exception) in chain(exception).take(MAX_CHAIN) {
        out.line(&format!(
            "  {} {}",
            paint(style.dim, relation),
            paint(style.alarm, &title(exception, room))
        ));
        for note in exception.notes.iter().take(MAX_PARTS) {
            out.line(&format!("      {}", clip(note, out.options.width)));
        }
        for member in exception.exceptions.iter().take(MAX_PARTS) {
            out.line(&format!(
                "      {} {}",
                paint(style.dim, "member:"),
                title(member, room)
            ));
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
            let traceback = without_repeats(&exception.traceback, &mut shown);
            stack::write(out, &traceback, detail);
        }
    }
    if chain(exception).nth(MAX_CHAIN).is_some() {
        out.line(&paint(style.dim, "  … and more"));
    }
}

/// A traceback whose variables are left out where an earlier one of the chain has shown the very same.
fn without_repeats<'a>(traceback: &'a [Frame], shown: &mut Vec<&'a [Variable]>) -> Vec<Frame> {
    let as_above = || Variable {
        name: "(locals)".to_string(),
        value: Some("as above".to_string()),
        state: ValueState::Folded,
        ..Variable::default()
    };
    let without = |frame: &'a Frame| match frame {
        Frame::Python(python) if shown.contains(&&python.locals[..]) => {
            let mut python = python.clone();
            python.locals = vec![as_above()];
            Frame::Python(python)
        }
        Frame::Python(python) if python.locals.len() > 1 => {
            shown.push(&python.locals);
            frame.clone()
        }
        _ => frame.clone(),
    };
    traceback.iter().map(without).collect()
}

/// As the last line of a Python traceback; what a `__str__` in Python would say is not known.
pub(in crate::report) fn title(exception: &Exception, room: usize) -> String {
    let name = clip(exception.type_name.as_deref().unwrap_or("an exception"), 80);
    match (exception.value.as_deref(), exception.repr.as_deref()) {
        (Some(""), _) | (None, None) => name,
        (Some(value), _) => format!("{name}: {}", clip(value, room)),
        (None, Some(repr)) => format!("{name}, made as {}", clip(repr, room)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::PythonFrame;

    #[test]
    fn variables_are_shown_once_in_a_chain() {
        let variable = |name: &str| Variable {
            name: name.to_string(),
            ..Variable::default()
        };
        let frame = |names: &[&str]| {
            Frame::Python(PythonFrame {
                locals: names.iter().map(|name| variable(name)).collect(),
                ..PythonFrame::default()
            })
        };
        let (first, second) = ([frame(&["a", "b"])], [frame(&["a"]), frame(&["a", "b"])]);
        let mut shown = Vec::new();
        assert_eq!(without_repeats(&first, &mut shown), first);
        let names: Vec<String> = without_repeats(&second, &mut shown)
            .iter()
            .filter_map(|frame| match frame {
                Frame::Python(python) => Some(python.locals[0].name.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(names, ["a", "(locals)"]);
    }
}
