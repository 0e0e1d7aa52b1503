//! What `coldframe run` leaves for CI systems: the folder of artifacts, annotations, the report of tests, repeated runs.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use crate::harness::{COLDFRAME, Folder, bare, output, python, stderr};
use crate::triage::junit_counts;
use crate::venv;

const CRASH: &str = "import ctypes\n\ndef read(address):\n    return ctypes.string_at(address)\n\nread(0)\n";

fn run(folder: &Folder, arguments: &[&str]) -> Command {
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process.arg("run").args(arguments);
    process
}

fn triage(folder: &Folder, arguments: &[&str]) -> Output {
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process.arg("triage").args(arguments);
    output(process)
}

fn json(folder: &Folder, name: &str) -> serde_json::Value {
    let text = fs::read_to_string(folder.join(name)).expect(name);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn a_job_on_github_gets_everything() {
    let Some(python) = python() else { return };
    let python = python.to_str().expect("a path");
    let folder = Folder::new();
    fs::write(folder.join("program.py"), CRASH).expect("the program");
    let job = |arguments: &[&str]| {
        let mut process = run(&folder, arguments);
        process
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_WORKSPACE", folder.path())
            .env("GITHUB_STEP_SUMMARY", folder.join("step.md"))
            .args(["--", python])
            .arg(folder.join("program.py"));
        let result = output(process);
        assert_eq!(result.status.signal(), Some(libc::SIGSEGV), "{}", stderr(&result));
        stderr(&result)
    };
    let said = job(&["--artifacts", "out"]);
    assert_eq!(said.matches("::error file=program.py,line=4,").count(), 1, "{said}");
    assert!(said.contains("SUMMARY: coldframe: SIGSEGV"), "{said}");
    assert!(
        said.contains("1 crash in 1 group; all of it: out/report.html"),
        "{said}"
    );
    let step = fs::read_to_string(folder.join("step.md")).expect("the summary of the job");
    assert!(step.contains("### coldframe: 1 crash in 1 group"), "{step}");
    assert!(step.contains("<details>"), "{step}");

    // A second run in the same folder adds to what is there.
    job(&["--artifacts", "out", "--report", "none"]);
    let records = fs::read_to_string(folder.join("out/crashes.ndjson")).expect("records");
    assert_eq!(records.lines().count(), 2, "{records}");
    assert_eq!(junit_counts(&folder.join("out/junit.xml")), "1 1 0 0");
    let sarif = json(&folder, "out/results.sarif");
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["occurrenceCount"], 2);
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(
        (&place["artifactLocation"]["uri"], &place["region"]["startLine"]),
        (&"program.py".into(), &4.into())
    );
    assert_eq!(
        json(&folder, "out/gl-code-quality.json")[0]["location"]["path"],
        "program.py"
    );
    for name in ["report.html", "summary.md"] {
        let text = fs::read_to_string(folder.join("out").join(name)).expect(name);
        assert!(text.contains("2 crashes in 1 group"), "{name}: {text}");
    }
    let mut kinds: Vec<String> = fs::read_dir(folder.join("out/dumps"))
        .expect("dumps")
        .flatten()
        .filter_map(|entry| Some(entry.path().extension()?.to_str()?.to_string()))
        .collect();
    kinds.sort();
    assert_eq!(kinds, ["dmp", "dmp", "json", "json", "txt", "txt"]);

    // What the baseline knows is a warning, and no failure.
    let known = ["out", "--no-reports", "--baseline", "known.toml"];
    assert_eq!(
        triage(&folder, &[&known[..], &["--update-baseline"]].concat())
            .status
            .code(),
        Some(0)
    );
    let said = job(&["--artifacts", "out", "--baseline", "known.toml", "--report", "none"]);
    assert!(said.contains("::warning file=program.py,line=4,"), "{said}");
    assert!(!said.contains("::error"), "{said}");
    assert_eq!(
        triage(&folder, &[&known[..], &["--fail-on", "new"]].concat())
            .status
            .code(),
        Some(0)
    );
    let missing = output({
        let mut process = run(&folder, &["--baseline", "absent.toml", "--"]);
        process.arg(python);
        process
    });
    assert!(
        stderr(&missing).contains("cannot read the baseline absent.toml"),
        "{}",
        stderr(&missing)
    );
}

#[test]
fn a_job_without_a_crash_has_its_files() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    let mut process = run(&folder, &["--artifacts", "out", "--junit", "junit.xml", "--"]);
    process
        .env("GITHUB_ACTIONS", "true")
        .arg(python)
        .args(["-c", "raise SystemExit(5)"]);
    let result = output(process);
    assert_eq!(result.status.code(), Some(5));
    assert_eq!(stderr(&result), "");
    assert_eq!(junit_counts(&folder.join("out/junit.xml")), "0 0 0 0");
    assert_eq!(
        json(&folder, "out/results.sarif")["runs"][0]["results"],
        serde_json::json!([])
    );
    assert_eq!(json(&folder, "out/gl-code-quality.json"), serde_json::json!([]));
    assert!(folder.join("out/report.html").is_file());
    assert!(!folder.join("junit.xml").exists());
}

/// Crashes in its second run.
const RARE: &str = "
import ctypes, os
with open('count', 'a') as file: file.write('x')
print(os.environ.get('PYTHONMALLOC'), os.environ.get('MALLOC_PERTURB_'), flush=True)
if os.path.getsize('count') == 2: ctypes.string_at(0)
";

#[test]
fn repeated_runs_are_counted() {
    let Some(python) = python() else { return };
    let python = python.to_str().expect("a path");
    let runs = |arguments: &[&str]| {
        let folder = Folder::new();
        let mut process = run(&folder, arguments);
        process
            .args(["--report", "none", "--", python, "-c", RARE])
            .env_remove("PYTHONMALLOC")
            .env_remove("MALLOC_PERTURB_");
        let result = output(process);
        assert_eq!(result.status.signal(), Some(libc::SIGSEGV), "{}", stderr(&result));
        (String::from_utf8_lossy(&result.stdout).into_owned(), stderr(&result))
    };
    let (printed, said) = runs(&["--repeat", "3", "--hunt"]);
    assert_eq!(printed, "None None\ndebug None\nmalloc 165\n", "{said}");
    assert!(
        said.contains("coldframe: 3 runs: 2 ended well, 0 with an exit status, 1 by a signal"),
        "{said}"
    );
    assert!(said.contains("coldframe: 1 x SIGSEGV in "), "{said}");
    assert!(said.contains("in run 2 (PYTHONMALLOC=debug)"), "{said}");
    let (printed, said) = runs(&["--repeat", "9", "--until-crash"]);
    assert_eq!(printed.lines().count(), 2, "{said}");
    assert!(said.contains("coldframe: 2 runs: 1 ended well"), "{said}");
}

/// As a runner does that notes what it does.
const RUNNER: &str = r#"
import ctypes, json, os, sys
def note(**line):
    with open(os.environ["COLDFRAME_TEST_LOG"], "a") as file: print(json.dumps(line), file=file)
note(collected=["t.py::a", "t.py::b", "t.py::c", "t.py::d"])
for name, outcome in ("a", "passed"), ("b", "failed"):
    note(test="t.py::" + name, outcome="started")
    note(test="t.py::" + name, outcome=outcome, duration=0.5)
note(test="t.py::c", outcome="started")
if len(sys.argv) > 1: open("junit.xml", "w").write(sys.argv[1])
ctypes.string_at(0)
"#;

#[test]
fn a_report_of_tests_is_completed() {
    let Some(python) = python() else { return };
    for (left, counts) in [
        (None, "4 1 1 1"),
        (Some("<testsuites><testsuite><testcase name='a'/><testca"), "4 1 1 1"),
        (
            Some("<testsuites><testsuite><testcase name='a'/></testsuite></testsuites>\n"),
            "1 0 0 0",
        ),
    ] {
        let folder = Folder::new();
        let stale = "<testsuites><testcase name='old'/></testsuites>";
        fs::write(folder.join("junit.xml"), stale).expect("the file");
        let long_ago = fs::File::options()
            .append(true)
            .open(folder.join("junit.xml"))
            .expect("the file");
        long_ago.set_modified(std::time::UNIX_EPOCH).expect("its time");
        let mut process = run(&folder, &["--junit", "junit.xml", "--report", "none", "--"]);
        process.arg(&python).args(["-c", RUNNER]).args(left);
        let result = output(process);
        assert_eq!(result.status.signal(), Some(libc::SIGSEGV), "{}", stderr(&result));
        assert_eq!(junit_counts(&folder.join("junit.xml")), counts, "{left:?}");
        let text = fs::read_to_string(folder.join("junit.xml")).expect("the report");
        let is_ours = text.contains("<error type=\"SIGSEGV\"") && text.contains("SUMMARY: coldframe: SIGSEGV");
        assert_eq!(is_ours, counts.starts_with('4'), "{text}");
    }
}

/// Ten tests, the fifth of which crashes.
const TESTS: &str = "
import ctypes, pytest

@pytest.mark.parametrize('number', range(10))
def test_numbers(number):
    if number == 4:
        ctypes.string_at(0)
    assert number != 2
";

#[test]
fn the_report_of_pytest_is_completed() {
    let document = fs::read_to_string(crate::golden::repository("docs/ci.md")).expect("docs/ci.md");
    let conftest = document
        .split("```python\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    for python in venv::pytest_pythons().into_iter().take(1) {
        let folder = Folder::new();
        fs::write(
            folder.join("conftest.py"),
            conftest.expect("the conftest of docs/ci.md"),
        )
        .expect("the file");
        fs::write(folder.join("test_it.py"), TESTS).expect("the tests");
        let mut process = run(&folder, &["--artifacts", "out", "--junit", "junit.xml", "--"]);
        process
            .arg(python)
            .args([
                "-m",
                "pytest",
                "-q",
                "--junitxml",
                "junit.xml",
                "-p",
                "no:cacheprovider",
            ])
            .env_remove("PYTEST_ADDOPTS");
        let result = output(process);
        assert_eq!(result.status.signal(), Some(libc::SIGSEGV), "{}", stderr(&result));
        assert_eq!(
            junit_counts(&folder.join("junit.xml")),
            "10 1 1 5",
            "{}",
            stderr(&result)
        );
        let text = fs::read_to_string(folder.join("junit.xml")).expect("the report");
        let case = "<testcase classname=\"test_it\" name=\"test_numbers[4]\" time=\"0.000\"><error type=\"SIGSEGV\"";
        assert!(text.contains(case), "{text}");
        assert_eq!(
            json(&folder, "out/results.sarif")["runs"][0]["results"]
                .as_array()
                .map(Vec::len),
            Some(1)
        );
    }
}
