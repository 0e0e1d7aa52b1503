//! `coldframe dump PID`: a minidump of a process that goes on.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use coldframe::capture::annotations::annotated;
use coldframe::capture::environment::choose_dump_folder;
use coldframe::capture::privacy::Privacy;
use coldframe::capture::snapshot::{self, Destination, Occasion};
use coldframe::report::Report;
use coldframe::report::model::Trigger;
use coldframe::source::LiveProcess;
use coldframe::source::live::AttachError;

use super::color::Color;
use super::output;
use super::privacy::PrivacyOptions;
use super::run::{ReportForm, render};
use super::say;

/// How long the threads may take to stop, and how long they are then held at most.
const STOP_TIME: Duration = Duration::from_secs(2);
const HOLD_TIME: Duration = Duration::from_secs(5);

/// Write a dump of a process, which goes on unharmed
///
/// The process is stopped for some milliseconds while its stacks and what hangs on them are read; no signal is sent to
/// it, and nothing is started in it. Prints a short report and the path of the dump.
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
        let destination = match &self.output {
            Some(path) => Destination::File(path.clone()),
            None => Destination::Folder(choose_dump_folder(None).path),
        };
        let (report, dump) = take(pid, Trigger::Request, destination, self.privacy.settled())?;
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

/// Captures a process that goes on.
pub(super) fn take(
    pid: u32,
    trigger: Trigger,
    destination: Destination,
    privacy: Privacy,
) -> Result<(Report, Option<PathBuf>), AttachError> {
    let began = Instant::now();
    let process = annotated(LiveProcess::attach(pid, began + STOP_TIME)?, None);
    let occasion = Occasion {
        trigger,
        destination,
        privacy,
        deadline: Instant::now() + HOLD_TIME,
        began,
    };
    Ok(snapshot::take(&process, &occasion))
}
