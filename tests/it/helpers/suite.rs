//! A part of CPython's own test suite of its gdb helper (Lib/test/test_gdb) with both of ours: the tests that move about
//! in the stack. tests/gdb-suite/suite.py runs all of it, on all builds.

use std::path::PathBuf;
use std::process::Command;

use super::{COMMITTED, lldb};
use crate::golden::repository;
use crate::harness::skip;
use crate::pythons::{Python, pythons};
use crate::tools::find_program;

/// The newest Python that has the suite installed.
fn python() -> Option<Python> {
    let has_suite = |python: &Python| {
        let folder = python.executable.parent()?.parent()?.join("lib");
        let tests = folder.join(format!("python3.{}/test", python.version.minor()));
        (tests.join("test_gdb").is_dir() || tests.join("test_gdb.py").is_file()).then_some(())
    };
    let found = pythons().into_iter().rev().find(|python| has_suite(python).is_some());
    if found.is_none() {
        skip("no Python has Lib/test/test_gdb installed");
    }
    found
}

/// Runs the tests with `only` in their name; their number and how many passed, and all that was said.
fn run(helper: PathBuf, python: &Python, only: &str, arguments: &[&str]) -> (usize, usize, String) {
    let output = Command::new("python3")
        .arg(repository("tests/gdb-suite/suite.py"))
        .args(["--ours", "--only", only])
        .args(arguments)
        .arg(helper)
        .arg(&python.executable)
        .env_remove("DEBUGINFOD_URLS")
        .output()
        .expect("python3");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let row = format!("| {}", python.version);
    let cells: Vec<&str> = text
        .lines()
        .find(|line| line.starts_with(&row))
        .map(|line| line.split('|').map(str::trim).collect())
        .unwrap_or_default();
    let number = |index: usize| cells.get(index).and_then(|cell| cell.parse().ok()).unwrap_or(0);
    (number(2), number(4), text)
}

#[test]
fn passes_with_gdb_without_debug_information() {
    if find_program("gdb").is_none() || find_program("strip").is_none() {
        return skip("gdb and strip, for CPython's suite");
    }
    // Where it may not switch off the randomisation of addresses, as in some containers.
    if !Command::new("setarch")
        .args(["-R", "true"])
        .status()
        .is_ok_and(|status| status.success())
    {
        return skip("setarch -R is not permitted");
    }
    let Some(python) = python() else { return };
    let (tests, passed, text) = run(repository(COMMITTED[0].1), &python, "test_misc", &["--stripped-only"]);
    assert!(tests > 8 && passed == tests, "{text}");
}

#[test]
fn passes_with_lldb() {
    let Some(lldb) = lldb() else {
        return skip("lldb, for CPython's suite");
    };
    let Some(python) = python() else { return };
    let (tests, passed, text) = run(repository(COMMITTED[1].1), &python, "test_misc", &["--lldb", lldb]);
    assert!(tests > 8 && passed == tests, "{text}");
}
