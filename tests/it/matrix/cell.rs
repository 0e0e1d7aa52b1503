//! One situation, with and without coldframe.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;

use super::setting::Place;
use super::{Left, Program, Row, Status, limit};
use crate::harness::{COLDFRAME, Folder, bare};

/// Longer than anything takes that ends at all.
const HANG: Duration = Duration::from_secs(60);
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/programs");

pub struct Cell<'a> {
    row: &'a Row,
    command: Vec<OsString>,
    folder: Folder,
    place: Place,
}

/// What a run left.
struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
    took: Duration,
}

impl<'a> Cell<'a> {
    pub fn new(row: &'a Row, c: &Path, python: &Path) -> Cell<'a> {
        let command = match row.program {
            Program::C(name) => vec![c.into(), name.into()],
            Program::Python(name) => vec![python.into(), Path::new(PROGRAMS).join("faults.py").into(), name.into()],
        };
        let folder = Folder::new();
        fs::create_dir(folder.join("dumps")).expect("a dump folder");
        // Some rows give up root before they crash.
        fs::set_permissions(folder.join("dumps"), Permissions::from_mode(0o1777)).expect("its mode");
        let place = Place::new(row.setting, folder.path());
        Cell {
            row,
            command,
            folder,
            place,
        }
    }

    /// What this machine lacks for it.
    pub fn missing(&self) -> Option<String> {
        self.place.missing()
    }

    /// Everything that is not as the row says.
    pub fn problems(&self) -> Vec<String> {
        let Ok(plain) = self.run("plain", &self.place.plain(&self.command)) else {
            return vec!["it does not end without coldframe".into()];
        };
        let run = [COLDFRAME, "run", "--report", "json", "-o"]
            .map(OsString::from)
            .to_vec();
        let run = [run, vec![self.folder.join("dumps").into(), "--".into()]].concat();
        let Ok(captured) = self.run("captured", &self.place.captured(&run, &self.command)) else {
            return vec!["it hangs under coldframe".into()];
        };
        let mut problems = self.compare(&plain, &captured);
        problems.extend(self.check_left(&captured));
        if !problems.is_empty() {
            problems.push(format!("standard error: {}", shortened(&captured.stderr)));
        }
        problems
    }

    fn compare(&self, plain: &Ended, captured: &Ended) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |holds: bool, text: String| {
            if !holds {
                problems.push(text);
            }
        };
        let status = |ended: &Ended| match ended.status.signal() {
            Some(signal) => Status::Signal(signal),
            None => Status::Exit(ended.status.code().unwrap_or(-1)),
        };
        check(
            status(plain) == self.row.status,
            format!("without coldframe it ends by {:?}: {}", status(plain), plain.stderr),
        );
        check(
            status(captured) == self.row.status,
            format!("it ends by {:?}", status(captured)),
        );
        check(
            plain.stdout == captured.stdout,
            format!("it prints {:?} instead of {:?}", captured.stdout, plain.stdout),
        );
        let more = captured.took.saturating_sub(plain.took);
        check(more < limit(), format!("it takes {:.1} s more", more.as_secs_f64()));
        problems
    }

    fn check_left(&self, captured: &Ended) -> Vec<String> {
        let reports = reports(&captured.stderr);
        let files = self.files();
        let count = |extension: &str| files.iter().filter(|name| name.ends_with(extension)).count();
        let (dumps, records) = (count(".dmp"), count(".rec"));
        let (wanted_reports, wanted_dumps, wanted_records) = match self.row.left {
            Left::Dump(_) | Left::DumpBut(..) => (1, 1, 0),
            Left::Dumps(number, _) => (number, number, 0),
            Left::ReportOnly(_) => (1, 0, 0),
            Left::Record(_) => (0, 0, 1),
            Left::DumpOrRecord if records == 1 => (0, 0, 1),
            Left::DumpOrRecord => (1, 1, 0),
            Left::Nothing(_) => (0, 0, 0),
        };
        let mut problems = Vec::new();
        if (reports.len(), dumps, records) != (wanted_reports, wanted_dumps, wanted_records) {
            problems.push(format!("{} reports, files {files:?}", reports.len()));
        }
        if files.len() != dumps + records {
            problems.push(format!("something else is left: {files:?}"));
        }
        match self.row.left {
            Left::Dump(function) | Left::Dumps(_, function) | Left::ReportOnly(function) => {
                problems.extend(reports.iter().filter_map(|report| lacks(report, function)));
            }
            Left::DumpBut(function, words) => {
                problems.extend(reports.iter().filter_map(|report| lacks(report, function)));
                if !reports.iter().all(|report| report["notes"].to_string().contains(words)) {
                    problems.push(format!("no note says: {words}"));
                }
            }
            Left::Record(words) if !captured.stderr.contains(words) => {
                problems.push(format!("nothing says: {words}"));
            }
            Left::Record(_) | Left::DumpOrRecord | Left::Nothing(_) => {}
        }
        problems
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join("dumps")).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// Runs a command with its output in files: a process that it leaves behind cannot keep us waiting.
    fn run(&self, name: &str, command: &[OsString]) -> Result<Ended, ()> {
        let path = |stream: &str| -> PathBuf { self.folder.join(format!("{name}.{stream}")) };
        let file = |stream: &str| File::create(path(stream)).expect("an output file");
        let mut process: Command = bare(&command[0], &self.folder);
        process
            .args(&command[1..])
            .envs(self.place.environment())
            .stdin(Stdio::null())
            .stdout(file("out"))
            .stderr(file("err"))
            .process_group(0);
        let started = Instant::now();
        let mut child = process.spawn().expect("it starts");
        let status = loop {
            if let Some(status) = child.try_wait().expect("its status") {
                break status;
            }
            if started.elapsed() > HANG {
                let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
                let _ = child.wait();
                return Err(());
            }
            thread::sleep(Duration::from_millis(3));
        };
        let text = |stream: &str| String::from_utf8_lossy(&fs::read(path(stream)).unwrap_or_default()).into_owned();
        Ok(Ended {
            status,
            took: started.elapsed(),
            stdout: text("out"),
            stderr: text("err"),
        })
    }
}

fn reports(stderr: &str) -> Vec<Value> {
    // A terminal has its control sequences in front.
    let lines = stderr
        .lines()
        .filter_map(|line| Some(&line[line.find("{\"schema\":\"coldframe-report/")?..]));
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// What is wrong where no frame of the crashed thread has that function.
fn lacks(report: &Value, function: &str) -> Option<String> {
    let crashed = &report["crash"]["tid"];
    let threads = report["threads"].as_array()?;
    let thread = threads.iter().find(|thread| thread["tid"] == *crashed)?;
    let frames = thread["frames"].as_array()?;
    let has = frames.iter().any(|frame| frame["function"] == function);
    let names: Vec<_> = frames
        .iter()
        .take(20)
        .map(|frame| frame["function"].to_string())
        .collect();
    (!has).then(|| format!("no {function} among {}", names.join(" ")))
}

fn shortened(text: &str) -> String {
    let lines = text.lines().map(|line| line.chars().take(300).collect::<String>());
    lines.take(10).collect::<Vec<_>>().join("\n  ")
}
