//! `coldframe run --junit FILE`: the test report that the runner did not come to write.

use std::ffi::OsString;
use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;
use coldframe::triage::render::Triage;
use coldframe::triage::{Record, test_run};

/// Names the file in which a test runner notes what it does, one JSON object per line (docs/ci.md).
const TEST_LOG: &str = "COLDFRAME_TEST_LOG";

/// The report to complete, and the log to do it from.
pub(super) struct JunitFile<'a> {
    path: &'a Path,
    /// Gone with this; none where no file can be made, and then only crashes are known.
    log: Option<tempfile::NamedTempFile>,
}

impl JunitFile<'_> {
    pub(super) fn new(path: &Path) -> JunitFile<'_> {
        JunitFile {
            path,
            log: tempfile::Builder::new().prefix("coldframe-tests-").tempfile().ok(),
        }
    }

    /// The variable for the command.
    pub(super) fn variable(&self) -> Option<(OsString, OsString)> {
        let log = self.log.as_ref()?;
        Some((TEST_LOG.into(), log.path().as_os_str().to_owned()))
    }

    /// Writes the report where something crashed and the runner left none that is whole since the start of the run. Where it
    /// did, a crash of the runner itself came after, and is added.
    pub(super) fn complete(&self, started: SystemTime, crashes: &[Record], triage: &Triage) -> anyhow::Result<()> {
        if crashes.is_empty() {
            return Ok(());
        }
        let log = self
            .log
            .as_ref()
            .map(|log| std::fs::read(log.path()).unwrap_or_default());
        let log = test_run::TestLog::parse(&String::from_utf8_lossy(&log.unwrap_or_default()));
        let mut crashes: Vec<test_run::Crash<'_>> = crashes
            .iter()
            .map(|record| {
                let key = record.signature.as_ref().map(|signature| &signature.key);
                let row = triage.groups.iter().find(|row| Some(&row.group.key) == key);
                (record, row.and_then(|row| row.report.as_ref()))
            })
            .collect();
        let text = match self.written_since(started) {
            None => Some(test_run::junit(&log, &crashes)),
            Some(written) => {
                crashes.retain(|(record, _)| log.is_of_writer(record));
                let is_at_exit = !crashes.is_empty();
                is_at_exit
                    .then(|| test_run::with_crashes_at_exit(&written, &crashes))
                    .flatten()
            }
        };
        let Some(text) = text else { return Ok(()) };
        std::fs::write(self.path, text).with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// What the runner wrote, if it is whole.
    fn written_since(&self, started: SystemTime) -> Option<String> {
        let is_new = std::fs::metadata(self.path)
            .and_then(|data| data.modified())
            .is_ok_and(|time| time >= started);
        let text = std::fs::read_to_string(self.path).ok().filter(|_| is_new)?;
        test_run::is_whole(&text).then_some(text)
    }
}
