//! `coldframe run --artifacts DIR`, and what it says to the CI system it runs in.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use coldframe::report::text::{self, Form, TextOptions};
use coldframe::report::{Report, json};
use coldframe::triage::render::{self, Triage};

use super::crashes::Crashes;
use super::triage::repository;

/// The folder.
#[derive(Debug)]
pub(super) struct Artifacts<'a>(pub(super) &'a Path);

impl Artifacts<'_> {
    /// Where dumps go.
    pub(super) fn dumps(&self) -> PathBuf {
        self.0.join("dumps")
    }

    /// The records of all runs that had this folder.
    pub(super) fn records(&self) -> PathBuf {
        self.0.join("crashes.ndjson")
    }

    /// Puts a report beside its dump, for people and for programs.
    pub(super) fn add(&self, report: &Report, dump: &Path) -> anyhow::Result<()> {
        let text = text::render(report, &TextOptions::new(Form::Full));
        write(&dump.with_extension("txt"), &text)?;
        write(&dump.with_extension("json"), &json::pretty(report)?)
    }

    /// Writes the results. They are there when nothing crashed, too: a step of a workflow that uploads them finds them.
    pub(super) fn write(&self, crashes: &Crashes, triage: &Triage) -> anyhow::Result<()> {
        let root = repository()?;
        fs::create_dir_all(self.0).with_context(|| format!("cannot make {}", self.0.display()))?;
        let records = crashes.records.iter().map(json::line_of);
        for (name, text) in [
            ("crashes.ndjson", records.collect::<Result<String, _>>()?),
            ("summary.md", render::markdown(triage)),
            ("report.html", render::html(triage)?),
            ("junit.xml", render::junit(triage)),
            ("results.sarif", render::sarif(triage, &root)?),
            ("gl-code-quality.json", render::gitlab(triage, &root)?),
        ] {
            write(&self.0.join(name), &text)?;
        }
        Ok(())
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// In a job of GitHub Actions: annotations, which it takes from standard error as well, and the job's summary.
pub(super) fn tell_github(triage: &Triage) -> anyhow::Result<()> {
    let is_job = std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true");
    if !is_job || triage.groups.is_empty() {
        return Ok(());
    }
    let annotations = render::github(triage, &repository()?);
    let _ = std::io::stderr().lock().write_all(annotations.as_bytes());
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let path = Path::new(&path);
    let file = fs::OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(render::markdown(triage).as_bytes()))
        .with_context(|| format!("cannot write the job's summary {}", path.display()))
}
