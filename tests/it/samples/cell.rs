//! One sample on one Python: build, run under coldframe, read the dump again.

use std::collections::BTreeMap;
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

/// Why a sample cannot run.
#[derive(Clone, Debug, PartialEq)]
pub enum Unfit {
    /// Something is not installed.
    Missing(String),
    /// This build of Python cannot have it.
    Impossible(String),
    /// A command failed.
    Failed(String),
}

/// What the commands of headers stand for on one Python.
pub struct Words {
    python: String,
    include: String,
    prefix: String,
    /// What links a program with the shared library, and that library; empty where there is none.
    embed: String,
    libpython: String,
    out: String,
}

const QUERY: &str = "import os, sys, sysconfig
get = sysconfig.get_config_var
folder, name = get('LIBDIR') or '', get('INSTSONAME') or ''
names = [name, 'libpython%s.so.1.0' % get('LDVERSION')]
found = [os.path.join(folder, name) for name in names if '.so' in name and os.path.isfile(os.path.join(folder, name))]
print(sysconfig.get_path('include'))
print(sys.base_prefix)
print('-L%s -lpython%s -Wl,-rpath,%s' % (folder, get('LDVERSION'), folder) if found else '')
print(found[0] if found else '')";

impl Words {
    pub fn of(python: &Python, out: &Path) -> Result<Words, String> {
        let answer = Command::new(&python.executable)
            .args(["-I", "-c", QUERY])
            .output()
            .map_err(|error| error.to_string())?;
        let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
        let mut lines = answer.lines().map(str::to_string);
        let mut line = || lines.next().unwrap_or_default();
        Ok(Words {
            python: python.executable.display().to_string(),
            include: line(),
            prefix: line(),
            embed: line(),
            libpython: line(),
            out: out.display().to_string(),
        })
    }

    /// The words of a command.
    fn expand(&self, command: &str, sample: &Path) -> Result<Vec<String>, Unfit> {
        let embeds = command.contains("{embed}") || command.contains("{libpython}");
        if embeds && self.libpython.is_empty() {
            return Err(Unfit::Impossible("there is no shared libpython to embed".to_string()));
        }
        let mut words = Vec::new();
        for word in command.split(' ') {
            if word == "{embed}" {
                words.extend(self.embed.split(' ').map(str::to_string));
                continue;
            }
            let replacements = [
                ("{python}", &*self.python),
                ("{include}", &self.include),
                ("{prefix}", &self.prefix),
                ("{libpython}", &self.libpython),
                ("{out}", &self.out),
                ("{sample}", &sample.to_string_lossy()),
            ];
            let expand = |word: String, (name, value): &(&str, &str)| word.replace(name, value);
            words.push(replacements.iter().fold(word.to_string(), expand));
        }
        Ok(words)
    }

    /// Runs one of the commands that build the native parts of samples, into a folder that goes onto PYTHONPATH.
    pub fn build(&self, command: &str) -> Result<(), Unfit> {
        if command.contains("{include}") && !Path::new(&self.include).join("Python.h").is_file() {
            return Err(Unfit::Missing("no Python.h".to_string()));
        }
        fs::create_dir_all(&self.out).map_err(|error| Unfit::Failed(error.to_string()))?;
        let words = self.expand(command, Path::new(""))?;
        let built = Command::new(&words[0])
            .args(&words[1..])
            // Debian's headers name one that lies in a folder for the architecture beside their own.
            .env("CPATH", Path::new(&self.include).join(".."))
            .current_dir(repository("samples"))
            .output()
            .map_err(|error| Unfit::Failed(format!("{}: {error}", words[0])))?;
        if !built.status.success() {
            let errors = String::from_utf8_lossy(&built.stderr);
            return Err(Unfit::Failed(format!("{}: {errors}", words[0])));
        }
        Ok(())
    }
}

impl Job<'_> {
    /// Runs the sample under coldframe, with these options of Python. `label` names the run's own folder.
    pub fn run(&self, label: &str, options: &[&str], variables: &BTreeMap<&str, String>) -> Result<Outcome, String> {
        self.run_all(Inputs::NONE, label, options, &[], variables)
    }

    /// The same, with a look at the process at its crash by `analyze --pid PID ARGUMENTS`, and at the core it leaves.
    pub fn run_for(
        &self,
        inputs: Inputs,
        label: &str,
        arguments: &[&str],
        variables: &BTreeMap<&str, String>,
    ) -> Result<Outcome, String> {
        self.run_all(inputs, label, &[], arguments, variables)
    }

    fn run_all(
        &self,
        inputs: Inputs,
        label: &str,
        options: &[&str],
        arguments: &[&str],
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
            .args(self.command(options)?)
            .env_remove("COLDFRAME_ORACLE")
            .env(
                "PYTHONPATH",
                format!("{}:{}", self.words.out, repository("samples").display()),
            )
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(variables)
            .current_dir(&own)
            .stdout(Stdio::null())
            .stderr(file);
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let deadline = Instant::now() + TIMEOUT;
        let live = match inputs.live {
            true => match self.look(&child, arguments, variables, deadline) {
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

    /// What the sample is started by.
    fn command(&self, options: &[&str]) -> Result<Vec<String>, String> {
        if let Some(command) = self.header.get("command") {
            let words = self.words.expand(command, &self.header.path);
            return words.map_err(|unfit| format!("{unfit:?}"));
        }
        let mut words = vec![self.python.executable.display().to_string()];
        words.extend(options.iter().map(ToString::to_string));
        words.push(self.header.path.display().to_string());
        Ok(words)
    }

    /// Lets the program run up to its crash, and analyses it there.
    fn look(
        &self,
        child: &Child,
        arguments: &[&str],
        variables: &BTreeMap<&str, String>,
        deadline: Instant,
    ) -> Result<Value, String> {
        let signal = self.header.get("signal").unwrap_or_default();
        let signal = signal.parse().map_err(|_| format!("no such signal: {signal}"))?;
        let frozen = freeze::at_signal(Pid::from_raw(child.id() as i32), signal, deadline)?;
        let pid = frozen.pid.to_string();
        let report = self.analyze(&[&["--pid", &pid], arguments].concat(), variables);
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
