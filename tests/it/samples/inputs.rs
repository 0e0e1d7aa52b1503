//! The same crash from three inputs: the dump, the kernel's core, and the process while it stood at the signal. All
//! must show the same frames and values.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use serde_json::Value;

use super::Job;
use super::cell::Outcome;
use super::check::Problems;
use super::offline::difference;

/// What a core does not have: times, sizes, thread names.
const NOT_IN_CORES: [&str; 3] = ["input", "capture", "notes"];
/// What a process does not have that has not got its signal yet.
const NOT_IN_LIVE: [&str; 7] = ["input", "capture", "notes", "crash", "trigger", "findings", "signature"];

/// Compares with the report at the crash, and removes the core.
pub fn check(job: &Job<'_>, outcome: &Outcome, at_crash: &Value, variables: &Variables, problems: &mut Problems) {
    if let Some(core) = &outcome.core {
        let arguments = [core.as_os_str(), OsStr::new("--source-root"), OsStr::new("/")];
        match job.analyze(&arguments, variables) {
            // The kernel stores a page that cannot be read as zeros.
            Ok(core) if is_at_unreadable_page(at_crash) => {
                compare(
                    "core",
                    &without_native_locals(at_crash),
                    &without_native_locals(&core),
                    &NOT_IN_CORES,
                    problems,
                );
            }
            // Nor does it know what the processor can do.
            Ok(core) if at_crash["crash"]["code"] == "ILL_ILLOPN" => {
                compare(
                    "core",
                    at_crash,
                    &core,
                    &[&NOT_IN_CORES[..], &["findings"]].concat(),
                    problems,
                );
            }
            Ok(core) => compare("core", at_crash, &core, &NOT_IN_CORES, problems),
            Err(problem) => problems.push(format!("core: {problem}")),
        }
        // All of them together would fill a disk.
        let _ = std::fs::remove_file(core);
    }
    if let Some(live) = &outcome.live {
        let crashed = &at_crash["crash"]["tid"];
        let (at_crash, live) = (without_waits(at_crash, crashed), without_waits(live, crashed));
        compare("live", &at_crash, &live, &NOT_IN_LIVE, problems);
    }
}

/// A shrunk file, or a guard in the mapping of a stack (madvise(2), `MADV_GUARD_INSTALL`).
fn is_at_unreadable_page(at_crash: &Value) -> bool {
    let mut findings = at_crash["findings"].as_array().into_iter().flatten();
    at_crash["crash"]["code"] == "BUS_ADRERR" || findings.any(|finding| finding["id"] == "stack-overflow")
}

fn without_native_locals(report: &Value) -> Value {
    let mut report = report.clone();
    for thread in report["threads"].as_array_mut().into_iter().flatten() {
        remove_native_locals(thread);
    }
    report
}

/// Without the native frames inside of the Python code of threads that did not crash: who waits for the GIL wakes up every
/// five milliseconds (Python/ceval_gil.c, `take_gil`), and between the two looks all of them went on.
fn without_waits(report: &Value, crashed: &Value) -> Value {
    let mut report = report.clone();
    let threads = report["threads"].as_array_mut().into_iter().flatten();
    for thread in threads.filter(|thread| thread["tid"] != *crashed) {
        if let Some(frames) = thread["frames"].as_array_mut() {
            let inside = frames.iter().position(|frame| frame["kind"] == "python");
            frames.drain(..inside.unwrap_or_default());
        }
    }
    report
}

fn remove_native_locals(thread: &mut Value) {
    let frames = thread["frames"].as_array_mut().into_iter().flatten();
    for frame in frames.filter(|frame| frame["kind"] == "native") {
        frame.as_object_mut().map(|map| map.remove("locals"));
    }
}

pub type Variables<'a> = BTreeMap<&'a str, String>;

fn compare(what: &str, at_crash: &Value, found: &Value, left_out: &[&str], problems: &mut Problems) {
    let (at_crash, found) = (comparable(at_crash, left_out), comparable(found, left_out));
    if let Some(difference) = difference(&at_crash, &found, "report") {
        problems.push(format!("{what}: {difference}"));
    }
}

fn comparable(report: &Value, left_out: &[&str]) -> Value {
    let mut report = report.clone();
    if let Some(map) = report.as_object_mut() {
        map.retain(|key, _| !left_out.contains(&key.as_str()));
    }
    if let Some(process) = report["process"].as_object_mut() {
        process.retain(|key, _| ["pid", "command", "executable"].contains(&key.as_str()));
    }
    for python in report["python"].as_array_mut().into_iter().flatten() {
        python.as_object_mut().map(|map| map.remove("layout"));
    }
    for thread in report["threads"].as_array_mut().into_iter().flatten() {
        thread.as_object_mut().map(|map| map.remove("name"));
        if left_out.contains(&"crash") {
            thread.as_object_mut().map(|map| {
                map.remove("crashed");
                map.remove("registers")
            });
            // Handlers that got the signal before ours, and raised it again.
            if let Some(frames) = thread["frames"].as_array_mut() {
                frames.retain(|frame| frame["role"] != "signal");
            }
            remove_native_locals(thread);
            // Looked for in the thread that crashed.
            for frame in thread["frames"].as_array_mut().into_iter().flatten() {
                frame.as_object_mut().map(|map| map.remove("instrumented"));
            }
        }
    }
    if let Some(threads) = report["threads"].as_array_mut() {
        threads.sort_by_key(|thread| thread["tid"].as_u64());
    }
    report
}
