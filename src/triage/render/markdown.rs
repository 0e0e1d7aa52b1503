//! For a job summary, or an issue.

use super::{Triage, seen, some};
use crate::report::text::{self, Form, TextOptions};

/// What fits: the body of a GitHub issue has at most 65,536 characters, and so the summary fits as well (1 MiB).
const MOST: usize = 65_000;

/// What one report may take, so that a large one does not crowd out the others.
const MOST_REPORT: usize = 16_000;

/// A table of the groups, then the report of each, folded, as many as fit.
pub fn markdown(triage: &Triage) -> String {
    let mut out = format!("### coldframe: {}\n", triage.verdict());
    if !triage.groups.is_empty() {
        out.push_str("\n| | crashes | cause | tests | signature |\n|---|---:|---|---|---|\n");
    }
    let mut left_out = 0;
    for row in &triage.groups {
        let state = match &row.known {
            None => "**new**".to_string(),
            Some(known) => match known.issue.as_deref().filter(|issue| issue.starts_with("https://")) {
                Some(issue) => format!("[known]({})", issue.replace([')', ' ', '|', '<', '>', '\n'], "")),
                None => "known".to_string(),
            },
        };
        let line = format!(
            "| {state} | {} | {} | {} | `{}` |\n",
            row.group.count,
            cell(&row.group.title),
            cell(&some(row.group.tests.iter(), 3)),
            row.group.key
        );
        match out.len() + line.len() < MOST / 2 {
            true => out.push_str(&line),
            false => left_out += 1,
        }
    }
    for row in &triage.groups {
        let Some(report) = &row.report else { continue };
        let report = text::render(report, &TextOptions::new(Form::Short));
        let section = format!(
            "\n<details><summary>{} ({})</summary>\n\n{}\n\n</details>\n",
            html(&row.group.title),
            html(&seen(&row.group)),
            fenced(&report)
        );
        match out.len() + section.len() < MOST {
            true => out.push_str(&section),
            false => left_out += 1,
        }
    }
    for record in triage.ungrouped.iter().take(20) {
        let line = format!(
            "\n- {}: {}\n",
            cell(&record.path),
            cell(record.error.as_deref().unwrap_or("no reason known"))
        );
        if out.len() + line.len() < MOST {
            out.push_str(&line);
        }
    }
    if left_out > 0 {
        out.push_str(&format!("\n{left_out} parts are left out: this text has a limit.\n"));
    }
    out
}

/// A code block that its text cannot end.
fn fenced(text: &str) -> String {
    let text = match text.char_indices().nth(MOST_REPORT) {
        Some((end, _)) => format!("{}\n… (cut)", &text[..end]),
        None => text.trim_end().to_string(),
    };
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{text}\n{fence}")
}

/// Text of a table's cell: no markup, no mention, one line.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for c in text::one_line(text, 200).chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => out.extend(['\\', c]),
            // No mention of a user: a zero-width space would be invisible, an entity is what it is.
            '@' => out.push_str("&#64;"),
            _ => out.push_str(&html(&c.to_string())),
        }
    }
    out
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_that_text_cannot_end() {
        let text = "a\n````\nb";
        assert!(fenced(text).starts_with("`````text\n"));
    }

    #[test]
    fn cells_are_text() {
        assert_eq!(
            cell("a|b <script> @you\n*x*"),
            "a\\|b &lt;script&gt; &#64;you\\\\n\\*x\\*"
        );
    }
}
