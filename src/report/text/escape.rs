//! Making hostile text harmless, and measuring what is left as a terminal shows it.
//!
//! Everything in a dump was chosen by the program that crashed: a file name may hold terminal escapes,
//! a value may turn the direction of the line.

use unicode_width::UnicodeWidthChar;

/// How far a tab advances: fixed, so that carets under a line with tabs stay in place in any terminal.
const TAB: &str = "    ";

/// Whether a character is never written as it is: it would control the terminal, end the line, change
/// the direction of text, or hide.
pub(crate) fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}'   // zero width, direction marks
            | '\u{2028}'..='\u{202e}'   // line ends, direction embeddings and overrides
            | '\u{2060}'..='\u{206f}'   // invisible operators, direction isolates
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}') // tags
}

/// Appends one character as it is shown, and says how many columns that takes.
fn push(out: &mut String, c: char) -> usize {
    if !is_hostile(c) {
        out.push(c);
        return c.width().unwrap_or(0);
    }
    let escape = match u32::from(c) {
        0x09 => TAB.to_string(),
        0x0a => "\\n".to_string(),
        0x0d => "\\r".to_string(),
        value @ ..=0xff => format!("\\x{value:02x}"),
        value @ ..=0xffff => format!("\\u{value:04x}"),
        value => format!("\\U{value:08x}"),
    };
    out.push_str(&escape);
    escape.len()
}

/// The text, escaped, in at most `max` columns; what was cut is marked by an ellipsis.
pub(in crate::report) fn clip(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut width = 0;
    // A second bound: characters without width (combining marks) could go on for ever.
    for (count, c) in text.chars().enumerate() {
        let before = out.len();
        width += push(&mut out, c);
        if width > max || count >= max.saturating_mul(4) {
            out.truncate(before);
            // Make room for the ellipsis, which is one column wide.
            while columns(&out) + 1 > max && out.pop().is_some() {}
            out.push('…');
            return out;
        }
    }
    out
}

/// As [`clip`], but keeps the end, which says more in a path.
pub(super) fn clip_start(text: &str, max: usize) -> String {
    let mut tail: Vec<char> = text.chars().rev().take(max.saturating_mul(4)).collect();
    tail.reverse();
    let whole = clip(&tail.iter().collect::<String>(), usize::MAX);
    if columns(&whole) <= max && tail.len() == text.chars().count() {
        return whole;
    }
    // At a whole component, where one fits.
    let mut kept: Vec<char> = Vec::new();
    let mut width = 1;
    for c in whole.chars().rev() {
        width += c.width().unwrap_or(0);
        if width > max {
            break;
        }
        kept.push(c);
    }
    kept.reverse();
    let from = kept.iter().position(|&c| c == '/').unwrap_or(0);
    std::iter::once('…').chain(kept.into_iter().skip(from)).collect()
}

/// The columns that escaped text takes. The only escape sequences in it are our own colours.
pub(super) fn columns(text: &str) -> usize {
    let mut total = 0;
    let mut in_colour = false;
    for c in text.chars() {
        match c {
            '\x1b' => in_colour = true,
            'm' if in_colour => in_colour = false,
            _ if in_colour => {}
            _ => total += c.width().unwrap_or(0),
        }
    }
    total
}

/// A source line as shown, and the column at which each of its characters begins (with one more entry
/// for the end), so that positions in characters can be underlined.
pub(in crate::report) fn spread(text: &str) -> (String, Vec<usize>) {
    let mut out = String::new();
    let mut starts = Vec::new();
    let mut width = 0;
    for c in text.chars() {
        starts.push(width);
        width += push(&mut out, c);
    }
    starts.push(width);
    (out, starts)
}

/// An argument as one would type it.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_=+./,:@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_characters_are_shown_as_escapes() {
        assert_eq!(clip("a\x1b[2Jb\r\n\u{9b}c", 80), "a\\x1b[2Jb\\r\\n\\x9bc");
        assert_eq!(clip("evil\u{202e}gpj.exe\u{2066}", 80), "evil\\u202egpj.exe\\u2066");
        assert_eq!(clip("\u{e0041}\u{feff}", 80), "\\U000e0041\\ufeff");
        assert_eq!(clip("naïve 漢字 ✓", 80), "naïve 漢字 ✓");
    }

    #[test]
    fn text_is_cut_by_width() {
        assert_eq!(clip("abcdef", 6), "abcdef");
        assert_eq!(clip("abcdefg", 6), "abcde…");
        assert_eq!(clip("漢字漢字", 6), "漢字…");
        assert_eq!(clip("abc", 0), "…");
        assert!(clip(&"\u{301}".repeat(100_000), 10).len() < 200);
        assert_eq!(clip_start("/a/long/path/to/file.py", 12), "…/to/file.py");
        assert_eq!(clip_start("/a/long/path/to/file.py", 15), "…/to/file.py");
        assert_eq!(clip_start("a_long_name.py", 10), "…g_name.py");
        assert_eq!(clip_start("short.py", 12), "short.py");
        assert!(columns(&clip_start(&"漢".repeat(50), 11)) <= 11);
    }

    #[test]
    fn columns_of_a_spread_line() {
        let (shown, starts) = spread("\té漢\x07x");
        assert_eq!(shown, "    é漢\\x07x");
        assert_eq!(starts, [0, 4, 5, 7, 11, 12]);
        assert_eq!(columns("\x1b[1;31mm漢\x1b[0m."), 4, "colours take no room");
    }

    #[test]
    fn arguments_are_quoted_where_needed() {
        assert_eq!(quoted("--n=1"), "--n=1");
        assert_eq!(quoted("import os; os.abort()"), "'import os; os.abort()'");
        assert_eq!(quoted(""), "''");
    }
}
