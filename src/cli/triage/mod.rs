//! `coldframe triage PATH...`: crashes grouped by cause.
//!
//! Invariant: no file of a crash is opened in this process; workers do that, and may die of it.

mod files;
mod worker;

use std::collections::HashSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use coldframe::report::json;
use coldframe::report::text::Form;
use coldframe::triage::render::{self, Triage as Found};
use coldframe::triage::{Baseline, Grouper, Record};
use indicatif::{ProgressBar, ProgressStyle};
use time::OffsetDateTime;

use super::output::Output;
pub(super) use files::read_all as read_records;
pub use worker::TriageWorker;

/// Exit code where --fail-on finds something.
const FAILED: u8 = 3;

/// Group dumps and cores by what they died of
///
/// Looks through folders for dumps, cores and records, analyses each in a process of its own, and groups them by
/// signature: the kind of death, the native functions and the Python function nearest to it, without addresses, lines
/// and versions. Results of an earlier triage (.ndjson) are taken as they are.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  coldframe triage coldframe-dumps
  coldframe triage --format ndjson shard-1 > shard-1.ndjson
  coldframe triage shard-*.ndjson --format markdown >> \"$GITHUB_STEP_SUMMARY\"
  coldframe triage coldframe-dumps --format html -o crashes.html
  coldframe triage coldframe-dumps --baseline crashes.toml --fail-on new
  coldframe triage coldframe-dumps --baseline crashes.toml --update-baseline

Exit status: 0, or 3 where --fail-on finds something; 1 when no file could be analysed, 2 on wrong usage.")]
pub struct Triage {
    /// Files, and folders to look for files in
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// Form of the result
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// File of signatures that are known, with links and days of expiry
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,

    /// Add the groups that are not in the baseline to it
    #[arg(long, requires = "baseline")]
    update_baseline: bool,

    /// When to end with exit code 3
    #[arg(long, value_enum, default_value_t = FailOn::Never)]
    fail_on: FailOn,

    /// How long the analysis of one file may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,

    /// How many files are analysed at the same time [default: one per processor]
    #[arg(long, short, value_name = "N")]
    jobs: Option<std::num::NonZeroUsize>,

    /// Leave out the report of each group
    #[arg(long)]
    no_reports: bool,

    #[command(flatten)]
    output: Output,
}

/// Form of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// Groups with the full report of each
    Json,
    /// One line per file, which triage reads again
    Ndjson,
    /// For a job summary or an issue, at most 65,000 characters
    Markdown,
    /// JUnit XML: an error per new group
    Junit,
    /// Annotations of GitHub Actions
    Github,
    /// One page for a browser: the list, and the report of each group
    Html,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// The Code Quality report of GitLab
    Gitlab,
}

/// What is a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Nothing
    Never,
    /// A group that the baseline does not know
    New,
    /// Any group
    Any,
}

impl Triage {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let today = OffsetDateTime::now_utc().date().to_string();
        let mut baseline = self.baseline()?;
        let mut grouper = Grouper::default();
        let mut lines = String::new();
        self.each_record(&mut |record| {
            grouper.add(record);
            if self.format == Format::Ndjson {
                lines.push_str(&json::line_of(record)?);
            }
            Ok(())
        })?;
        let mut found = Found::of_groups(grouper.finish(), &baseline, &today);
        if self.update_baseline {
            let new: Vec<_> = found.new_groups().map(|row| row.group.clone()).collect();
            self.write_baseline(&mut baseline, &new)?;
        }
        if self.shows_reports() {
            self.add_reports(&mut found);
        }
        self.output.write(&self.text(&found, lines)?)?;
        // A job in which nothing crashed has a file without records.
        if found.files > 0 && !found.any_analysed() {
            anyhow::bail!("none of {} files could be analysed", found.files);
        }
        let failed = match self.fail_on {
            FailOn::Never => false,
            FailOn::New => found.new_groups().next().is_some(),
            FailOn::Any => !found.groups.is_empty(),
        };
        Ok(if failed {
            ExitCode::from(FAILED)
        } else {
            ExitCode::SUCCESS
        })
    }

    /// The records of earlier triages, then those of files, in an order that does not change.
    fn each_record(&self, take: &mut dyn FnMut(&Record) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let inputs = files::find(&self.paths)?;
        anyhow::ensure!(
            !inputs.files.is_empty() || !inputs.results.is_empty(),
            "there is no dump, core or record below {}; a file that is named itself is taken whatever its name is",
            self.paths
                .iter()
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
                .join(", ")
        );
        let dumps = files::Dumps::of(&inputs.files);
        let mut recorded = HashSet::new();
        for path in &inputs.results {
            files::read(path, &mut |mut record| {
                if let Some(dump) = dumps.of_record(path, &record) {
                    record.path = dump.display().to_string();
                    recorded.insert(dump.to_path_buf());
                }
                take(&record)
            })?;
        }
        // What `run --artifacts` recorded need not be analysed again.
        let mut files = inputs.files.clone();
        files.retain(|path| !recorded.contains(path));
        let progress = progress(files.len());
        let records = worker::analyze_all(&files, &self.worker_options(), &|| progress.inc(1));
        progress.finish_and_clear();
        records.iter().try_for_each(take)
    }

    fn worker_options(&self) -> worker::Options {
        worker::Options {
            timeout: Duration::from_secs(self.timeout.max(1)),
            jobs: self
                .jobs
                .or_else(|| std::thread::available_parallelism().ok())
                .map_or(1, std::num::NonZeroUsize::get),
        }
    }

    fn shows_reports(&self) -> bool {
        !self.no_reports && !matches!(self.format, Format::Ndjson | Format::Github | Format::Gitlab)
    }

    /// The file of an earlier triage's record may be elsewhere by now: then there is no report.
    fn add_reports(&self, found: &mut Found) {
        let paths: Vec<PathBuf> = found
            .groups
            .iter()
            .map(|row| PathBuf::from(&row.group.example))
            .collect();
        let reports = worker::reports(&paths, &self.worker_options());
        for (row, report) in found.groups.iter_mut().zip(reports) {
            row.report = report;
        }
    }

    fn baseline(&self) -> anyhow::Result<Baseline> {
        match &self.baseline {
            // The first one is made by --update-baseline.
            Some(path) if self.update_baseline && !path.exists() => Ok(Baseline::default()),
            Some(path) => read_baseline(path),
            None => Ok(Baseline::default()),
        }
    }

    fn write_baseline(&self, baseline: &mut Baseline, new: &[coldframe::triage::Group]) -> anyhow::Result<()> {
        let Some(path) = self.baseline.as_ref().filter(|_| baseline.add(new) > 0) else {
            return Ok(());
        };
        std::fs::write(path, baseline.to_text()?).with_context(|| format!("cannot write {}", path.display()))
    }

    fn text(&self, found: &Found, lines: String) -> anyhow::Result<String> {
        Ok(match self.format {
            Format::Text => render::text(found, &self.output.text_options(Form::Full)),
            Format::Json => json::of(found)?,
            Format::Ndjson => lines,
            Format::Markdown => render::markdown(found),
            Format::Junit => render::junit(found),
            Format::Github => render::github(found, &repository()?),
            Format::Html => render::html(found)?,
            Format::Sarif => render::sarif(found, &repository()?)?,
            Format::Gitlab => render::gitlab(found, &repository()?)?,
        })
    }
}

/// The baseline in a file.
pub(super) fn read_baseline(path: &Path) -> anyhow::Result<Baseline> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!(
            "cannot read the baseline {}; triage --update-baseline makes one",
            path.display()
        )
    })?;
    Baseline::parse(&text).with_context(|| format!("cannot use the baseline {}", path.display()))
}

/// The folder that places are relative to: that of the job, else the current one.
pub(super) fn repository() -> anyhow::Result<String> {
    let of_job = ["GITHUB_WORKSPACE", "CI_PROJECT_DIR"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    match of_job.filter(|folder| !folder.is_empty()) {
        Some(folder) => Ok(folder),
        None => Ok(std::env::current_dir()?.display().to_string()),
    }
}

/// On a terminal only, and only where it takes a while.
fn progress(files: usize) -> ProgressBar {
    if files < 2 || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("coldframe: {pos} of {len} files [{bar:30}] {eta} left");
    let bar = ProgressBar::new(files as u64);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
