//! For a terminal.

use super::{Triage, facts, seen, some};
use crate::report::text::{self, TextOptions};

/// The groups, then the full report of each.
pub fn text(triage: &Triage, options: &TextOptions) -> String {
    let mut out = format!("coldframe triage: {}\n", triage.verdict());
    let any_known = triage.any_known();
    for (index, row) in triage.groups.iter().enumerate() {
        let group = &row.group;
        let state = match &row.known {
            // With no baseline all are.
            None if !any_known => String::new(),
            None => "new; ".to_string(),
            Some(known) => match &known.issue {
                Some(issue) => format!("known, {}; ", plain(issue)),
                None => "known; ".to_string(),
            },
        };
        out.push_str(&format!(
            "\n{:>3}. {} [{}]\n",
            index + 1,
            plain(&group.title),
            plain(&group.key)
        ));
        out.push_str(&format!("     {state}{}\n", seen(group)));
        let facts: Vec<String> = facts(group)
            .map(|(label, names)| format!("{label} {}", plain(&some(names.iter(), 5))))
            .collect();
        if !facts.is_empty() {
            out.push_str(&format!("     {}\n", facts.join("; ")));
        }
        if group.attached > 0 {
            out.push_str(&format!(
                "     {} of them had no symbols and fit no other group\n",
                group.attached
            ));
        }
        out.push_str(&format!("     for example {}\n", plain(&group.example)));
    }
    for record in &triage.ungrouped {
        let why = record.error.as_deref().unwrap_or("no reason known");
        out.push_str(&format!("\n  -  {}: {}\n", plain(&record.path), plain(why)));
    }
    for (index, row) in triage.groups.iter().enumerate() {
        let Some(report) = &row.report else { continue };
        out.push_str(&format!(
            "\n{}\nGroup {}: {}\n\n",
            "=".repeat(78),
            index + 1,
            plain(&row.group.title)
        ));
        out.push_str(&text::render(report, options));
    }
    // The list is far above then.
    if triage.groups.iter().filter(|row| row.report.is_some()).count() > 1 {
        out.push_str(&format!(
            "\ncoldframe triage: {}; the list without the reports: --no-reports\n",
            triage.verdict()
        ));
    }
    out
}

/// In one line, harmless for a terminal.
fn plain(text: &str) -> String {
    text::one_line(text, 200)
}
