//! `coldframe triage`: real crashes of several causes, grouped.

use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Output};

use crate::browser;
use crate::golden::repository;
use crate::harness::{COLDFRAME, Folder, bare, output, skip, stderr};
use crate::html::{ATTACK, assert_harmless};
use crate::pythons::pythons;
use crate::venv;

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
    sarif(folder);
    let issues = json(&triage(folder, &["dumps", "--format", "gitlab"]));
    let issues = issues.as_array().expect("a list").clone();
    assert_eq!(issues.len(), CRASHES.len());
    for issue in &issues {
        // What GitLab requires of an issue (its Code Climate parser).
        assert!(
            issue["description"].is_string() && issue["fingerprint"].is_string(),
            "{issue}"
        );
        assert_eq!(issue["severity"], "critical");
        assert_eq!(issue["location"]["path"], "program.py");
        assert!(issue["location"]["lines"]["begin"].as_u64() > Some(0), "{issue}");
    }
    page(folder);
    let read = "import sys, xml.etree.ElementTree as e; print(len(e.parse(sys.argv[1]).findall('.//testcase/error')))";
    let read = Command::new("python3")
        .args(["-c", read])
        .arg(folder.join("junit.xml"))
        .output();
    let read = read.expect("python3");
    assert_eq!(String::from_utf8_lossy(&read.stdout).trim(), CRASHES.len().to_string());
}

/// The document is what the published schema demands, and says what the groups are.
fn sarif(folder: &Folder) {
    let text = stdout(&triage(folder, &["dumps", "--format", "sarif"]));
    let found: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let results = found["runs"][0]["results"].as_array().expect("results");
    assert_eq!(results.len(), CRASHES.len());
    for result in results {
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "program.py");
        let rule = &found["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().expect("a rule") as usize];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(
            result["partialFingerprints"]["coldframeSignature/v1"].is_string(),
            "{result}"
        );
        let frames = result["stacks"][0]["frames"].as_array().expect("frames");
        assert!(
            frames
                .iter()
                .any(|frame| frame["location"]["physicalLocation"].is_object()),
            "{frames:#?}"
        );
    }
    assert_sarif(folder, &text);
}

fn assert_sarif(folder: &Folder, text: &str) {
    let Some(python) = venv::schema_python() else { return };
    fs::write(folder.join("results.sarif"), text).expect("the file");
    let check = "import json, jsonschema, sys
schema, document = (json.load(open(path)) for path in sys.argv[1:])
jsonschema.Draft7Validator.check_schema(schema)
for error in jsonschema.Draft7Validator(schema).iter_errors(document): sys.exit(str(error)[:2000])";
    let checked = Command::new(python)
        .args(["-c", check])
        .arg(repository("tests/fixtures/schemas/sarif-2.1.0.json"))
        .arg(folder.join("results.sarif"))
        .output();
    let checked = checked.expect("a validator");
    assert!(checked.status.success(), "{}", stderr(&checked));
}

/// The page has the groups and their reports, in a browser as well.
fn page(folder: &Folder) {
    let path = folder.join("crashes.html");
    let result = triage(folder, &["dumps", "--format", "html", "-o", "crashes.html"]);
    assert!(result.status.success(), "{}", stderr(&result));
    let text = fs::read_to_string(&path).expect("the page");
    assert_harmless(&text, "crashes.html");
    assert_eq!(text.matches("<article class=\"crash\">").count(), CRASHES.len());
    let Some(dom) = browser::dom(folder, &path) else { return };
    assert_harmless(&dom, "DOM");
    assert_eq!(dom.matches("<h1>SIG").count(), CRASHES.len());
}

/// Records with attacks in every string: each format stays what it is.
#[test]
fn hostile_records_stay_text() {
    let folder = Folder::new();
    let record = |number: usize| {
        serde_json::json!({
            "schema": "coldframe-triage/1", "path": ATTACK, "status": "ok", "test": ATTACK, "host": ATTACK,
            "python": ATTACK, "time": ATTACK, "place": {"file": format!("pkg/{ATTACK}.py"), "line": number},
            "signature": {"key": format!("{number}{ATTACK}"), "title": ATTACK, "kind": ATTACK},
        })
    };
    let failed = serde_json::json!({
        "schema": "coldframe-triage/1", "path": ATTACK, "status": "error", "error": ATTACK,
    });
    let lines: Vec<String> = (0..3)
        .map(record)
        .chain([failed])
        .map(|line| line.to_string())
        .collect();
    fs::write(folder.join("a.ndjson"), lines.join("\n")).expect("the records");
    let run = |format: &str| {
        let result = triage(&folder, &["a.ndjson", "--format", format]);
        assert!(result.status.success(), "{format}: {}", stderr(&result));
        let text = stdout(&result);
        let bad = text
            .chars()
            .find(|&c| c != '\n' && (c.is_control() || "\u{202e}\u{2028}".contains(c)));
        assert_eq!(bad, None, "{format}");
        text
    };
    for format in ["text", "json", "ndjson", "gitlab"] {
        run(format);
    }
    assert_harmless(&run("html"), "html");
    assert_sarif(&folder, &run("sarif"));
    assert_eq!(run("github").lines().filter(|line| line.starts_with("::")).count(), 3);
    let markdown = run("markdown");
    assert!(!markdown.contains("<s") && !markdown.contains("<i"), "{markdown}");
    fs::write(folder.join("junit.xml"), run("junit")).expect("the file");
    assert_eq!(junit_counts(&folder.join("junit.xml")), "3 3 0 0");
}

/// Test cases, errors, failures and skipped ones, as another reader of XML finds them.
pub fn junit_counts(path: &std::path::Path) -> String {
    let read = "import sys, xml.etree.ElementTree as e
root = e.parse(sys.argv[1]).getroot()
print(*(len(root.findall('.//testcase' + part)) for part in ('', '/error', '/failure', '/skipped')))";
    let read = Command::new("python3").args(["-c", read]).arg(path).output();
    let read = read.expect("python3");
    assert!(read.status.success(), "{}", stderr(&read));
    String::from_utf8_lossy(&read.stdout).trim().to_string()
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
