//! Variables of native frames beside those that gdb shows of the same core.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::golden::repository;
use crate::harness::{COLDFRAME, Folder, bare, output, skip, stderr};
use crate::support::compile;
use crate::tools::find_program;

/// The frames of the program at its crash, by gdb, which leaves a core; `None` without gdb.
fn by_gdb(program: &std::path::Path, folder: &Folder, core: &std::path::Path) -> Option<Vec<Value>> {
    let Some(gdb) = find_program("gdb") else {
        skip("gdb");
        return None;
    };
    let answers = folder.join("gdb.json");
    let run = Command::new(gdb)
        .args(["-nx", "-batch", "-ex", "run", "-ex"])
        .arg(format!("generate-core-file {}", core.display()))
        .arg("-x")
        .arg(repository("tests/it/programs/variables.py"))
        .arg(program)
        .env("COLDFRAME_TEST_OUTPUT", &answers)
        .env_remove("DEBUGINFOD_URLS")
        .output()
        .expect("gdb runs");
    let answers = fs::read_to_string(&answers).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&run.stderr)));
    Some(serde_json::from_str(&answers).expect("JSON"))
}

/// In the form of gdb's answers: characters are numbers, text is left out.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\'']) {
        let quote = rest[at..].chars().next().unwrap_or_default();
        let end = rest[at + 1..].find(quote).map_or(rest.len(), |end| at + end + 2);
        plain.push_str(rest[..at].trim_end_matches(|c| quote == '\'' && c == ' '));
        plain.push_str(if quote == '"' { "text" } else { "" });
        rest = &rest[end..];
    }
    plain + rest
}

fn compare(flags: &[&str]) {
    let folder = Folder::new();
    let program = compile("variables.c", folder.path(), flags);
    let core = folder.join("core.gdb");
    let Some(expected) = by_gdb(&program, &folder, &core) else {
        return;
    };
    let mut analyze = bare(COLDFRAME.as_ref(), &folder);
    analyze.args(["analyze", "--format", "json"]).arg(&core);
    let result = output(analyze);
    let report: Value = serde_json::from_slice(&result.stdout).unwrap_or_else(|_| panic!("{}", stderr(&result)));
    let frames = report["threads"][0]["frames"].as_array().expect("frames");
    let is_optimized = !flags.contains(&"-O0");
    let mut compared = 0;
    let mut problems = Vec::new();
    for (expected, found) in expected.iter().zip(frames) {
        assert_eq!(found["function"], expected["function"]);
        let none = Vec::new();
        let locals = found["locals"].as_array().unwrap_or(&none);
        for (name, value) in expected["variables"].as_object().expect("variables") {
            let what = format!("{flags:?} {} {name}", found["function"]);
            let Some(variable) = locals.iter().find(|variable| variable["name"] == **name) else {
                problems.push(format!("{what}: missing, {value}"));
                continue;
            };
            let text = match variable["state"].as_str() {
                Some("optimized-out") => "(optimized out)".to_string(),
                _ => plain(variable["value"].as_str().unwrap_or_default()),
            };
            // gdb takes registers of callers for unchanged that a call need not keep.
            let is_in_vector = ["rate", "share"].contains(&name.as_str());
            if text == "(optimized out)" && is_optimized && !is_in_vector {
                continue;
            }
            if let Some(string) = value["string"].as_str() {
                let shown = variable["value"].as_str().unwrap_or_default();
                assert_eq!(shown, format!("\"{string}\""), "{what}");
                compared += 1;
                continue;
            }
            if text != value["text"].as_str().unwrap_or_default() {
                problems.push(format!("{what}: {variable}, gdb has {value}"));
            }
            let scope = if value["argument"] == true { "argument" } else { "local" };
            assert_eq!(variable["scope"], scope, "{what}");
            compared += 1;
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let least = if is_optimized { 8 } else { 25 };
    assert!(compared >= least, "{flags:?}: {compared} variables");
}

#[test]
fn variables_are_those_of_gdb() {
    compare(&["-g", "-O0", "-w"]);
}

#[test]
fn variables_of_optimised_code_are_those_of_gdb() {
    compare(&["-g", "-O2", "-w"]);
    compare(&["-g", "-O2", "-w", "-gdwarf-4"]);
}
