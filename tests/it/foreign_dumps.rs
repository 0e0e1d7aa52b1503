//! Minidumps of other writers: lldb's and minidump-writer's (which writes as Breakpad does), compared with a look at the
//! live process.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use minidump_writer::minidump_writer::MinidumpWriterConfig;
use serde_json::Value;

use crate::cores::{notes, report};
use crate::harness::{Folder, bare, has, skip};
use crate::pythons::{Python, pythons};
use crate::tools::Running;

const PROGRAM: &str = "
import sys
class Point:
    def __init__(self, x):
        self.x = x
def inner(point, words):
    text = ' '.join(words)
    print('ready', flush=True)
    sys.stdin.read()
def outer():
    inner(Point(3), ['a', 'b'])
outer()
";

/// A process that waits, and its report.
struct Waiting {
    folder: Folder,
    process: Running,
    live: Value,
}

impl Waiting {
    fn new() -> Option<Waiting> {
        let Some(Python { executable, .. }) = pythons().into_iter().rfind(|python| !python.is_foreign()) else {
            skip("no CPython to dump");
            return None;
        };
        let folder = Folder::new();
        let process = Running::python(&executable, PROGRAM);
        process.wait_until_it_reads();
        let live = report(&folder, &["--pid", &process.pid().to_string()]);
        assert!(frames(&live, "python").len() >= 3);
        Some(Waiting { folder, process, live })
    }

    fn of(&self, dump: &Path) -> Value {
        let report = report(
            &self.folder,
            &[dump.as_os_str(), "--source-root".as_ref(), "/".as_ref()],
        );
        assert!(
            notes(&report).contains("not written by coldframe"),
            "{}",
            notes(&report)
        );
        assert!(report["crash"].is_null(), "{}", report["crash"]);
        report
    }
}

/// The frames of the main thread of one kind, without what depends on how they were found.
fn frames(report: &Value, kind: &str) -> Vec<Value> {
    let frames = report["threads"][0]["frames"].as_array().into_iter().flatten();
    let mut list: Vec<Value> = frames.filter(|frame| frame["kind"] == kind).cloned().collect();
    for frame in &mut list {
        frame.as_object_mut().unwrap().remove("trust");
    }
    list
}

/// Every native frame of the live process is there by its name; where Python frames are not, those of the eval loop are
/// shown, too.
fn assert_native(found: &Value, live: &Value, what: &str) {
    let names = |report: &Value| -> Vec<(Value, Value)> {
        let frames = frames(report, "native").into_iter();
        frames
            .map(|frame| (frame["address"].clone(), frame["function"].clone()))
            .collect()
    };
    let found = names(found);
    for frame in names(live) {
        assert!(found.contains(&frame), "{what}: {frame:?} is not in {found:?}");
    }
}

#[test]
fn of_lldb() {
    if !has("lldb-19") {
        return;
    }
    let Some(waiting) = Waiting::new() else { return };
    for style in ["stack", "modified-memory", "full"] {
        let dump = waiting.folder.join(format!("{style}.dmp"));
        let save = format!(
            "process save-core --plugin-name=minidump --style={style} {}",
            dump.display()
        );
        let mut lldb = bare("lldb-19".as_ref(), &waiting.folder);
        lldb.args([
            "-b",
            "-p",
            &waiting.process.pid().to_string(),
            "-o",
            &save,
            "-o",
            "detach",
        ]);
        lldb.stdout(Stdio::null()).stderr(Stdio::null());
        if !lldb.status().unwrap().success() || !dump.is_file() {
            return skip("lldb-19 saves no minidump here");
        }
        let found = waiting.of(&dump);
        assert_native(&found, &waiting.live, style);
        // Objects are on the heap, which a dump of stacks leaves out.
        let python = frames(&found, "python");
        match style {
            "stack" => assert!(python.is_empty(), "{python:?}"),
            _ => assert_eq!(python, frames(&waiting.live, "python"), "{style}"),
        }
    }
}

#[test]
fn of_minidump_writer() {
    let Some(waiting) = Waiting::new() else { return };
    let dump = waiting.folder.join("breakpad.dmp");
    let pid = waiting.process.pid().cast_signed();
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&dump)
        .unwrap();
    MinidumpWriterConfig::new(pid, pid).write(&mut file).unwrap();
    let found = waiting.of(&dump);
    assert_native(&found, &waiting.live, "minidump-writer");
    assert_eq!(frames(&found, "python"), Vec::<Value>::new());
    assert!(found["threads"][0]["name"].is_string());
}
