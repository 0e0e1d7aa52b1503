//! Live processes whose files lie elsewhere than their paths say: in another mount namespace, below another root, removed,
//! replaced. Stack and values are those of the same program in its ordinary place, and no name comes from another file.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::cores::{notes, python_frames, report};
use crate::harness::{Folder, can_unshare, skip};
use crate::pythons::{Python, pythons};
use crate::tools::Running;

const PROGRAM: &str = "\
import sys
def wait(word):
    print(word, flush=True)
    sys.stdin.read()
wait('ready')
";

/// The newest CPython with a shared library and a folder of its own.
fn movable() -> Option<Python> {
    let has_library = |python: &Python| {
        let library = python.library.strip_prefix(prefix(python));
        library.is_ok_and(|library| library.starts_with("lib"))
    };
    let found = pythons().into_iter().rfind(has_library);
    if found.is_none() {
        skip("no CPython with a shared library in a folder of its own");
    }
    found
}

fn prefix(python: &Python) -> &Path {
    python.executable.parent().and_then(Path::parent).unwrap()
}

fn looked_at(folder: &Folder, process: &Running) -> Value {
    process.wait_until_it_reads();
    report(folder, &["--pid".to_string(), process.pid().to_string()])
}

/// The main thread's frames: name, line, and values in Python's.
fn stack(report: &Value) -> Vec<(Value, Value, Vec<Value>)> {
    let values = |frame: &Value| {
        let locals = frame["locals"].as_array().into_iter().flatten();
        locals.map(|variable| variable["value"].clone()).collect()
    };
    let frames = report["threads"][0]["frames"].as_array().unwrap().iter();
    frames
        .map(|frame| (frame["function"].clone(), frame["line"].clone(), values(frame)))
        .collect()
}

fn start(mut process: Command) -> Running {
    process.args(["-I", "-c", PROGRAM]);
    Running::start(process)
}

fn at_home(folder: &Folder, python: &Python) -> Value {
    looked_at(folder, &start(Command::new(&python.executable)))
}

#[test]
fn where_only_the_process_sees_its_files() {
    let Some(python) = movable() else { return };
    if !can_unshare(&["--mount"]) {
        return;
    }
    let folder = Folder::new();
    let expected = at_home(&folder, &python);
    assert!(python_frames(&expected).len() == 2, "{expected}");
    let place = folder.join("elsewhere");
    fs::create_dir(&place).unwrap();
    let (inside, name) = (
        place.to_str().unwrap(),
        python.executable.file_name().unwrap().to_str().unwrap(),
    );
    let mounted = format!("mount --bind '{}' '{inside}'", prefix(&python).display());
    let scripts = [
        ("another mount namespace", format!("{mounted} && exec \"$0\" \"$@\"")),
        (
            "another root",
            format!(
                "mount --rbind / /mnt && {} && exec chroot /mnt \"$0\" \"$@\"",
                mounted.replace(inside, &format!("/mnt{inside}"))
            ),
        ),
    ];
    for (what, script) in scripts {
        let mut process = Command::new("unshare");
        process
            .args(["--mount", "sh", "-c", &script])
            .arg(place.join("bin").join(name));
        let running = start(process);
        let found = looked_at(&folder, &running);
        assert_eq!(
            python_frames(&found),
            python_frames(&expected),
            "{what}: {}",
            notes(&found)
        );
        assert_eq!(stack(&found), stack(&expected), "{what}: {}", notes(&found));
        assert!(
            fs::read_dir(&place).unwrap().next().is_none(),
            "{what}: it is empty for everybody else"
        );
    }
}

#[test]
fn files_that_went_away() {
    let Some(python) = movable() else { return };
    let folder = Folder::new();
    let expected = at_home(&folder, &python);
    let copy = folder.join(python.library.file_name().unwrap());
    let begin = || {
        fs::copy(&python.library, &copy).unwrap();
        let mut process = Command::new(&python.executable);
        process.env("LD_LIBRARY_PATH", folder.path());
        start(process)
    };
    let removed = begin();
    fs::remove_file(&copy).unwrap();
    let found = looked_at(&folder, &removed);
    assert_eq!(stack(&found), stack(&expected), "removed: {}", notes(&found));

    let replaced = begin();
    let other = folder.join("other");
    fs::copy("/bin/sh", &other).unwrap();
    fs::rename(&other, &copy).unwrap();
    let found = looked_at(&folder, &replaced);
    assert_eq!(stack(&found), stack(&expected), "replaced: {}", notes(&found));
}
