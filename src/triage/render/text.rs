//! For a terminal.

use super::{Triage, facts, seen, some};
use crate::report::text::{self, TextOptions};

/// The groups, then the full report of each.
pub fn text(triage: &Triage, options: &TextOptions) -> String {
    let mut out = format!("coldframe triage: {}\n", triage.verdict());
    for (index, row) in triage.groups.iter().enumerate() {
        let group = &row.group;
        let state = match &row.known {
            None => "new".to_string(),
            Some(known) => match &known.issue {
                Some(issue) => format!("known, {}", plain(issue)),
                None => "known".to_string(),
            },
        };
        out.push_str(&format!(
            "\n{:>3}. {} [{}]\n",
            index + 1,
            plain(&group.title),
            plain(&group.key)
        ));
        out.push_str(&format!("     {state}; {}\n", seen(group)));
        for (label, names) in facts(group) {
            out.push_str(&format!("     {label}: {}\n", plain(&some(names.iter(), 5))));
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
    out
}

/// In one line, harmless for a terminal.
fn plain(text: &str) -> String {
    text::one_line(text, 200)
}
