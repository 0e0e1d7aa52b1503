//! The crashes of one `coldframe run`, and of earlier ones whose results lie in the same folder.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use coldframe::report::{Report, json};
use coldframe::triage::render::Triage;
use coldframe::triage::{Baseline, Record};
use time::OffsetDateTime;

use super::say;
use super::triage::read_records;

/// Reports that are kept in memory, one of each cause.
const MOST_REPORTS: usize = 200;

/// What tells the runs of a CI system apart: variables of GitHub Actions, GitLab and Jenkins. A runner's name is in it since
/// the jobs of a matrix have the same one.
const RUNS: [&[&str]; 3] = [
    &["GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB", "RUNNER_NAME"],
    &["CI_PIPELINE_ID", "CI_JOB_ID", "CI_JOB_NAME"],
    &["BUILD_TAG"],
];

/// What crashed.
#[derive(Debug, Default)]
pub(super) struct Crashes {
    /// The run of CI; none elsewhere.
    run: Option<String>,
    /// In their order.
    pub(super) records: Vec<Record>,
    /// How many of the records are of earlier runs.
    pub(super) earlier: usize,
    /// A report of each cause, by its key.
    reports: HashMap<String, Report>,
}

impl Crashes {
    /// With those of earlier runs.
    pub(super) fn after(ndjson: &Path) -> Crashes {
        let records = match ndjson.exists() {
            true => read_records(ndjson).unwrap_or_else(|error| {
                say(format_args!("earlier results are left out: {error:#}"));
                Vec::new()
            }),
            false => Vec::new(),
        };
        Crashes {
            run: run(),
            earlier: records.len(),
            records,
            reports: HashMap::new(),
        }
    }

    pub(super) fn add(&mut self, report: &Report, dump: Option<&Path>) {
        let pid = report.process.as_ref().and_then(|process| process.pid);
        let path = match (dump, pid) {
            (Some(dump), _) => dump.display().to_string(),
            (None, Some(pid)) => format!("process {pid}, without a dump"),
            (None, None) => "a process without a dump".to_string(),
        };
        self.records.push(Record {
            run: self.run.clone(),
            ..Record::of(&path, report)
        });
        if let Some(signature) = &report.signature
            && self.reports.len() < MOST_REPORTS
            && !self.reports.contains_key(&signature.key)
        {
            self.reports.insert(signature.key.clone(), report.clone());
        }
    }

    /// The records of this run.
    pub(super) fn new_records(&self) -> &[Record] {
        self.records.get(self.earlier..).unwrap_or_default()
    }

    /// The groups, with a report of each.
    pub(super) fn triage(&self, baseline: &Baseline) -> Triage {
        self.triage_of(&self.records, baseline)
    }

    /// The groups of this run alone.
    pub(super) fn triage_of_run(&self, baseline: &Baseline) -> Triage {
        self.triage_of(self.new_records(), baseline)
    }

    fn triage_of(&self, records: &[Record], baseline: &Baseline) -> Triage {
        let today = OffsetDateTime::now_utc().date().to_string();
        let mut triage = Triage::of(records, baseline, &today);
        for row in &mut triage.groups {
            let earlier = || {
                let path = PathBuf::from(&row.group.example).with_extension("json");
                json::parse(&std::fs::read_to_string(path).ok()?).ok()
            };
            row.report = self.reports.get(&row.group.key).cloned().or_else(earlier);
        }
        triage
    }
}

/// `123.1/test/runner 7`: the run of CI that this is part of.
fn run() -> Option<String> {
    let value = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let names = RUNS.iter().find(|names| names.first().and_then(value).is_some())?;
    Some(names.iter().filter_map(value).collect::<Vec<_>>().join("/"))
}
