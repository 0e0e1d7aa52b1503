//! `coldframe run -- CMD...`: runs a command under capture.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use coldframe::capture::channel::Listener;
use coldframe::capture::environment::{
    EXCEPTIONS, Environment, IGNORE, MAX_BYTES, MAX_DUMPS, ONLY, REPORT, choose_dump_folder,
};
use coldframe::capture::exceptions;
use coldframe::capture::install::find_or_install;
use coldframe::capture::leftover::{Leftover, leftovers};
use coldframe::capture::oom::{OomKills, oom_kills};
use coldframe::capture::supervisor::{self, Ending, RunError, Watch};
use coldframe::image::CacheDir;
use coldframe::report::signals::signal_name;
use coldframe::report::text::{self, Form, Style, TextOptions, quoted};
use coldframe::report::{Report, json};
use coldframe::triage::Baseline;
use nix::sys::signal::{SigSet, Signal};

use super::artifacts::{Artifacts, tell_github};
use super::color::Color;
use super::crashes::Crashes;
use super::privacy::PrivacyOptions;
use super::quantity;
use super::repeat::Repeat;
use super::test_log::JunitFile;
use super::triage::read_baseline;
use super::watcher::Watcher;
use super::{chain, say};

/// Run a command and every process it starts under capture
///
/// When one of them crashes, a dump is written, the report is printed, and the crash goes on as it would have: the
/// command's output, exit status and core dumps are its own.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  coldframe run -- python app.py
  coldframe run -o /var/crash -- gunicorn app:app
  coldframe run --report json -- python -m pytest tests
  coldframe run --no-locals -- python handles_secrets.py
  coldframe run --timeout 10m -- pytest
  coldframe run --artifacts crashes --junit junit.xml -- pytest --junitxml junit.xml
  coldframe run --repeat 100 --until-crash --hunt -- python -m pytest tests/test_io.py
  coldframe run --on-signal USR1 -- celery -A app worker

Exit status: that of CMD; death by a signal is passed on (as pid 1: 128 + signal).
124 after --timeout, 127 when CMD is not found, 126 when it cannot be executed, 125 when coldframe itself fails.")]
pub struct Run {
    /// Dump folder [default: COLDFRAME_DIR, ./coldframe-dumps, the temporary folder]
    #[arg(short, long, value_name = "DIR")]
    output_dir: Option<PathBuf>,

    /// What to print when a process crashes; json is one line
    #[arg(long, value_enum, default_value_t = ReportForm::Short, env = REPORT)]
    pub(super) report: ReportForm,

    #[command(flatten)]
    pub(super) privacy: PrivacyOptions,

    /// Past this time (30s, 10m, 1h) dump every Python process of the tree, then end it; the exit status is 124
    #[arg(long, value_name = "DUR", value_parser = quantity::duration)]
    timeout: Option<Duration>,

    /// Dump every Python process of the tree when this signal arrives; the signal then goes on to CMD
    #[arg(long, value_name = "SIG", value_parser = parse_signal)]
    on_signal: Option<Signal>,

    /// Dump Python processes also for exceptions that nobody catches, in any thread; they go on as without it
    #[arg(long)]
    on_exception: bool,

    /// How many dumps the folder keeps; the oldest are removed first
    #[arg(long, value_name = "N", env = MAX_DUMPS, hide_env_values = true)]
    max_dumps: Option<usize>,

    /// How many bytes of dumps the folder keeps (500M, 2G)
    #[arg(long, value_name = "SIZE", env = MAX_BYTES, hide_env_values = true, value_parser = quantity::size)]
    max_bytes: Option<u64>,

    /// Capture programs of this file name alone; python* matches what begins so; may be repeated
    #[arg(long, value_name = "PROGRAM")]
    only: Vec<String>,

    /// Do not capture programs of this file name
    #[arg(long, value_name = "PROGRAM")]
    ignore: Vec<String>,

    /// Run this shell command for each dump, with its path in COLDFRAME_DUMP
    #[arg(long, value_name = "CMD")]
    pub(super) on_dump: Option<OsString>,

    /// Write the short report of the last crash there, at most 4,096 bytes (Kubernetes: /dev/termination-log)
    #[arg(long, value_name = "FILE")]
    pub(super) termination_log: Option<PathBuf>,

    /// Become CMD once everything is set up: no supervisor; a crashing process prints its report itself
    #[arg(long, conflicts_with_all = ["timeout", "on_signal", "on_dump", "termination_log"])]
    exec: bool,

    /// Put what CI systems take below this folder: dumps with their reports, summary.md, report.html, junit.xml,
    /// results.sarif, gl-code-quality.json, crashes.ndjson. Several runs may share it
    #[arg(long, value_name = "DIR", conflicts_with = "exec")]
    artifacts: Option<PathBuf>,

    /// The JUnit XML that the command writes: where a crash keeps it from that, it is written for it
    #[arg(long, value_name = "FILE", conflicts_with = "exec")]
    junit: Option<PathBuf>,

    /// File of signatures that are known: they are warnings in what is written for CI systems
    #[arg(long, value_name = "FILE", conflicts_with = "exec")]
    baseline: Option<PathBuf>,

    #[command(flatten)]
    repeat: Repeat,

    #[command(flatten)]
    pub(super) color: Color,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Form of the report that a crash prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportForm {
    /// Headline, findings, the crashed thread, summary
    Short,
    /// Everything
    Full,
    /// One line of JSON
    Json,
    /// Nothing: the dump alone
    None,
}

impl Run {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        // Times of files are those of the kernel's last tick, up to 10 ms behind.
        let started = SystemTime::now() - Duration::from_secs(1);
        let kills = oom_kills();
        let baseline = self
            .baseline
            .as_deref()
            .map(read_baseline)
            .transpose()?
            .unwrap_or_default();
        let (mut environment, mut listener, folder) = self.prepare();
        let junit = self.junit.as_deref().map(JunitFile::new);
        environment.set.extend(junit.as_ref().and_then(JunitFile::variable));
        if self.exec {
            return Ok(replace_by(&self.command, &environment));
        }
        let address = listener.as_ref().map(Listener::address).unwrap_or_default();
        let earlier = self.artifacts().map(|artifacts| Crashes::after(&artifacts.records()));
        let mut observer = Watcher::new(self, &address, &folder, earlier.unwrap_or_default());
        let watch = Watch {
            timeout: self.timeout,
            on_signal: self.on_signal,
        };
        match self.supervise(&environment, &mut listener, watch, &mut observer) {
            Ok(ending) => {
                let crashes = &observer.crashes;
                // The helper, which has no time for it, may have stored something.
                if let Some(cache) = CacheDir::from_env().filter(|_| !crashes.new_records().is_empty()) {
                    cache.trim();
                }
                observer.finish();
                if self.report != ReportForm::None {
                    leftovers(&folder, &address, started).iter().for_each(tell);
                    tell_ending(ending, self.timeout, kills);
                }
                if let Err(error) = self.tell_ci(&observer.crashes, &baseline, junit, started) {
                    say(chain(&error));
                }
                supervisor::end_as(ending)
            }
            Err(error) => {
                let code = error.exit_code();
                say(chain(&error.into()));
                Ok(ExitCode::from(code))
            }
        }
    }

    pub(super) fn artifacts(&self) -> Option<Artifacts<'_>> {
        self.artifacts.as_deref().map(Artifacts)
    }

    /// Runs the command, as often as was asked for.
    fn supervise(
        &self,
        environment: &Environment,
        listener: &mut Option<Listener>,
        watch: Watch,
        observer: &mut Watcher<'_>,
    ) -> Result<Ending, RunError> {
        let mask = SigSet::thread_get_mask();
        let mut series = self.repeat.series();
        loop {
            let before = observer.crashes.records.len();
            let environment = series.environment(environment);
            let ending = supervisor::run(&self.command, &environment, listener, watch, observer)?;
            let crashes = observer.crashes.records.get(before..).unwrap_or_default();
            if !series.goes_on(ending, crashes, observer.is_interrupted) {
                break;
            }
            // The next run is to find it as the first did.
            if let Ok(mask) = &mask {
                let _ = mask.thread_set_mask();
            }
        }
        if self.repeat.is_used() {
            series.summary().iter().for_each(say);
        }
        Ok(series.ending())
    }

    /// What is left for CI systems to read.
    fn tell_ci(
        &self,
        crashes: &Crashes,
        baseline: &Baseline,
        junit: Option<JunitFile<'_>>,
        started: SystemTime,
    ) -> anyhow::Result<()> {
        let triage = crashes.triage(baseline);
        // Its log is gone with it: the process ends without leaving this scope.
        if let Some(junit) = junit {
            junit.complete(started, crashes.new_records(), &triage)?;
        }
        if let Some(artifacts) = self.artifacts() {
            artifacts.write(crashes, &triage)?;
            if !crashes.new_records().is_empty() {
                let path = artifacts.0.join("report.html");
                say(format_args!("{}; all of it: {}", triage.verdict(), path.display()));
            }
        }
        // Runs that came before have told theirs.
        tell_github(&crashes.triage_of_run(baseline))
    }

    /// The command's environment, the channel for its reports, and the dump folder. Where no handler can be installed the command runs
    /// uncaptured: its work matters more than its possible crash.
    fn prepare(&self) -> (Environment, Option<Listener>, PathBuf) {
        let installed = match find_or_install() {
            Ok(installed) => installed,
            Err(error) => {
                say(format_args!("the command runs without crash capture: {error}"));
                return (Environment::default(), None, PathBuf::new());
            }
        };
        let folder = choose_dump_folder(
            self.output_dir
                .clone()
                .or(self.artifacts().map(|artifacts| artifacts.dumps()))
                .as_deref(),
        );
        for refused in &folder.refused {
            let instead = if folder.writable {
                folder.path.display().to_string()
            } else {
                "nowhere".into()
            };
            say(format_args!(
                "cannot write to {}; dumps go to {instead}",
                refused.display()
            ));
        }
        // Without a socket the helper prints the report itself.
        let listener = if self.exec { None } else { Listener::new().ok() };
        let address = listener.as_ref().map(Listener::address);
        let report = self
            .report
            .to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default();
        let privacy = self.privacy.settled();
        let mut environment = Environment::captured(&installed, &folder.path, address.as_deref(), &report, &privacy);
        let mut set = |name: &str, value: Option<String>| {
            environment.set.extend(value.map(|value| (name.into(), value.into())));
        };
        let list = |names: &[String]| (!names.is_empty()).then(|| names.join(":"));
        set(MAX_DUMPS, self.max_dumps.map(|number| number.to_string()));
        set(MAX_BYTES, self.max_bytes.map(|number| number.to_string()));
        set(ONLY, list(&self.only));
        set(IGNORE, list(&self.ignore));
        if self.on_exception {
            match exceptions::python_path(&installed) {
                Ok(path) => {
                    let both = [(EXCEPTIONS.into(), "1".into()), ("PYTHONPATH".into(), path)];
                    environment.set.extend(both);
                }
                Err(error) => say(format_args!("exceptions leave no dump: {error}")),
            }
        }
        (environment, listener, folder.path)
    }
}

/// Becomes the command.
fn replace_by(command: &[OsString], environment: &Environment) -> ExitCode {
    let program = command.first().cloned().unwrap_or_default();
    let error = Command::new(&program)
        .args(command.iter().skip(1))
        .envs(environment.set.iter().map(|(name, value)| (name, value)))
        .exec();
    say(format_args!("cannot run {}: {error}", program.display()));
    let is_missing = error.kind() == std::io::ErrorKind::NotFound;
    ExitCode::from(if is_missing { 127 } else { 126 })
}

/// Says what nobody else says: that the time was up, or who may have sent a SIGKILL.
fn tell_ending(ending: Ending, timeout: Option<Duration>, before: Option<OomKills>) {
    match ending {
        Ending::TimedOut => say(format_args!(
            "the command was ended after {} s, as --timeout asked",
            timeout.unwrap_or_default().as_secs_f64()
        )),
        Ending::Killed(libc::SIGKILL) => {
            let now = oom_kills();
            let more = match (before, now) {
                (Some(before), Some(now)) => now.count.saturating_sub(before.count),
                _ => 0,
            };
            let place = match now {
                Some(OomKills { of_cgroup: true, .. }) => "its memory cgroup",
                _ => "this machine",
            };
            let cause = match more {
                0 => "somebody sent it; the kernel counts no process that it ended for want of memory".to_string(),
                1 => format!("the kernel ended a process of {place} for want of memory meanwhile"),
                more => format!("the kernel ended {more} processes of {place} for want of memory meanwhile"),
            };
            say(format_args!("the command was killed by SIGKILL: {cause}"));
        }
        Ending::Exited(_) | Ending::Killed(_) => {}
    }
}

fn parse_signal(text: &str) -> Result<Signal, String> {
    let name = text.to_ascii_uppercase();
    let name = if name.starts_with("SIG") {
        name
    } else {
        format!("SIG{name}")
    };
    let number = text.parse().ok().and_then(|number: i32| Signal::try_from(number).ok());
    let signal = number.or_else(|| name.parse().ok());
    match signal {
        Some(Signal::SIGKILL | Signal::SIGSTOP | Signal::SIGCHLD) | None => {
            Err("expected a signal that can be handled, such as USR1".to_string())
        }
        Some(signal) => Ok(signal),
    }
}

/// Says that there is a record in place of a dump, and how to read it.
fn tell(leftover: &Leftover) {
    let request = &leftover.record.request;
    let signal = signal_name(request.signal).map_or_else(|| format!("signal {}", request.signal), str::to_string);
    say(format_args!(
        "{} (process {}) died of {signal} and could not be captured: {}; what is known of it: coldframe analyze {}",
        request.program,
        request.pid,
        leftover.record.reason(),
        quoted(&leftover.path.display().to_string()),
    ));
}

/// A report in the form that was asked for, with a line end; nothing for [`ReportForm::None`].
pub fn render(report: &Report, form: ReportForm, style: Style) -> String {
    let text = |form| {
        text::render(
            report,
            &TextOptions {
                style,
                ..TextOptions::new(form)
            },
        )
    };
    let mut text = match form {
        ReportForm::Short => text(Form::Short),
        ReportForm::Full => text(Form::Full),
        ReportForm::Json => json::line(report).unwrap_or_default(),
        ReportForm::None => return String::new(),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
