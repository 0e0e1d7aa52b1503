//! pystack and py-spy on the same cores: every Python frame that they find, coldframe finds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::cell::Inputs;
use super::{Bench, Job};
use crate::tools::find_program;

const SAMPLES: [&str; 8] = [
    "callback",
    "coroutine",
    "extension_callback",
    "generator",
    "import_time",
    "method",
    "null_pointer",
    "thread",
];

/// Function, file and line.
type Place = (String, String, u64);

/// What one tool made of the cores that it was given.
#[derive(Default)]
pub struct Peer {
    pub cores: usize,
    /// Of which it found no Python frame.
    pub without_frames: usize,
    pub frames: usize,
    /// Frames that it finds and coldframe does not, though it says what else is there.
    pub missing: Vec<String>,
    /// How many it finds where coldframe says why it has none.
    pub declined: usize,
}

/// What one tool found in one core.
struct Found {
    tool: &'static str,
    frames: usize,
    missing: Vec<String>,
    declined: usize,
}

/// By tool, for those that are installed.
pub fn compare(bench: &Bench) -> BTreeMap<&'static str, Peer> {
    let tools: Vec<(&'static str, PathBuf)> = ["pystack", "py-spy"]
        .into_iter()
        .filter_map(|name| Some((name, find_program(name)?)))
        .collect();
    let mut peers: BTreeMap<&'static str, Peer> = tools.iter().map(|(name, _)| (*name, Peer::default())).collect();
    if tools.is_empty() {
        return peers;
    }
    let found = bench.each(|sample, _, job| match job {
        Ok(job) if SAMPLES.contains(&&*sample) => look(&job, &tools),
        _ => Vec::new(),
    });
    for found in found.into_iter().flatten() {
        let peer = peers.entry(found.tool).or_default();
        peer.cores += 1;
        peer.without_frames += usize::from(found.frames == 0);
        peer.frames += found.frames;
        peer.missing.extend(found.missing);
        peer.declined += found.declined;
    }
    peers
}

fn look(job: &Job<'_>, tools: &[(&'static str, PathBuf)]) -> Vec<Found> {
    let label = format!("{}-peers", job.label);
    let inputs = Inputs {
        core: true,
        live: false,
    };
    let Ok(outcome) = job.run_for(inputs, &label, &[], &BTreeMap::new()) else {
        return Vec::new();
    };
    let Some(core) = outcome.core else { return Vec::new() };
    let ours = job.analyze(&[&core], &BTreeMap::new()).unwrap_or_default();
    let found = tools.iter().map(|(name, program)| {
        let theirs = match *name {
            "pystack" => pystack(program, &core, &job.python.executable),
            _ => py_spy(program, &core),
        };
        let count = theirs.values().map(Vec::len).sum();
        let mut missing = Vec::new();
        for (tid, frames) in theirs {
            let our_frames = places(&ours, tid);
            let mut rest = our_frames.iter();
            for frame in frames {
                if !rest.any(|our| same(our, &frame)) {
                    missing.push(format!("{}: {name}: thread {tid}: {frame:?}", job.label));
                    rest = our_frames.iter();
                }
            }
        }
        let is_declined = ours["python"].as_array().is_none_or(Vec::is_empty);
        let declined = if is_declined { missing.len() } else { 0 };
        Found {
            tool: name,
            frames: count,
            missing: if is_declined { Vec::new() } else { missing },
            declined,
        }
    });
    let found = found.collect();
    let _ = std::fs::remove_file(&core);
    found
}

/// They name the function or its qualified name, and part of the path.
fn same(our: &Place, their: &Place) -> bool {
    let function = their.0.rsplit('.').next().unwrap_or_default();
    our.0 == function && our.1.ends_with(&their.1) && our.2 == their.2
}

/// The Python frames of one thread of a report, innermost first.
fn places(report: &Value, tid: u64) -> Vec<Place> {
    let threads = report["threads"].as_array().into_iter().flatten();
    let frames = threads
        // py-spy does not know the thread before 3.11.
        .filter(|thread| thread["tid"] == tid || tid == 0)
        .flat_map(|thread| thread["frames"].as_array().into_iter().flatten());
    let text = |frame: &Value, key: &str| frame[key].as_str().unwrap_or_default().to_string();
    frames
        .filter(|frame| frame["kind"] == "python")
        .map(|frame| {
            let line = frame["line"].as_u64().unwrap_or_default();
            (text(frame, "function"), text(frame, "file"), line)
        })
        .collect()
}

fn output(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).into_owned()
}

/// `Traceback for thread TID …:`, then the frames, outermost first: `(Python) File "FILE", line LINE, in FUNCTION`.
fn pystack(program: &Path, core: &Path, executable: &Path) -> BTreeMap<u64, Vec<Place>> {
    let text = output(
        Command::new(program)
            .args(["--no-color", "core"])
            .args([core, executable]),
    );
    let mut threads: BTreeMap<u64, Vec<Place>> = BTreeMap::new();
    let mut tid = 0;
    for line in text.lines() {
        if let Some(rest) = line.trim().strip_prefix("Traceback for thread ") {
            let word = rest.split_whitespace().next().unwrap_or_default();
            tid = word.parse().unwrap_or_default();
        }
        let frame = || {
            let (file, rest) = line.trim().strip_prefix("(Python) File \"")?.split_once("\", line ")?;
            let (line, function) = rest.split_once(", in ")?;
            // Half-built frames of 3.13 and later, which Python itself hides.
            let is_real = !(file == "__init__" && function == "__init__");
            is_real.then(|| Some((function.to_string(), file.to_string(), line.parse().ok()?)))?
        };
        threads.entry(tid).or_default().extend(frame());
    }
    threads.values_mut().for_each(|frames| frames.reverse());
    threads
}

fn py_spy(program: &Path, core: &Path) -> BTreeMap<u64, Vec<Place>> {
    let text = output(
        Command::new(program)
            .args(["dump", "--json", "--full-filenames", "-c"])
            .arg(core),
    );
    let report: Value = serde_json::from_str(&text).unwrap_or_default();
    let mut threads = BTreeMap::new();
    for thread in report.as_array().into_iter().flatten() {
        let frames = thread["frames"].as_array().into_iter().flatten().map(|frame| {
            let text = |key: &str| frame[key].as_str().unwrap_or_default().to_string();
            (
                text("name"),
                text("filename"),
                frame["line"].as_u64().unwrap_or_default(),
            )
        });
        let frames = frames.filter(|(_, file, _)| file != "__init__" && !file.starts_with("<shim"));
        let tid = thread["os_thread_id"].as_u64().unwrap_or_default();
        threads.insert(tid, frames.collect());
    }
    threads
}

#[test]
fn their_frames_are_compared_by_the_end_of_the_path() {
    let ours = ("f".to_string(), "/a/b/c.py".to_string(), 3);
    assert!(same(&ours, &("C.f".to_string(), "b/c.py".to_string(), 3)));
    assert!(!same(&ours, &("f".to_string(), "b/c.py".to_string(), 4)));
    assert!(!same(&ours, &("g".to_string(), "b/c.py".to_string(), 3)));
}
