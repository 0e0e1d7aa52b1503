//! One sample on one Python: build, run under coldframe, read the dump again.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use coldframe::report::{Report, json};
use nix::unistd::Pid;
use serde_json::Value;

use super::{Job, freeze};
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
    /// The kernel's core, where one was asked for.
    pub core: Option<PathBuf>,
    /// What `analyze --pid` said of the process while it stood at the signal, where that was asked for.
    pub live: Option<Value>,
}

/// What is looked at beside the report at the crash and the dump.
#[derive(Clone, Copy, PartialEq)]
pub struct Inputs {
    pub core: bool,
    pub live: bool,
}

impl Inputs {
    pub const NONE: Inputs = Inputs {
        core: false,
        live: false,
    };
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
        self.run_for(Inputs::NONE, label, options, variables)
    }

    /// The same, with a look at the process at its crash, and at the core it leaves.
    pub fn run_for(
        &self,
        inputs: Inputs,
        label: &str,
        options: &[&str],
        variables: &BTreeMap<&str, String>,
    ) -> Result<Outcome, String> {
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
        let limits = format!(
            "ulimit -c {}; ulimit -s {}; {} exec \"$@\"",
            if inputs.core { "unlimited" } else { "0" },
            stack / 1024,
            if inputs.live { "kill -STOP $$;" } else { "" },
        );
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
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let deadline = Instant::now() + TIMEOUT;
        let live = match inputs.live {
            true => match self.look(&child, variables, deadline) {
                Ok(report) => Some(report),
                Err(problem) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!("live: {problem}"));
                }
            },
            false => None,
        };
        let status = finish(&mut child, deadline)?;
        let stderr = String::from_utf8_lossy(&fs::read(&errors).map_err(|error| error.to_string())?).into_owned();
        Ok(Outcome {
            status,
            reports: stderr
                .lines()
                .filter(|line| line.contains("coldframe-report/"))
                .map(str::to_string)
                .collect(),
            stderr,
            dumps: files(&dumps),
            core: files(&own).into_iter().find(|path| is_core(path)),
            live,
        })
    }

    /// Lets the program run up to its crash, and analyses it there.
    fn look(&self, child: &Child, variables: &BTreeMap<&str, String>, deadline: Instant) -> Result<Value, String> {
        let signal = self.header.get("signal").unwrap_or_default();
        let signal = signal.parse().map_err(|_| format!("no such signal: {signal}"))?;
        let frozen = freeze::at_signal(Pid::from_raw(child.id() as i32), signal, deadline)?;
        let report = self.analyze(&["--pid", &frozen.pid.to_string()], variables);
        frozen.release(deadline)?;
        report
    }

    /// `coldframe analyze ARGUMENTS`
    pub fn analyze<A: AsRef<OsStr>>(
        &self,
        arguments: &[A],
        variables: &BTreeMap<&str, String>,
    ) -> Result<Value, String> {
        let mut command = bare(COLDFRAME.as_ref(), self.folder);
        command
            .args(["analyze", "--format", "json"])
            .args(arguments)
            .envs(variables);
        let output = command.output().map_err(|error| error.to_string())?;
        let errors = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() || !errors.is_empty() {
            return Err(format!("analyze: {}; {errors}", output.status));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| format!("analyze: {error}"))
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// `core`, or `core.PID` where the kernel is told so.
fn is_core(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.is_file() && (name == "core" || name.starts_with("core."))
}

fn finish(child: &mut Child, deadline: Instant) -> Result<ExitStatus, String> {
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("did not end within {TIMEOUT:?}"));
        }
        // It may notice late that its command was stopped, and stop too.
        freeze::keep_going(Pid::from_raw(child.id() as i32));
        std::thread::sleep(Duration::from_millis(5));
    }
}
