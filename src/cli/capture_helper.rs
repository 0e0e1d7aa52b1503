//! `coldframe capture-helper`: started by the handler in a process that is dying, never by a person.

use std::io::{IsTerminal, Write};
use std::num::ParseIntError;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use coldframe::capture::{environment, helper};
use coldframe::report::Report;
use coldframe::source::live::{Access, Served};

use super::color::Color;
use super::run::{ReportForm, render};
use super::{chain, say};

/// Capture a process that is dying (started by the handler)
#[derive(Debug, Args)]
pub struct CaptureHelper {
    /// The process
    pid: i32,
    /// The thread that crashed
    tid: i32,
    /// Address of the crash request in the process
    #[arg(value_parser = parse_address)]
    request: u64,
    /// Look at the process through files below /proc alone
    #[arg(long)]
    without_ptrace: bool,
    /// Ask the thread that crashed for the process's memory, over this descriptor
    #[arg(long, value_name = "FD", conflicts_with = "without_ptrace")]
    served: Option<i32>,
    /// The file for the dump of a process that goes on
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn parse_address(text: &str) -> Result<u64, ParseIntError> {
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16)
}

impl CaptureHelper {
    pub(super) fn run(&self) -> ExitCode {
        let access = match self.served {
            Some(socket) => Access::Served(Served::new(socket)),
            None if self.without_ptrace => Access::Files,
            None => Access::Any,
        };
        match helper::capture(
            self.pid,
            self.tid,
            self.request,
            access,
            self.output.clone(),
            &mut print,
        ) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => match error.known_status() {
                Some(status) => ExitCode::from(status as u8),
                None => {
                    say(format_args!("nothing was captured: {}", chain(&error.into())));
                    ExitCode::FAILURE
                }
            },
        }
    }
}

/// To the dying process's own fd 2, where no supervisor can be reached.
fn print(report: &Report) {
    let form = std::env::var(environment::REPORT).ok();
    let form = form
        .and_then(|word| ReportForm::from_str(&word, true).ok())
        .unwrap_or(ReportForm::Short);
    let style = Color::default().style(std::io::stderr().is_terminal());
    let _ = std::io::stderr()
        .lock()
        .write_all(render(report, form, style).as_bytes());
}
