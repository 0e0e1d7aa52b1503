//! The table of opcodes against the interpreters it was made from, and `analyze --dis` against `dis`.

use std::process::Command;

use serde_json::Value;

use crate::golden::repository;
use crate::harness::{COLDFRAME, Folder, bare};
use crate::pythons::{Python, pythons};

/// The rows that an interpreter gives.
fn rows(python: &Python) -> String {
    let output = Command::new(&python.executable)
        .arg(repository("tests/it/programs/opcodes.py"))
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_table_is_that_of_the_interpreters() {
    let path = repository("src/layout/opcodes.tsv");
    let table = std::fs::read_to_string(&path).expect("the table");
    let is_updated = std::env::var_os("UPDATE_GOLDENS").is_some();
    let (head, mut lines): (Vec<&str>, Vec<&str>) = table.lines().partition(|line| line.starts_with('#'));
    let all: Vec<(u8, String)> = pythons()
        .iter()
        .map(|python| (python.version.minor(), rows(python)))
        .collect();
    for (minor, found) in &all {
        let prefix = format!("{minor}\t");
        let known: Vec<&str> = lines.iter().copied().filter(|line| line.starts_with(&prefix)).collect();
        if is_updated {
            lines.retain(|line| !line.starts_with(&prefix));
            lines.extend(found.lines());
        } else {
            assert_eq!(known, found.lines().collect::<Vec<_>>(), "3.{minor}");
        }
    }
    if is_updated {
        lines.sort_by_key(|line| {
            let number = |index: usize| line.split('\t').nth(index).and_then(|word| word.parse::<u32>().ok());
            (number(0), number(1))
        });
        std::fs::write(path, [head, lines].concat().join("\n") + "\n").expect("the table is written");
    }
}

#[test]
fn instructions_are_those_that_dis_shows() {
    for python in pythons() {
        let (expected, shown) = instructions(&python, &[]);
        for instruction in &shown {
            let (name, value) = known(&expected, instruction, &python);
            assert_eq!(instruction["opcode"], *name, "{}", python.version);
            let meaning = instruction["meaning"].as_str().unwrap_or_default();
            // Others are shown as values.
            if let (Some(name), false) = (value.as_str(), meaning.is_empty() || meaning.starts_with('\'')) {
                assert_eq!(meaning, name, "{}", python.version);
            }
            if let (Some(target), Some(shown)) = (value.as_u64(), meaning.strip_prefix("to ")) {
                assert_eq!(shown, target.to_string(), "{}", python.version);
            }
        }
    }
}

/// What a tool has put in the place of an instruction is shown with that.
#[test]
fn instructions_that_are_monitored() {
    for python in pythons().iter().filter(|python| python.version.minor() >= 12) {
        for events in [["LINE", "CALL"], ["LINE", "INSTRUCTION"]] {
            let (expected, shown) = instructions(python, &events);
            let mut replaced = 0;
            for instruction in &shown {
                let (original, _) = known(&expected, instruction, python);
                let name = instruction["opcode"].as_str().unwrap_or_default();
                let inner = name.split_once('(').map(|(_, inner)| inner.trim_end_matches(')'));
                let is_monitored = name.starts_with("INSTRUMENTED_");
                let shown = inner.unwrap_or(name).trim_start_matches("INSTRUMENTED_");
                assert!(
                    !is_monitored || shown == original,
                    "{}: {name}, {original}",
                    python.version
                );
                replaced += usize::from(inner.is_some());
            }
            assert!(replaced > 0, "{} {events:?}: {shown:?}", python.version);
        }
    }
}

/// What `dis` made of the function that crashes: offset, name, argument.
type Expected = Vec<(u32, String, Value)>;

fn known<'a>(expected: &'a Expected, instruction: &Value, python: &Python) -> (&'a str, &'a Value) {
    let known = expected.iter().find(|(offset, ..)| instruction["offset"] == *offset);
    let (_, name, value) = known.unwrap_or_else(|| panic!("{}: {instruction}", python.version));
    (name, value)
}

/// What `dis` made of it, and what is shown of it, with these events monitored.
fn instructions(python: &Python, events: &[&str]) -> (Expected, Vec<Value>) {
    let folder = Folder::new();
    let (oracle, dumps) = (folder.join("oracle.json"), folder.join("dumps"));
    let ended = bare(COLDFRAME.as_ref(), &folder)
        .args(["run", "--report", "none", "-o"])
        .arg(&dumps)
        .arg("--")
        .arg(&python.executable)
        .arg(repository("tests/it/programs/bytecode.py"))
        .arg(&oracle)
        .args(events)
        .output()
        .expect("it runs");
    assert!(!ended.status.success());
    let mut files = std::fs::read_dir(&dumps).expect("the folder of the dump");
    let dump = files.next().expect("a dump").expect("its name").path();
    let output = bare(COLDFRAME.as_ref(), &folder)
        .args(["analyze", "--dis", "--format", "json", "--sysroot"])
        .arg(folder.join("empty"))
        .arg(dump)
        .output()
        .expect("it runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let frames = report["threads"][0]["frames"].as_array().expect("frames");
    let work = frames.iter().find(|frame| frame["function"] == "work");
    let shown = work.expect("the frame")["bytecode"]
        .as_array()
        .expect("bytecode")
        .clone();
    assert!(shown.len() >= 10, "{}: {shown:?}", python.version);
    let is_current = |shown: &&Value| shown["current"] == true;
    assert_eq!(shown.iter().filter(is_current).count(), 1, "{}", python.version);
    let text = std::fs::read_to_string(&oracle).expect("what dis said");
    (serde_json::from_str(&text).expect("JSON"), shown)
}
