//! `coldframe dump PID`: a minidump of a process that goes on.

use std::fs;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use coldframe::capture::annotations::annotated;
use coldframe::capture::environment::choose_dump_folder;
use coldframe::capture::privacy::Privacy;
use coldframe::capture::question;
use coldframe::capture::snapshot::{self, Destination, Occasion};
use coldframe::report::model::Trigger;
use coldframe::report::{Report, packed};
use coldframe::source::LiveProcess;
use coldframe::source::live::AttachError;

use super::color::Color;
use super::output;
use super::privacy::PrivacyOptions;
use super::rendering::{ReportForm, render};
use super::say;

/// How long the threads may take to stop, and how long they are then held at most.
const STOP_TIME: Duration = Duration::from_secs(2);
const HOLD_TIME: Duration = Duration::from_secs(5);

/// Write a dump of a process, which goes on unharmed
///
/// The process is stopped for some milliseconds while its stacks and what hangs on them are read; no signal is sent to
/// it, and nothing is started in it. Prints a short report and the path of the dump.
///
/// Where ptrace is denied (Yama), a process under `coldframe run` or with `coldframe.enable()` is asked for a dump of
/// itself, by its own settings.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  coldframe dump 812
  coldframe dump --pid 812 -o hang.dmp")]
pub struct Dump {
    /// The process
    #[arg(
        value_name = "PID",
        required_unless_present = "pid_option",
        conflicts_with = "pid_option"
    )]
    pid: Option<u32>,

    /// The process
    #[arg(long = "pid", value_name = "PID")]
    pid_option: Option<u32>,

    /// The file [default: one in COLDFRAME_DIR, ./coldframe-dumps or the temporary folder that is named after the process]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// What to print
    #[arg(long, value_enum, default_value_t = ReportForm::Short)]
    report: ReportForm,

    #[command(flatten)]
    privacy: PrivacyOptions,

    #[command(flatten)]
    color: Color,
}

impl Dump {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let pid = self.pid.or(self.pid_option).unwrap_or_default();
        let (report, dump) = self.capture(pid)?;
        let style = self.color.style(std::io::IsTerminal::is_terminal(&std::io::stdout()));
        let text = render(&report, self.report, style);
        if !text.is_empty() {
            output::write(None, &text)?;
        }
        match dump {
            Some(path) => {
                say(format_args!("dump of process {pid}: {}", path.display()));
                Ok(ExitCode::SUCCESS)
            }
            None => {
                let why = report.notes.iter().rev().find(|note| note.area == "capture");
                say(why.map_or("no dump could be written", |note| note.what.as_str()));
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

impl Dump {
    /// From here where that is allowed, else by the handler inside the process, else as far as it goes from here.
    fn capture(&self, pid: u32) -> anyhow::Result<(Report, Option<PathBuf>)> {
        let destination = match &self.output {
            Some(path) => Destination::File(path.clone()),
            None => Destination::Folder(choose_dump_folder(None).path),
        };
        let began = Instant::now();
        match LiveProcess::attach(pid, began + STOP_TIME) {
            Ok(process) if !process.is_denied() => {
                return Ok(take_of(
                    process,
                    began,
                    Trigger::Request,
                    destination,
                    self.privacy.settled(),
                ));
            }
            Err(error) if !matches!(error, AttachError::NotPermitted { .. }) => return Err(error.into()),
            // Let go of: the helper inside stops the threads itself.
            _ => {}
        }
        match self.ask(pid) {
            Ok(answer) => return Ok(answer),
            Err(error) => say(format_args!("the handler inside is not asked: {error:#}")),
        }
        Ok(take(pid, Trigger::Request, destination, self.privacy.settled())?)
    }

    /// The dump that the process makes of itself.
    fn ask(&self, pid: u32) -> anyhow::Result<(Report, Option<PathBuf>)> {
        if self.privacy.asked() != Privacy::default() {
            bail!("the handler in process {pid} would leave out what that process asked for, and no more");
        }
        let answer = question::ask(pid)?;
        let mut report = packed::unpack(&String::from_utf8_lossy(&answer.report))?;
        let dump = answer.dump.map(|path| match path.exists() {
            true => path,
            // Of a container, say.
            false => Path::new(&format!("/proc/{pid}/root")).join(path.strip_prefix("/").unwrap_or(&path)),
        });
        let dump = match (dump, &self.output) {
            (Some(from), Some(to)) => {
                move_file(&from, to, pid).with_context(|| format!("the dump stays in {}", from.display()))?;
                Some(to.clone())
            }
            (dump, _) => dump,
        };
        report.input.path = dump.as_ref().map(|path| path.display().to_string());
        Ok((report, dump))
    }
}

/// Readable by this user alone. The process said where its dump is, and may say anything: only a file of its own user is
/// taken.
fn move_file(from: &Path, to: &Path, pid: u32) -> std::io::Result<()> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mut source = fs::File::options().read(true).custom_flags(flags).open(from)?;
    let found = source.metadata()?;
    if !found.is_file() || found.uid() != fs::metadata(format!("/proc/{pid}"))?.uid() {
        return Err(std::io::Error::other("it is no file of the process's user"));
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut copy = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    std::io::copy(&mut source, &mut copy)?;
    copy.persist(to)?;
    fs::remove_file(from)
}

/// Captures a process that goes on.
pub(super) fn take(
    pid: u32,
    trigger: Trigger,
    destination: Destination,
    privacy: Privacy,
) -> Result<(Report, Option<PathBuf>), AttachError> {
    let began = Instant::now();
    let process = LiveProcess::attach(pid, began + STOP_TIME)?;
    Ok(take_of(process, began, trigger, destination, privacy))
}

/// The same of a process that is stopped since `began`.
fn take_of(
    process: LiveProcess,
    began: Instant,
    trigger: Trigger,
    destination: Destination,
    privacy: Privacy,
) -> (Report, Option<PathBuf>) {
    let process = annotated(process, None);
    let occasion = Occasion {
        trigger,
        destination,
        privacy,
        deadline: Instant::now() + HOLD_TIME,
        began,
    };
    snapshot::take(&process, &occasion)
}
