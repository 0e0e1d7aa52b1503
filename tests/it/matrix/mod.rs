//! The fault matrix: each situation in which a process may die, really brought about, with and without coldframe.
//!
//! For each row: the process ends as it does without coldframe, prints the same, within the time; and what is left
//! behind is what the row says. `tests/fault-matrix` prints it as a table.

mod cell;
mod setting;
mod table;

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Folder, python, skip};
use cell::Cell;

/// One situation.
pub struct Row {
    pub situation: &'static str,
    pub program: Program,
    pub setting: Setting,
    /// How it ends, without coldframe and with.
    pub status: Status,
    pub left: Left,
}

/// What dies: the function of that name in tests/it/programs/faults.c or faults.py.
#[derive(Clone, Copy)]
pub enum Program {
    C(&'static str),
    Python(&'static str),
}

/// Where it dies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    Here,
    /// With one more variable.
    Environment(&'static str, &'static str),
    /// The program makes namespaces of its own.
    WithNamespaces,
    InteractiveShell,
    /// `coldframe run` is started by uid 65534, without HOME.
    AsNobody,
    /// The dump folder is a small file system that is full.
    FullDisk,
    /// The dump folder becomes read-only after `coldframe run` has started.
    ReadOnlyFolder,
    /// So many megabytes are left in the program's memory cgroup.
    LittleMemory(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Exit(i32),
    Signal(i32),
}

/// What is there afterwards. The first word is a function that the report names on the crashed thread's stack.
#[derive(Clone, Copy)]
pub enum Left {
    Dump(&'static str),
    /// A dump whose report has a note with these words.
    DumpBut(&'static str, &'static str),
    /// So many, of as many processes.
    Dumps(usize, &'static str),
    /// The report reaches the supervisor, though no file can be written; nothing is left half-written.
    ReportOnly(&'static str),
    /// The handler's own record; `run` says why, in these words.
    Record(&'static str),
    /// Where the kernel decides.
    DumpOrRecord,
    Nothing(&'static str),
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::C(name) | Self::Python(name) => name,
        }
    }
}

/// How long a crash may take more than without coldframe. The promise is 10 s, which `tests/fault-matrix` asks for; a
/// machine under heavy load gets more.
fn limit() -> Duration {
    let seconds = env::var("COLDFRAME_MATRIX_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(30))
}

enum Verdict {
    Ok,
    Failed(Vec<String>),
    Skipped(String),
}

#[test]
fn matrix() {
    let tools = Folder::new();
    let source = include_str!("../programs/faults.c");
    let (Some(c), Some(python)) = (
        tools.compile("gcc", "faults", source, &["-O0", "-g", "-w", "-pthread"]),
        python(),
    ) else {
        return;
    };
    // COLDFRAME_MATRIX=a,b runs the rows of these programs alone.
    let only = env::var("COLDFRAME_MATRIX").ok();
    let is_wanted = |row: &&Row| {
        let mut names = only.iter().flat_map(|only| only.split(','));
        only.is_none() || names.any(|name| name == row.program.name())
    };
    let rows: Vec<&Row> = table::ROWS.iter().filter(is_wanted).collect();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(&row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let cell = Cell::new(row, &c, &python);
                    let begun = Instant::now();
                    let verdict = match cell.missing() {
                        Some(what) => Verdict::Skipped(what),
                        None => match cell.problems() {
                            problems if problems.is_empty() => Verdict::Ok,
                            problems => Verdict::Failed(problems),
                        },
                    };
                    let result = (row.situation, (row, verdict, begun.elapsed()));
                    done.lock().expect("no panic elsewhere").insert(result.0, result.1);
                }
            });
        }
    });
    let done = done.into_inner().expect("no panic elsewhere");
    print(&rows, &done, started.elapsed());
    let mut failures = Vec::new();
    for (situation, (_, verdict, _)) in &done {
        match verdict {
            Verdict::Ok => {}
            Verdict::Failed(problems) => failures.extend(problems.iter().map(|p| format!("{situation}: {p}"))),
            Verdict::Skipped(what) => skip(&format!("fault matrix, {situation}: {what}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(done.len(), rows.len(), "two rows have one name");
}

/// The table, past the capture of the test harness.
fn print(rows: &[&Row], done: &BTreeMap<&str, (&Row, Verdict, Duration)>, took: Duration) {
    let mut text = format!(
        "\n{:52} {:10} {:62} {:7}  s\n",
        "situation", "ends by", "left behind", ""
    );
    for row in rows {
        let Some((_, verdict, took)) = done.get(row.situation) else {
            continue;
        };
        let ending = match row.status {
            Status::Exit(code) => format!("exit {code}"),
            Status::Signal(number) => coldframe::report::signals::signal_name(number)
                .unwrap_or("?")
                .to_string(),
        };
        let left = match row.left {
            Left::Dump(_) => "dump".into(),
            Left::DumpBut(_, what) => format!("dump; {what}"),
            Left::Dumps(count, _) => format!("{count} dumps"),
            Left::ReportOnly(_) => "report alone".into(),
            Left::Record(why) => format!("record; {why}"),
            Left::DumpOrRecord => "dump or record".into(),
            Left::Nothing(why) => format!("nothing: {why}"),
        };
        let word = match verdict {
            Verdict::Ok => "ok",
            Verdict::Failed(_) => "FAILED",
            Verdict::Skipped(_) => "skipped",
        };
        let seconds = took.as_secs_f64();
        let _ = writeln!(
            text,
            "{:52} {ending:10} {left:62} {word:7} {seconds:4.1}",
            row.situation
        );
    }
    let ok = done
        .values()
        .filter(|(_, verdict, _)| matches!(verdict, Verdict::Ok))
        .count();
    let _ = writeln!(
        text,
        "{ok} of {} situations end as they do without coldframe and leave what they should; {:.0} s",
        rows.len(),
        took.as_secs_f64()
    );
    let _ = std::io::stderr().write_all(text.as_bytes());
}
