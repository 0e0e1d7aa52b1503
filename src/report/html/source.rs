//! Source lines of a frame, what was being executed marked.

use super::room::Room;
use crate::report::model::SourceLine;
use crate::report::text::source::{Span, leading};
use crate::report::text::{clip, spread};

/// The most lines of a frame.
const MOST: usize = 15;
/// The most columns of a line.
const COLUMNS: usize = 300;

/// One line, in three parts.
pub(super) struct Line {
    pub(super) number: u32,
    /// It is part of what was being executed.
    pub(super) is_current: bool,
    pub(super) before: String,
    /// What the carets stand under.
    pub(super) marked: String,
    pub(super) after: String,
    /// The line of carets below it; empty where nothing is marked.
    pub(super) carets: String,
}

pub(super) fn lines(source: &[SourceLine], span: &Span<'_>, room: &mut Room) -> Vec<Line> {
    let Some((first, last)) = span.lines() else {
        return Vec::new();
    };
    source
        .iter()
        .take(MOST)
        .map(|line| {
            let is_current = (first..=last).contains(&line.line);
            split(line, is_current, span.marked(line.line))
        })
        .take_while(|line| room.take(100 + line.before.len() + line.marked.len() + line.after.len()))
        .collect()
}

fn split(line: &SourceLine, is_current: bool, marked: Option<(usize, Option<usize>)>) -> Line {
    let chars: Vec<char> = line.text.trim_end().chars().take(COLUMNS).collect();
    let part = |from: usize, to: usize| clip(&chars[from..to].iter().collect::<String>(), COLUMNS);
    let whole = Line {
        number: line.line,
        is_current,
        before: part(0, chars.len()),
        marked: String::new(),
        after: String::new(),
        carets: String::new(),
    };
    let Some((from, to)) = marked else { return whole };
    let from = from.max(leading(&line.text));
    let to = to.unwrap_or(chars.len()).min(chars.len());
    // Marks on a whole line say nothing.
    if from >= to || (from == leading(&line.text) && to == chars.len()) {
        return whole;
    }
    let (_, starts) = spread(&chars.iter().collect::<String>());
    Line {
        before: part(0, from),
        marked: part(from, to),
        after: part(to, chars.len()),
        carets: format!("{}{}", " ".repeat(starts[from]), "^".repeat(starts[to] - starts[from])),
        ..whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::PythonFrame;

    fn line(text: &str, column: u32, end_column: u32) -> (String, String) {
        let frame = PythonFrame {
            line: Some(7),
            column: Some(column),
            end_column: Some(end_column),
            source: vec![SourceLine {
                line: 7,
                text: text.into(),
            }],
            ..PythonFrame::default()
        };
        let lines = lines(&frame.source, &Span::of_python(&frame), &mut Room::of(1_000_000));
        (lines[0].marked.clone(), lines[0].carets.clone())
    }

    #[test]
    fn what_is_executed_is_marked() {
        assert_eq!(
            line("    return f(x)", 12, 16),
            ("f(x)".into(), format!("{:11}^^^^", ""))
        );
        assert_eq!(line("\ts = '漢'; f()", 11, 14), ("f()".into(), format!("{:14}^^^", "")));
        assert_eq!(line("    f(x)", 5, 9), (String::new(), String::new()));
    }

    #[test]
    fn positions_that_cannot_be_mark_nothing() {
        for (column, end_column) in [(0, 0), (900, 9), (9, 1), (u32::MAX, u32::MAX)] {
            assert_eq!(line("f(x)", column, end_column).0, "");
        }
        assert_eq!(line("f(x)", 3, u32::MAX).0, "x)");
    }
}
