//! One page with the list of groups and the report of each.

use askama::Template;
use askama::filters::HtmlSafe;

use super::{Row, Triage, facts, seen, some};
use crate::report::html::{Crash, Page, Room};
use crate::report::text::one_line;

/// Rows of the list, and reports.
const MOST: usize = 1_000;
const MOST_REPORTS: usize = 200;
/// Bytes that the reports may take together.
const MOST_BYTES: usize = 10_000_000;

/// The page.
///
/// # Errors
/// None that rendering into memory could have; the type is askama's.
pub fn html(triage: &Triage) -> askama::Result<String> {
    let title = format!("coldframe: {}", triage.verdict());
    Page {
        title: &title,
        body: View::of(triage),
    }
    .render()
}

#[derive(Template)]
#[template(path = "triage.html")]
struct View {
    verdict: String,
    /// With no baseline all are new, and that goes without saying.
    any_known: bool,
    groups: Vec<GroupView>,
    more: usize,
    ungrouped: Vec<(String, String)>,
    more_ungrouped: usize,
}

impl HtmlSafe for View {}

struct GroupView {
    title: String,
    key: String,
    count: usize,
    seen: String,
    is_new: bool,
    /// A link to where it is dealt with, or a word.
    issue: String,
    is_link: bool,
    /// What the crashes have to do with: a label and names.
    facts: Vec<(&'static str, String)>,
    example: String,
    report: Option<Crash>,
}

impl View {
    fn of(triage: &Triage) -> View {
        let mut room = Room::of(MOST_BYTES);
        let groups = triage.groups.iter().take(MOST).enumerate();
        View {
            verdict: triage.verdict(),
            any_known: triage.any_known(),
            groups: groups
                .map(|(index, row)| GroupView::of(row, (index < MOST_REPORTS).then_some(&mut room)))
                .collect(),
            more: triage.groups.len().saturating_sub(MOST),
            ungrouped: triage
                .ungrouped
                .iter()
                .take(MOST)
                .map(|record| {
                    let why = record.error.as_deref().unwrap_or("no reason known");
                    (one_line(&record.path, 300), one_line(why, 500))
                })
                .collect(),
            more_ungrouped: triage.ungrouped.len().saturating_sub(MOST),
        }
    }
}

impl GroupView {
    fn of(row: &Row, room: Option<&mut Room>) -> GroupView {
        let group = &row.group;
        let issue = row.known.as_ref().and_then(|known| known.issue.as_deref());
        GroupView {
            title: one_line(&group.title, 500),
            key: one_line(&group.key, 40),
            count: group.count,
            seen: seen(group),
            is_new: row.known.is_none(),
            issue: one_line(issue.unwrap_or_default(), 300),
            is_link: issue.is_some_and(|issue| issue.starts_with("https://")),
            facts: facts(group)
                .map(|(label, names)| (label, one_line(&some(names.iter(), 10), 1_000)))
                .collect(),
            example: one_line(&group.example, 300),
            report: row
                .report
                .as_ref()
                .zip(room)
                .map(|(report, room)| Crash::within(report, room)),
        }
    }
}
