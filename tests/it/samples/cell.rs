//! One sample on one Python: build, run under coldframe, read the dump again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use coldframe::report::{Report, json};
use serde_json::Value;

use super::Job;
use crate::golden::repository;
use crate::harness::{COLDFRAME, bare};
use crate::pythons::Python;

/// The main stack that samples get which need no certain one: the usual 8 MB.
const STACK: &str = "8388608";
/// How long one run may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What a run left.
pub struct Outcome {
    pub status: ExitStatus,
    pub stderr: String,
    /// The lines of stderr that are reports.
    pub reports: Vec<String>,
    pub dumps: Vec<PathBuf>,
}

impl Outcome {
    /// `signal NAME` or `exit CODE`, as headers say it.
    pub fn ending(&self) -> String {
        match (self.status.signal(), self.status.code()) {
            (Some(signal), _) => format!(
                "signal {}",
                nix::sys::signal::Signal::try_from(signal).expect("a signal")
            ),
            (None, code) => format!("exit {}", code.unwrap_or(-1)),
        }
    }

    /// The only report and the only dump.
    pub fn single(&self) -> Result<(Report, Value, &Path), String> {
        match (&self.reports[..], &self.dumps[..]) {
            ([line], [dump]) => {
                let report = json::parse(line).map_err(|error| format!("the report: {error}"))?;
                let value = serde_json::from_str(line).map_err(|error| format!("the report: {error}"))?;
                Ok((report, value, dump))
            }
            (reports, dumps) => Err(format!(
                "{} reports, {} dumps; ended with {}; stderr: {}",
                reports.len(),
                dumps.len(),
                self.ending(),
                self.stderr
            )),
        }
    }
}

/// Builds the native parts of samples for one Python into a folder that goes onto PYTHONPATH.
pub fn build(python: &Python, commands: &BTreeSet<String>, out: &Path) -> Result<(), String> {
    fs::create_dir_all(out).map_err(|error| error.to_string())?;
    let include = Command::new(&python.executable)
        .args(["-c", "import sysconfig; print(sysconfig.get_path('include'))"])
        .output()
        .map_err(|error| error.to_string())?;
    let include = String::from_utf8_lossy(&include.stdout).trim().to_string();
    if !Path::new(&include).join("Python.h").is_file() {
        return Err("no Python.h".to_string());
    }
    for command in commands {
        let words: Vec<String> = command
            .split(' ')
            .map(|word| {
                word.replace("{include}", &include)
                    .replace("{out}", &out.to_string_lossy())
            })
            .collect();
        let built = Command::new(&words[0])
            .args(&words[1..])
            // Debian's headers name one that lies in a folder for the architecture beside their own.
            .env("CPATH", Path::new(&include).join(".."))
            .current_dir(repository("samples"))
            .output()
            .map_err(|error| format!("{}: {error}", words[0]))?;
        if !built.status.success() {
            return Err(format!("{}: {}", words[0], String::from_utf8_lossy(&built.stderr)));
        }
    }
    Ok(())
}

impl Job<'_> {
    /// Runs the sample under coldframe, with these options of Python. `label` names the run's own folder.
    pub fn run(&self, label: &str, options: &[&str], variables: &BTreeMap<&str, String>) -> Result<Outcome, String> {
        let own = self.folder.join(label);
        let dumps = own.join("dumps");
        fs::create_dir_all(&own).map_err(|error| error.to_string())?;
        let stack: u64 = self
            .header
            .get("stack")
            .unwrap_or(STACK)
            .parse()
            .map_err(|_| "stack is no number")?;
        let errors = own.join("stderr");
        let file = fs::File::create(&errors).map_err(|error| error.to_string())?;
        let mut command = bare("sh".as_ref(), self.folder);
        let limits = format!("ulimit -c 0; ulimit -s {}; exec \"$@\"", stack / 1024);
        command
            .args(["-c", &limits, "sh", COLDFRAME, "run", "--report", "json", "-o"])
            .arg(&dumps)
            .arg("--")
            .arg(&self.python.executable)
            .args(options)
            .arg(&self.header.path)
            .env_remove("COLDFRAME_ORACLE")
            .env("PYTHONPATH", self.native)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(variables)
            .current_dir(&own)
            .stdout(Stdio::null())
            .stderr(file);
        let status = finish(&mut command)?;
        let stderr = String::from_utf8_lossy(&fs::read(&errors).map_err(|error| error.to_string())?).into_owned();
        let mut dumps: Vec<PathBuf> = fs::read_dir(&dumps)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        dumps.sort();
        Ok(Outcome {
            status,
            reports: stderr
                .lines()
                .filter(|line| line.contains("coldframe-report/"))
                .map(str::to_string)
                .collect(),
            stderr,
            dumps,
        })
    }
}

fn finish(command: &mut Command) -> Result<ExitStatus, String> {
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("did not end within {TIMEOUT:?}"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
