//! `coldframe run --artifacts DIR`, and what it says to the CI system it runs in.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use coldframe::report::model::Note;
use coldframe::report::text::{self, Form, TextOptions};
use coldframe::report::{Report, json};
use coldframe::triage::render::{self, Triage};

use super::crashes::Crashes;
use super::triage::repository;

/// How many dumps of one signature are kept.
const MOST_OF_A_CAUSE: usize = 10;

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

    /// Puts a dump to those of the same signature, and its report beside it, for people and for programs. Gives its new
    /// path; none where there are enough of them, and it is gone.
    pub(super) fn add(&self, report: &mut Report, dump: &Path) -> anyhow::Result<Option<PathBuf>> {
        let Some(place) = self.sort(report, dump)? else {
            report.input.path = None;
            return Ok(None);
        };
        report.input.path = Some(place.display().to_string());
        let text = text::render(report, &TextOptions::new(Form::Full));
        write(&place.with_extension("txt"), &text)?;
        write(&place.with_extension("json"), &json::pretty(report)?)?;
        Ok(Some(place))
    }

    /// Moves a dump to `dumps/SIGNATURE/`. One that the user wants elsewhere (-o) stays there.
    fn sort(&self, report: &mut Report, dump: &Path) -> anyhow::Result<Option<PathBuf>> {
        let (Some(dumps), Some(name)) = (dump.parent(), dump.file_name()) else {
            return Ok(Some(dump.to_path_buf()));
        };
        let is_ours = matches!((dumps.canonicalize(), self.dumps().canonicalize()), (Ok(a), Ok(b)) if a == b);
        if !is_ours {
            return Ok(Some(dump.to_path_buf()));
        }
        let key = report.signature.as_ref().map(|signature| signature.key.as_str());
        let folder = dumps.join(folder_name(key.unwrap_or_default()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let there = fs::read_dir(&folder).into_iter().flatten().flatten();
        let is_dump = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "dmp");
        if there.filter(is_dump).count() >= MOST_OF_A_CAUSE {
            report.notes.push(Note {
                area: "artifacts".to_string(),
                what: format!(
                    "the dump was not kept: {} has {MOST_OF_A_CAUSE} of this cause",
                    folder.display()
                ),
                effect: "this report is all there is of this crash".to_string(),
                remedy: "-o DIR, a folder that keeps all of them".to_string(),
            });
            fs::remove_file(dump).with_context(|| format!("cannot remove {}", dump.display()))?;
            return Ok(None);
        }
        let mut place = folder.join(name);
        let stem = place.with_extension("");
        for number in 1.. {
            if !place.exists() {
                break;
            }
            place = PathBuf::from(format!("{}-{number}.dmp", stem.display()));
        }
        fs::rename(dump, &place).with_context(|| format!("cannot move {}", dump.display()))?;
        Ok(Some(place))
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

/// The beginning of a signature's key, as the name of a folder.
fn folder_name(key: &str) -> String {
    let name: String = key.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    if name.is_empty() { "other".to_string() } else { name }
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
