//! Groups of crashes, as text for people and for CI systems.
//!
//! Invariant: pure functions of a [`Triage`]; every string in it may have been chosen by a program that crashed, and is
//! escaped for the format it goes into.

mod github;
mod gitlab;
mod html;
mod junit;
mod markdown;
mod place;
mod sarif;
mod text;

use std::collections::BTreeSet;

use serde::Serialize;

use super::baseline::{Baseline, Known};
use super::group::{Group, Grouped, Grouper};
use super::record::{self, Record, Status};
use crate::report::Report;
use crate::report::text::one_line;

pub use github::github;
pub use gitlab::gitlab;
pub use html::html;
pub use junit::junit;
pub(in crate::triage) use junit::xml;
pub use markdown::markdown;
pub use sarif::sarif;
pub use text::text;

/// What a triage found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Triage {
    /// [`record::SCHEMA`].
    pub schema: String,
    /// How many files were looked at.
    pub files: usize,
    /// The groups, the largest first.
    pub groups: Vec<Row>,
    /// The files that are in no group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ungrouped: Vec<Record>,
}

/// One group, and what is said of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Row {
    /// The group.
    #[serde(flatten)]
    pub group: Group,
    /// The entry of the baseline under which it is known; absent for a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<Known>,
    /// The record that stands for it.
    #[serde(skip)]
    pub record: Record,
    /// The full report of that record, where its file is at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
}

impl Triage {
    /// Nothing yet, of a number of files.
    pub fn new(files: usize) -> Triage {
        Triage {
            schema: record::SCHEMA.to_string(),
            files,
            ..Triage::default()
        }
    }

    /// The groups of records, with what a baseline knows of them on a day (`YYYY-MM-DD`). Reports are still missing.
    pub fn of(records: &[Record], baseline: &Baseline, today: &str) -> Triage {
        let mut grouper = Grouper::default();
        records.iter().for_each(|record| grouper.add(record));
        Triage::of_groups(grouper.finish(), baseline, today)
    }

    /// The same of records that are grouped already.
    pub fn of_groups(grouped: Grouped, baseline: &Baseline, today: &str) -> Triage {
        let rows = grouped.members.into_iter().map(|member| Row {
            known: baseline.find(&member.group, today).cloned(),
            record: member.record,
            report: None,
            group: member.group,
        });
        Triage {
            groups: rows.collect(),
            ungrouped: grouped.ungrouped,
            ..Triage::new(grouped.records)
        }
    }

    /// Whether any record could be analysed.
    pub fn any_analysed(&self) -> bool {
        let partial = |record: &Record| matches!(record.status, Status::Ok | Status::Partial);
        !self.groups.is_empty() || self.ungrouped.iter().any(partial)
    }

    /// The groups that no baseline knows.
    pub fn new_groups(&self) -> impl Iterator<Item = &Row> {
        self.groups.iter().filter(|row| row.known.is_none())
    }

    /// Whether a baseline knows one of the groups: without a baseline all are new, and that need not be said of each.
    pub fn any_known(&self) -> bool {
        self.groups.iter().any(|row| row.known.is_some())
    }

    /// For example `12 crashes in 3 groups, 1 new; 2 files could not be analysed`.
    pub fn verdict(&self) -> String {
        let crashes: usize = self.groups.iter().map(|row| row.group.count).sum();
        let mut verdict = format!(
            "{crashes} crash{} in {} group{}",
            if crashes == 1 { "" } else { "es" },
            self.groups.len(),
            if self.groups.len() == 1 { "" } else { "s" },
        );
        let new = self.new_groups().count();
        if new < self.groups.len() {
            verdict.push_str(&format!(", {new} new"));
        }
        if !self.ungrouped.is_empty() {
            verdict.push_str(&format!(
                "; {} of {} files without a crash to group",
                self.ungrouped.len(),
                self.files
            ));
        }
        verdict
    }
}

/// `3 times, 2026-11-20T08:00:01Z to 2026-11-21T09:30:00Z`, without the fractions of seconds that dumps have.
fn seen(group: &Group) -> String {
    let times = match group.count {
        1 => "once".to_string(),
        count => format!("{count} times"),
    };
    let [first, last] =
        [&group.first_seen, &group.last_seen].map(|time| time.as_deref().map(|time| one_line(&seconds(time), 40)));
    match (first, last) {
        (Some(first), Some(last)) if first != last => format!("{times}, {first} to {last}"),
        (Some(first), _) => format!("{times}, {first}"),
        _ => times,
    }
}

/// `2026-11-20T08:00:01Z` of `2026-11-20T08:00:01.234Z`.
fn seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, fraction)) if fraction.ends_with('Z') => format!("{seconds}Z"),
        _ => time.to_string(),
    }
}

/// What the crashes of a group have to do with, as far as that is known: a label and names.
fn facts(group: &Group) -> impl Iterator<Item = (&'static str, &BTreeSet<String>)> {
    [
        ("tests", &group.tests),
        ("Python", &group.pythons),
        ("on", &group.hosts),
        ("in runs", &group.runs),
    ]
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
}

/// At most a few of many: `a, b, c and 12 more`.
fn some<'a>(names: impl ExactSizeIterator<Item = &'a String>, most: usize) -> String {
    let more = names.len().saturating_sub(most);
    let mut text = names.take(most).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
