//! The table of opcodes against the interpreters it was made from, and `analyze --dis` against `dis`.

use std::process::Command;

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
        let folder = Folder::new();
        let (oracle, dumps) = (folder.join("oracle.json"), folder.join("dumps"));
        let ended = bare(COLDFRAME.as_ref(), &folder)
            .args(["run", "--report", "none", "-o"])
            .arg(&dumps)
            .arg("--")
            .arg(&python.executable)
            .arg(repository("tests/it/programs/bytecode.py"))
            .arg(&oracle)
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
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a report");
        let frames = report["threads"][0]["frames"].as_array().expect("frames");
        let work = frames
            .iter()
            .find(|frame| frame["function"] == "work")
            .expect("the frame");
        let text = std::fs::read_to_string(&oracle).expect("what dis said");
        let expected: Vec<(u32, String, serde_json::Value)> = serde_json::from_str(&text).expect("JSON");
        let shown = work["bytecode"].as_array().expect("bytecode");
        assert!(shown.len() >= 10, "{}: {shown:?}", python.version);
        let is_current = |shown: &&serde_json::Value| shown["current"] == true;
        assert_eq!(shown.iter().filter(is_current).count(), 1, "{}", python.version);
        for instruction in shown {
            let known = expected.iter().find(|(offset, ..)| instruction["offset"] == *offset);
            let (_, name, value) = known.unwrap_or_else(|| panic!("{}: {instruction}", python.version));
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
