//! The command line: one file per command, with its options, its help and what it prints.
//!
//! Invariant: nothing here knows an offset, a register or a file format; it asks sessions for reports.

mod analyze;
mod artifacts;
mod capture_helper;
mod color;
mod coredumpctl;
mod crashes;
mod debuginfod;
mod doctor;
mod dump;
mod env;
mod executable;
mod export_core;
mod helpers;
mod install;
mod layout;
mod manual;
mod message;
mod output;
mod privacy;
mod quantity;
mod rendering;
mod repeat;
mod run;
mod test_log;
mod triage;
mod warm;
mod watcher;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use coldframe::capture::variables::{Setter, VARIABLES};
use coldframe::source::mapped::end_where_a_file_is_cut;

/// Crash capture for CPython: one small dump that shows every thread's merged Python and native stack.
#[derive(Debug, Parser)]
#[command(
    name = "coldframe",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_long_help = variables()
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::Run>),
    Dump(dump::Dump),
    Env(env::Env),
    Install(install::Install),
    Warm(warm::Warm),
    Doctor(doctor::Doctor),
    Analyze(analyze::Analyze),
    Triage(triage::Triage),
    #[command(hide = true)]
    TriageWorker(triage::TriageWorker),
    Helpers(helpers::Helpers),
    ExportCore(export_core::ExportCore),
    Layout(layout::Layout),
    Completions(manual::Completions),
    Man(manual::Man),
    #[command(hide = true)]
    CaptureHelper(capture_helper::CaptureHelper),
}

pub use message::{chain, say};

/// What is said where a file loses bytes that are about to be read.
const CUT: &str = "coldframe: a file was cut short while it was read: the input, or an executable, library or debug file \
                   that belongs to it; run the command again when nothing writes to them\n";

/// The environment variables that users set.
fn variables() -> String {
    let of_users = VARIABLES.iter().filter(|variable| variable.setter != Setter::Run);
    of_users.fold("Environment:".into(), |text, variable| {
        format!("{text}\n  {}{}", variable.name, indented(variable.meaning))
    })
}

/// Lines as below an option of the help.
fn indented(text: &str) -> String {
    const INDENT: &str = "\n          ";
    const WIDTH: usize = 80;
    let mut width = WIDTH;
    text.split(' ').fold(String::new(), |lines, word| {
        width += 1 + word.len();
        if width < WIDTH {
            return lines + " " + word;
        }
        width = INDENT.len() - 1 + word.len();
        lines + INDENT + word
    })
}

impl Cli {
    /// Runs the command and gives the exit code.
    ///
    /// # Errors
    /// With a message for the user, when the command could not do its work; the exit code is 1 then.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        // These end as their command did, or tell the handler how they ended.
        if !matches!(self.command, Command::Run(_) | Command::CaptureHelper(_)) {
            end_where_a_file_is_cut(CUT, 1);
        }
        match self.command {
            Command::Run(command) => command.run(),
            Command::Dump(command) => command.run(),
            Command::Env(command) => command.run(),
            Command::Install(command) => command.run(),
            Command::Warm(command) => command.run(),
            Command::Doctor(command) => command.run(),
            Command::Analyze(command) => command.run(),
            Command::Triage(command) => command.run(),
            Command::TriageWorker(command) => command.run(),
            Command::Helpers(command) => command.run(),
            Command::ExportCore(command) => command.run(),
            Command::Layout(command) => command.run(),
            Command::Completions(command) => command.run(),
            Command::Man(command) => command.run(),
            Command::CaptureHelper(command) => Ok(command.run()),
        }
    }
}
