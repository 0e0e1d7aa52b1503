//! Source lines of a frame, with carets under what was being executed.

use super::Out;
use super::escape::{clip, columns, spread};
use super::style::paint;
use crate::report::model::{NativeFrame, PythonFrame, SourceLine};

/// The most lines of one expression that are shown.
const MAX_LINES: usize = 3;

/// A position in source text.
pub(in crate::report) struct Span<'a> {
    source: &'a [SourceLine],
    line: Option<u32>,
    end_line: Option<u32>,
    columns: Option<(u32, u32)>,
}

impl<'a> Span<'a> {
    pub(in crate::report) fn of_python(frame: &'a PythonFrame) -> Span<'a> {
        Span {
            source: &frame.source,
            line: frame.line,
            end_line: frame.end_line,
            columns: frame.column.zip(frame.end_column),
        }
    }

    /// A native frame knows where a statement begins, not where it ends: a line, no carets.
    pub(in crate::report) fn of_native(frame: &'a NativeFrame) -> Span<'a> {
        Span {
            source: &frame.source,
            line: frame.line,
            end_line: None,
            columns: None,
        }
    }

    /// The lines of what was being executed, the first and the last.
    pub(in crate::report) fn lines(&self) -> Option<(u32, u32)> {
        let first = self.line?;
        Some((first, self.end_line.filter(|&last| last >= first).unwrap_or(first)))
    }

    /// The characters of `line` to mark, from 0: where they begin, and where they end unless at the line's end.
    pub(in crate::report) fn marked(&self, line: u32) -> Option<(usize, Option<usize>)> {
        let (first, last) = self.lines().filter(|(first, last)| (*first..=*last).contains(&line))?;
        let (column, end_column) = self.columns?;
        let begin = if line == first { column.saturating_sub(1) } else { 0 };
        let end = (line == last).then(|| end_column.saturating_sub(1) as usize);
        Some((begin as usize, end))
    }

    fn text(&self, line: u32) -> Option<&'a str> {
        self.source.iter().find(|s| s.line == line).map(|s| s.text.as_str())
    }
}

pub(super) fn write(out: &mut Out, span: &Span<'_>, indent: usize) {
    let Some((first, last)) = span.lines() else { return };
    let shown: Vec<(u32, &str)> = (first..=last)
        .take(MAX_LINES)
        .map_while(|line| span.text(line).map(|text| (line, text)))
        .filter(|(_, text)| !text.trim().is_empty())
        .collect();
    let dedent = shown.iter().map(|(_, text)| leading(text)).min().unwrap_or(0);
    let width = out.options.width.saturating_sub(indent).max(40);
    let margin = " ".repeat(indent);
    let style = out.style();
    for &(line, text) in &shown {
        let (visible, starts) = spread(&text.chars().skip(dedent).collect::<String>());
        let visible = visible.trim_end();
        out.line(&format!("{margin}{}", clip(visible, width)));
        let Some((from, to)) = span.marked(line) else {
            continue;
        };
        let begin = leading(text).max(from) - dedent;
        let end = to.unwrap_or(usize::MAX).saturating_sub(dedent);
        let at = |index: usize| starts[index.min(starts.len() - 1)];
        let (begin, end) = (at(begin), at(end).min(columns(visible)).min(width));
        // Carets under a whole line say nothing (Python 3.13 leaves them out as well).
        let is_whole = begin == at(leading(text) - dedent) && end >= columns(visible);
        if begin < end && !is_whole {
            let carets = format!("{}{}", " ".repeat(begin), "^".repeat(end - begin));
            out.line(&format!("{margin}{}", paint(style.caret, &carets)));
        }
    }
    if (last - first) as usize >= shown.len() && shown.len() == MAX_LINES {
        out.line(&format!("{margin}{}", paint(style.dim, "…")));
    }
}

/// The characters of indentation.
pub(in crate::report) fn leading(text: &str) -> usize {
    text.chars().take_while(|c| matches!(c, ' ' | '\t')).count()
}

#[cfg(test)]
mod tests {
    use super::super::{Form, TextOptions};
    use super::*;

    /// The source block for a line with the marked characters given 1-based, the end exclusive.
    fn block(text: &str, column: u32, end_column: u32) -> String {
        let lines: Vec<&str> = text.split('\n').collect();
        let frame = PythonFrame {
            line: Some(7),
            end_line: Some(6 + lines.len() as u32),
            column: Some(column),
            end_column: Some(end_column),
            source: lines
                .iter()
                .zip(7..)
                .map(|(text, line)| SourceLine {
                    line,
                    text: text.to_string(),
                })
                .collect(),
            ..PythonFrame::default()
        };
        let mut out = Out {
            runtime: None,
            library: Default::default(),
            text: String::new(),
            options: TextOptions::new(Form::Full),
            shown: Default::default(),
        };
        write(&mut out, &Span::of_python(&frame), 0);
        out.text
    }

    #[test]
    fn carets_stand_under_the_expression() {
        assert_eq!(block("    return f(x)", 12, 16), "return f(x)\n       ^^^^\n");
    }

    #[test]
    fn carets_count_columns_not_bytes() {
        assert_eq!(block("  s = 'é漢' + f()", 14, 17), "s = 'é漢' + f()\n            ^^^\n");
        assert_eq!(block("\tif x:\tf()", 8, 11), "if x:    f()\n         ^^^\n");
        assert_eq!(block("'\x1b[0m', f()", 9, 12), "'\\x1b[0m', f()\n           ^^^\n");
    }

    #[test]
    fn a_whole_line_needs_no_carets() {
        assert_eq!(block("    f(x)", 5, 9), "f(x)\n");
        assert_eq!(block("    f(x)  # why", 5, 9), "f(x)  # why\n^^^^\n");
    }

    #[test]
    fn an_expression_of_many_lines_is_cut() {
        assert_eq!(block("  x = f(\n    1,\n  )", 7, 4), "x = f(\n    ^^\n  1,\n)\n");
        let long = format!("f(\n{})", "  1,\n".repeat(50));
        assert!(block(&long, 1, 2).ends_with("  1,\n…\n"));
    }

    #[test]
    fn positions_that_cannot_be_do_no_harm() {
        assert_eq!(block("f(x)", 0, 0), "f(x)\n");
        assert_eq!(block("f(x)", 900, 9), "f(x)\n");
        assert_eq!(block("f(x)", 3, u32::MAX), "f(x)\n  ^^\n");
        assert_eq!(block("", 1, 2), "");
        assert_eq!(block("    \n   x", 9, 1), "x\n");
    }
}
