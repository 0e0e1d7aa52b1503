//! For a job summary, or an issue.

use super::{Triage, seen, some};
use crate::report::markdown::{MOST, fenced, html, line};
use crate::report::text::{self, Form, TextOptions};

/// What one report may take, so that a large one does not crowd out the others.
const MOST_REPORT: usize = 16_000;

/// A table of the groups, then the report of each, folded, as many as fit.
pub fn markdown(triage: &Triage) -> String {
    let mut out = format!("### coldframe: {}\n", triage.verdict());
    let mut left_out = 0;
    let has_tests = triage.groups.iter().any(|row| !row.group.tests.is_empty());
    let tests = |cell: &str| if has_tests { cell.to_string() } else { String::new() };
    if !triage.groups.is_empty() {
        out.push_str(&format!(
            "\n| | crashes | cause |{} signature |\n|---|---:|---|{}---|\n",
            tests(" tests |"),
            tests("---|")
        ));
    }
    for row in &triage.groups {
        let state = match &row.known {
            None => "**new**".to_string(),
            Some(known) => match known.issue.as_deref().filter(|issue| issue.starts_with("https://")) {
                Some(issue) => {
                    let link = text::one_line(issue, 300);
                    format!(
                        "[known]({})",
                        link.replace(['(', ')', ' ', '|', '<', '>', '`', '\\'], "")
                    )
                }
                None => "known".to_string(),
            },
        };
        let cells = format!(
            "| {state} | {} | {} |{} `{}` |\n",
            row.group.count,
            line(&row.group.title, 200),
            tests(&format!(" {} |", line(&some(row.group.tests.iter(), 3), 200))),
            row.group.key.replace(|c: char| !c.is_ascii_alphanumeric(), "")
        );
        match out.len() + cells.len() < MOST / 2 {
            true => out.push_str(&cells),
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
            fenced(&report, MOST_REPORT)
        );
        match out.len() + section.len() < MOST {
            true => out.push_str(&section),
            false => left_out += 1,
        }
    }
    for record in triage.ungrouped.iter().take(20) {
        let item = format!(
            "\n- {}: {}\n",
            line(&record.path, 200),
            line(record.error.as_deref().unwrap_or("no reason known"), 200)
        );
        if out.len() + item.len() < MOST {
            out.push_str(&item);
        }
    }
    if left_out > 0 {
        out.push_str(&format!("\n{left_out} groups or reports are left out, as there is a limit; `coldframe triage --format html` has all.\n"));
    }
    out
}
