//! `coldframe run -- CMD...`: runs a command under capture.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use coldframe::capture::channel::{Delivery, Listener};
use coldframe::capture::environment::{Environment, REPORT, choose_dump_folder};
use coldframe::capture::install::find_or_install;
use coldframe::capture::leftover::{Leftover, leftovers};
use coldframe::capture::supervisor;
use coldframe::image::CacheDir;
use coldframe::report::signals::signal_name;
use coldframe::report::text::{self, Form, Style, TextOptions, quoted};
use coldframe::report::{Report, json, packed};

use super::color::Color;
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

Exit status: that of CMD; death by a signal is passed on (as pid 1: 128 + signal).
127 when CMD is not found, 126 when it cannot be executed, 125 when coldframe itself fails.")]
pub struct Run {
    /// Dump folder [default: COLDFRAME_DIR, ./coldframe-dumps, the temporary folder]
    #[arg(short, long, value_name = "DIR")]
    output_dir: Option<PathBuf>,

    /// What to print when a process crashes; json is one line
    #[arg(long, value_enum, default_value_t = ReportForm::Short, env = REPORT)]
    report: ReportForm,

    /// Leave the values of local variables out of dumps and reports
    #[arg(long)]
    no_locals: bool,

    #[command(flatten)]
    color: Color,

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
        let (environment, mut listener, folder) = self.prepare();
        let address = listener.as_ref().map(Listener::address).unwrap_or_default();
        let mut is_captured = false;
        match supervisor::run(&self.command, &environment, &mut listener, &mut |delivery| {
            is_captured = true;
            self.print(delivery);
        }) {
            Ok(ending) => {
                // The helper, which has no time for it, may have stored something.
                if let Some(cache) = CacheDir::from_env().filter(|_| is_captured) {
                    cache.trim();
                }
                if self.report != ReportForm::None {
                    leftovers(&folder, &address, started).iter().for_each(tell);
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
        let folder = choose_dump_folder(self.output_dir.as_deref());
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
        let listener = Listener::new().ok();
        let address = listener.as_ref().map(Listener::address);
        let report = self
            .report
            .to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default();
        (
            Environment::captured(&installed, &folder.path, address.as_deref(), &report, self.no_locals),
            listener,
            folder.path,
        )
    }

    /// Prints a delivery to this process's own stderr, once.
    fn print(&self, delivery: &Delivery) {
        let report = std::str::from_utf8(&delivery.report)
            .ok()
            .and_then(|text| packed::unpack(text).ok());
        let style = self.color.style(std::io::stderr().is_terminal());
        let text = match report {
            Some(report) => render(&report, self.report, style),
            None => format!("coldframe: the report of process {} cannot be read\n", delivery.pid),
        };
        // A closed stderr must not end the supervision of the command.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
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
