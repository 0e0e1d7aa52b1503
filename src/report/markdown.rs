//! The report as Markdown, for an issue or the summary of a CI job, and what it takes to put any text into Markdown.

use super::model::Report;
use super::text::{self, Form, TextOptions, findings, headline, summary};

/// What fits: the body of a GitHub issue has at most 65,536 characters.
pub const MOST: usize = 65_000;
/// The most findings.
const MOST_FINDINGS: usize = 10;

/// The verdict, the findings, then the full text report as far as it fits.
pub fn render(report: &Report) -> String {
    let mut out = format!("### {}\n\n", line(&headline::verdict(report), 200));
    if let Some(message) = report.crash.as_ref().and_then(|crash| crash.message.as_deref()) {
        out.push_str(&format!("{}\n\n", line(message.trim_end(), 300)));
    }
    for finding in report.findings.iter().take(MOST_FINDINGS) {
        let confidence = line(findings::word(&finding.confidence), 20);
        out.push_str(&format!("- **{confidence}**: {}\n", line(&finding.title, 300)));
        for evidence in finding.evidence.iter().take(MOST_FINDINGS) {
            out.push_str(&format!("  - {}\n", line(evidence, 300)));
        }
        if let Some(advice) = &finding.advice {
            out.push_str(&format!("  - try: {}\n", line(advice, 300)));
        }
    }
    let summary = fenced(&summary::line(report), 1_000);
    let full = text::render(report, &TextOptions::new(Form::Full));
    let about = "\n<details><summary>full report</summary>\n\n";
    let end = "\n\n</details>\n";
    out.push_str(&format!("\n{summary}\n"));
    let left = MOST.saturating_sub(out.chars().count() + about.len() + end.len());
    out.push_str(&format!("{about}{}{end}", fenced(&full, left)));
    out
}

/// A code block that its text cannot end, of at most `most` characters.
pub fn fenced(text: &str, most: usize) -> String {
    /// Around the text: two lines of fence, the word `text` and the mark of a cut.
    const AROUND: usize = 20;
    let longest = |text: &str| text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest(text).clamp(2, most / 8) + 1);
    let room = most.saturating_sub(AROUND + 2 * fence.len());
    let body = match text.trim_end().char_indices().nth(room) {
        Some((end, _)) => format!("{}\n… (cut)", &text[..end]),
        None => text.trim_end().to_string(),
    };
    // A fence as long as the report would be no fence any more.
    let body = match longest(&body) < fence.len() {
        true => body,
        false => body.replace('`', "'"),
    };
    format!("{fence}text\n{body}\n{fence}")
}

/// One line of text, also in a table's cell: no markup, no mention of a user.
pub fn line(text: &str, columns: usize) -> String {
    let mut out = String::new();
    for c in text::one_line(text, columns).chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => out.extend(['\\', c]),
            // A zero-width space would be invisible, an entity is what it is.
            '@' => out.push_str("&#64;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

/// Text of an HTML element inside of Markdown, where backslashes escape nothing.
pub fn html(text: &str) -> String {
    text::one_line(text, 300)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('@', "&#64;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_that_text_cannot_end() {
        assert!(fenced("a\n````\nb", 1_000).starts_with("`````text\n"));
        let only = fenced(&"`".repeat(10_000), 1_000);
        assert!(only.chars().count() <= 1_000);
        assert!(only.contains('\''), "{only}");
    }

    #[test]
    fn lines_are_text() {
        assert_eq!(
            line("a|b <script> @you\n*x*", 200),
            "a\\|b &lt;script&gt; &#64;you\\\\n\\*x\\*"
        );
    }
}
