//! `analyze --coredumpctl`, with a program of that name that behaves as coredumpctl does.
//!
//! Checked against its manual page and the program of systemd 252: `dump` writes the newest matching core to standard
//! output and its description to standard error; without a match it says "No match found." there and exits with 1;
//! `--` ends the options.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::cores::{DEFAULT_FILTER, comparable, crash, kernel_writes_cores, notes, report};
use crate::harness::{COLDFRAME, Folder, bare, output, stderr, write_program};
use crate::pythons::pythons;
use crate::tools::skip;

/// Knows one core, of the process 4711.
const PROGRAM: &str = r#"#!/bin/sh
echo "$@" >> "$CALLS"
[ "$1" = --quiet ] && [ "$2" = dump ] && [ "$3" = -- ] || { echo "Unknown command verb $1." >&2; exit 1; }
case $4 in
    ""|4711|python3|COREDUMP_UID=0) ;;
    broken) head -c 200000 "$CORE"; echo "Failed to send data: Input/output error" >&2; exit 1 ;;
    noisy) head -c 5000000 /dev/zero | tr '\0' x >&2; echo >&2; echo "No match found." >&2; exit 1 ;;
    *) echo "No match found." >&2; exit 1 ;;
esac
echo "           PID: 4711 (python3)" >&2
cat "$CORE"
"#;

#[test]
fn cores_of_systemd() {
    if !kernel_writes_cores() {
        return;
    }
    let Some(python) = pythons().pop() else {
        return skip("no CPython to leave a core");
    };
    let crash = crash(&python.executable, "null_pointer.py", DEFAULT_FILTER);
    let whole = comparable(report(&crash.folder, &[&crash.core]));
    let program = Folder::new();
    write_program(&program.join("coredumpctl"), PROGRAM);
    let path = format!("{}:/usr/bin:/bin", program.path().display());
    let analyze = |path: &str, arguments: &[&str]| -> (Output, Value) {
        let mut process = bare(COLDFRAME.as_ref(), &crash.folder);
        process.args(["analyze", "--format", "json"]).args(arguments);
        process
            .env("PATH", path)
            .env("CORE", &crash.core)
            .env("CALLS", program.join("calls"));
        let output = output(process);
        let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output, report)
    };
    for matching in [
        &["--coredumpctl"][..],
        &["--coredumpctl", "4711"],
        &["--coredumpctl=COREDUMP_UID=0"],
    ] {
        let (output, report) = analyze(&path, matching);
        assert!(output.status.success(), "{matching:?}: {}", stderr(&output));
        assert_eq!(report["input"]["kind"], "core");
        assert!(report["input"]["path"].is_null());
        assert!(comparable(report) == whole, "{matching:?}");
    }
    let fails = |path: &str, matching: &str| {
        let (output, _) = analyze(path, &[&format!("--coredumpctl={matching}")]);
        assert_eq!(output.status.code(), Some(1), "{matching}: {}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
        stderr(&output)
    };
    // A match that looks like an option is none.
    for matching in ["12", "--output=core", "noisy"] {
        let said = fails(&path, matching);
        assert!(said.contains("No match found.") || matching == "noisy", "{said}");
        assert!(said.contains("coredumpctl list"), "{said}");
    }
    let calls = fs::read_to_string(program.join("calls")).unwrap();
    assert!(calls.contains("--quiet dump -- --output=core\n"), "{calls}");
    // What is there is used.
    let (broken, report) = analyze(&path, &["--coredumpctl", "broken"]);
    assert!(broken.status.success(), "{}", stderr(&broken));
    assert!(notes(&report).contains("cut short"), "{}", notes(&report));
    let (large, report) = analyze(&path, &["--coredumpctl", "4711", "--max-core-size", "1000000"]);
    assert!(large.status.success(), "{}", stderr(&large));
    assert!(notes(&report).contains("--max-core-size"), "{}", notes(&report));
    let empty = Folder::new();
    let missing = fails(&empty.path().display().to_string(), "");
    assert!(
        missing.contains("not installed") && missing.contains("INPUT"),
        "{missing}"
    );
    let (both, _) = analyze(&path, &["core", "--coredumpctl", "4711"]);
    assert_eq!(both.status.code(), Some(2));
}
