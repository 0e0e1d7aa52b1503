//! What `coldframe run` does when something happens in its tree: it prints, captures, tells others.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use coldframe::capture::channel::Delivery;
use coldframe::capture::snapshot::Destination;
use coldframe::capture::supervisor::Observer;
use coldframe::capture::variables::REPORT;
use coldframe::capture::{environment, tree};
use coldframe::report::model::Trigger;
use coldframe::report::text::Style;
use coldframe::report::{Report, packed};

use super::artifacts::Artifacts;
use super::color::Color;
use super::crashes::Crashes;
use super::privacy::PrivacyOptions;
use super::rendering::{ReportForm, render};
use super::{chain, dump, say};

/// How long commands of --on-dump may take once the watched command has ended.
const ON_DUMP_TIME: Duration = Duration::from_secs(10);
/// What Kubernetes reads of a termination message.
const TERMINATION_LOG: usize = 4096;

/// What happens with each dump.
#[derive(Debug, Args)]
pub(super) struct Reaction {
    /// What to print when a process crashes; json is one line
    #[arg(long, value_enum, default_value_t = ReportForm::Short, env = REPORT)]
    pub report: ReportForm,

    #[command(flatten)]
    pub privacy: PrivacyOptions,

    /// Run this shell command for each dump, with its path in COLDFRAME_DUMP
    #[arg(long, value_name = "CMD")]
    pub on_dump: Option<OsString>,

    /// Write the short report of the last crash there, at most 4,096 bytes (Kubernetes: /dev/termination-log)
    #[arg(long, value_name = "FILE")]
    pub termination_log: Option<PathBuf>,

    /// Put what CI systems take below this folder: dumps with their reports, summary.md, report.html, junit.xml,
    /// results.sarif, gl-code-quality.json, crashes.ndjson. Several runs may share it
    #[arg(long, value_name = "DIR", conflicts_with = "exec")]
    artifacts: Option<PathBuf>,

    #[command(flatten)]
    pub color: Color,
}

impl Reaction {
    pub fn artifacts(&self) -> Option<Artifacts<'_>> {
        self.artifacts.as_deref().map(Artifacts)
    }
}

/// The supervisor's observer.
pub(super) struct Watcher<'a> {
    options: &'a Reaction,
    address: &'a str,
    folder: &'a Path,
    commands: Vec<Child>,
    /// What was captured, and what was there before.
    pub crashes: Crashes,
    /// A signal came that a person or a service sends to end things.
    pub is_interrupted: bool,
}

impl<'a> Watcher<'a> {
    pub fn new(options: &'a Reaction, address: &'a str, folder: &'a Path, crashes: Crashes) -> Watcher<'a> {
        Watcher {
            options,
            address,
            folder,
            commands: Vec::new(),
            crashes,
            is_interrupted: false,
        }
    }

    /// Prints a report to this process's own stderr, once, and tells who wants to know.
    fn take(&mut self, mut report: Report, mut dump: Option<PathBuf>) {
        if let (Some(artifacts), Some(path)) = (self.options.artifacts(), dump.clone()) {
            match artifacts.add(&mut report, &path) {
                Ok(place) => dump = place,
                Err(error) => say(chain(&error)),
            }
        }
        let (report, dump) = (&report, dump.as_deref());
        self.crashes.add(report, dump);
        let style = self.options.color.style(std::io::stderr().is_terminal());
        print(&render(report, self.options.report, style));
        if let Some(path) = &self.options.termination_log {
            let text = render(report, ReportForm::Short, Style::plain());
            if let Err(error) = std::fs::write(path, beginning(&text, TERMINATION_LOG)) {
                say(format_args!("cannot write {}: {error}", path.display()));
            }
        }
        if let (Some(command), Some(dump)) = (&self.options.on_dump, dump) {
            let started = Command::new("/bin/sh")
                .arg("-c")
                .arg(command)
                .env("COLDFRAME_DUMP", dump)
                .stdin(Stdio::null())
                .spawn();
            match started {
                Ok(child) => self.commands.push(child),
                Err(error) => say(format_args!("cannot run the command of --on-dump: {error}")),
            }
        }
    }

    /// Waits for the commands of --on-dump, and leaves those alone that take too long.
    pub fn finish(&mut self) {
        let end = Instant::now() + ON_DUMP_TIME;
        for child in &mut self.commands {
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

impl Observer for Watcher<'_> {
    fn deliver(&mut self, delivery: &Delivery) {
        let text = std::str::from_utf8(&delivery.report).ok();
        match text.and_then(|text| packed::unpack(text).ok()) {
            Some(report) => self.take(report, delivery.dump.clone()),
            None => print(&format!(
                "coldframe: the report of process {} cannot be read\n",
                delivery.pid
            )),
        }
    }

    fn capture(&mut self, root: i32, trigger: Trigger) {
        let members = tree::members(root, self.address);
        let mut pids: Vec<i32> = members.into_iter().filter(|&pid| tree::runs_python(pid)).collect();
        // No Python at all: its native stacks are better than nothing.
        if pids.is_empty() {
            pids.push(root);
        }
        for pid in pids {
            let destination = if self.folder.as_os_str().is_empty() {
                Destination::Folder(environment::choose_dump_folder(None).path)
            } else {
                Destination::Folder(PathBuf::from(self.folder))
            };
            let privacy = self.options.privacy.settled();
            match dump::take(pid.unsigned_abs(), trigger.clone(), destination, privacy) {
                Ok((report, dump)) => self.take(report, dump),
                Err(error) => say(format_args!("process {pid} could not be captured: {error}")),
            }
        }
    }

    fn forwarded(&mut self, number: i32) {
        self.is_interrupted |= [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT].contains(&number);
    }

    fn members(&mut self, root: i32) -> Vec<i32> {
        tree::members(root, self.address)
    }
}

/// A closed stderr must not end the supervision of the command.
fn print(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// The first bytes of a text, whole characters.
fn beginning(text: &str, size: usize) -> &str {
    let mut end = text.len().min(size);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_stay_whole() {
        assert_eq!(beginning("aüb", 2), "a");
        assert_eq!(beginning("aüb", 3), "aü");
        assert_eq!(beginning("ab", 9), "ab");
    }
}
