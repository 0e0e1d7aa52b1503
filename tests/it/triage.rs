//! `coldframe triage`: real crashes of several causes, grouped.

use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Output};

use crate::harness::{COLDFRAME, Folder, bare, output, skip, stderr};
use crate::pythons::pythons;

/// Two causes, one of them reached from two places.
const PROGRAM: &str = "
import ctypes, os, sys

def read(address):
    ctypes.string_at(address)

def first():
    read(0)

def second():
    ctypes.memset(0, 1, 8)

def give_up():
    os.abort()

{'first': first, 'second': second, 'give_up': give_up}[sys.argv[1]]()
";
const CRASHES: [&str; 3] = ["first", "second", "give_up"];

fn crash(folder: &Folder, python: &OsStr, how: &str) {
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process
        .args(["run", "--report", "none", "-o", "dumps", "--"])
        .arg(python);
    process.arg(folder.join("program.py")).arg(how);
    output(process);
}

fn triage(folder: &Folder, arguments: &[&str]) -> Output {
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process.arg("triage").args(arguments);
    output(process)
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_str(&stdout(output)).unwrap_or_else(|error| panic!("{error}: {}", stderr(output)))
}

/// Dumps of each crash on each Python, and how many Pythons there are.
fn corpus() -> Option<(Folder, usize)> {
    let all = pythons();
    if all.is_empty() {
        skip("no Python");
        return None;
    }
    let folder = Folder::new();
    fs::write(folder.join("program.py"), PROGRAM).expect("the program");
    for python in &all {
        for how in CRASHES {
            crash(&folder, python.executable.as_os_str(), how);
        }
    }
    Some((folder, all.len()))
}

#[test]
fn crashes_are_grouped_by_cause_whatever_the_python() {
    let Some((folder, pythons)) = corpus() else { return };
    let found = json(&triage(&folder, &["dumps", "--format", "json", "--no-reports"]));
    let groups = found["groups"].as_array().expect("groups");
    let titles: Vec<&str> = groups.iter().filter_map(|group| group["title"].as_str()).collect();
    assert_eq!(groups.len(), CRASHES.len(), "{titles:#?}");
    assert!(groups.iter().all(|group| group["count"] == pythons), "{groups:#?}");

    forms(&folder);
    baseline(&folder);
    a_bad_file_is_a_row(&folder, pythons);
}

fn forms(folder: &Folder) {
    let text = stdout(&triage(folder, &["dumps"]));
    assert_eq!(text.matches("SUMMARY: coldframe:").count(), CRASHES.len(), "{text}");
    // Records can be triaged again, without the files.
    let records = stdout(&triage(folder, &["dumps", "--format", "ndjson"]));
    fs::create_dir(folder.join("shard")).expect("a folder");
    fs::write(folder.join("shard/a.ndjson"), &records).expect("the records");
    let again = json(&triage(folder, &["shard", "--format", "json", "--no-reports"]));
    let before = json(&triage(folder, &["dumps", "--format", "json", "--no-reports"]));
    assert_eq!(again["groups"], before["groups"]);

    let markdown = stdout(&triage(folder, &["dumps", "--format", "markdown"]));
    assert_eq!(markdown.matches("<details>").count(), CRASHES.len(), "{markdown}");
    let annotations = stdout(&triage(folder, &["dumps", "--format", "github"]));
    assert_eq!(annotations.matches("::error ").count(), CRASHES.len(), "{annotations}");
    fs::write(
        folder.join("junit.xml"),
        stdout(&triage(folder, &["dumps", "--format", "junit"])),
    )
    .expect("the file");
    let read = "import sys, xml.etree.ElementTree as e; print(len(e.parse(sys.argv[1]).findall('.//testcase/error')))";
    let read = Command::new("python3")
        .args(["-c", read])
        .arg(folder.join("junit.xml"))
        .output();
    let read = read.expect("python3");
    assert_eq!(String::from_utf8_lossy(&read.stdout).trim(), CRASHES.len().to_string());
}

fn baseline(folder: &Folder) {
    let known = ["dumps", "--no-reports", "--baseline", "known.toml"];
    let run = |more: &[&str]| triage(folder, &[&known[..], more].concat());
    let missing = run(&[]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("--update-baseline"), "{}", stderr(&missing));

    assert_eq!(
        triage(folder, &["dumps", "--no-reports", "--fail-on", "new"])
            .status
            .code(),
        Some(3)
    );
    assert_eq!(run(&["--update-baseline"]).status.code(), Some(0));
    assert_eq!(run(&["--fail-on", "new"]).status.code(), Some(0));
    assert_eq!(run(&["--fail-on", "any"]).status.code(), Some(3));
    let text = fs::read_to_string(folder.join("known.toml")).expect("a baseline");
    let expired = text.replace("[[known]]\n", "[[known]]\nexpires = \"2020-01-01\"\n");
    fs::write(folder.join("known.toml"), expired).expect("the baseline");
    assert_eq!(run(&["--fail-on", "new"]).status.code(), Some(3));
}

/// One that is no dump, one that is no file.
fn a_bad_file_is_a_row(folder: &Folder, pythons: usize) {
    fs::write(folder.join("dumps/bad.dmp"), "no dump").expect("the file");
    let pipe = folder.join("pipe.dmp");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let arguments = [
        "dumps",
        "pipe.dmp",
        "--format",
        "json",
        "--no-reports",
        "--timeout",
        "5",
    ];
    let result = triage(folder, &arguments);
    let found = json(&result);
    assert_eq!(result.status.code(), Some(0));
    assert_eq!(found["files"], CRASHES.len() * pythons + 2);
    let rows = found["ungrouped"].as_array().expect("rows");
    let status = |name: &str| {
        let row = rows
            .iter()
            .find(|row| row["path"].as_str().is_some_and(|path| path.ends_with(name)));
        row.map(|row| row["status"].as_str().unwrap_or_default().to_string())
    };
    assert_eq!(status("bad.dmp").as_deref(), Some("error"));
    assert_eq!(status("pipe.dmp").as_deref(), Some("error"));
}

#[test]
fn nothing_to_triage_is_said() {
    let folder = Folder::new();
    fs::create_dir(folder.join("empty")).expect("a folder");
    for (path, part) in [("empty", "no dump, core or record"), ("absent", "absent")] {
        let result = triage(&folder, &[path]);
        assert_eq!(result.status.code(), Some(1));
        assert!(stderr(&result).contains(part), "{}", stderr(&result));
    }
    fs::write(folder.join("empty/a.dmp"), "no dump").expect("the file");
    let result = triage(&folder, &["empty"]);
    assert_eq!(result.status.code(), Some(1));
    assert!(stderr(&result).contains("none of 1"), "{}", stderr(&result));
}
