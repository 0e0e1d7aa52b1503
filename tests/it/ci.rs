//! What `coldframe run` leaves for CI systems: the folder of artifacts, annotations, the report of tests, repeated runs.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::golden::repository;
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
    let job = |attempt: &str, arguments: &[&str]| {
        let mut process = run(&folder, arguments);
        process
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_RUN_ID", "81")
            .env("GITHUB_RUN_ATTEMPT", attempt)
            .env("GITHUB_JOB", "test")
            .env_remove("RUNNER_NAME")
            .env("GITHUB_WORKSPACE", folder.path())
            .env("GITHUB_STEP_SUMMARY", folder.join("step.md"))
            .args(["--", python])
            .arg(folder.join("program.py"));
        let result = output(process);
        assert_eq!(result.status.signal(), Some(libc::SIGSEGV), "{}", stderr(&result));
        stderr(&result)
    };
    let said = job("1", &["--artifacts", "out"]);
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
    job("2", &["--artifacts", "out", "--report", "none"]);
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
    let key = json(&folder, "out/results.sarif")["runs"][0]["results"][0]["partialFingerprints"].clone();
    let key = key
        .as_object()
        .and_then(|keys| keys.values().next()?.as_str())
        .expect("a fingerprint")
        .to_string();
    let mut kinds: Vec<String> = fs::read_dir(folder.join("out/dumps").join(&key[..8]))
        .expect("dumps")
        .flatten()
        .filter_map(|entry| Some(entry.path().extension()?.to_str()?.to_string()))
        .collect();
    kinds.sort();
    assert_eq!(kinds, ["dmp", "dmp", "json", "json", "txt", "txt"]);
    // Each crash counts once, though there are its dump and its record; also where the folder lies elsewhere now.
    fs::rename(folder.join("out"), folder.join("downloaded")).expect("a name");
    let found = output({
        let mut process = bare(COLDFRAME.as_ref(), &folder);
        process.args(["triage", "downloaded", "--format", "json"]);
        process
    });
    let found: serde_json::Value = serde_json::from_slice(&found.stdout).expect("groups");
    assert_eq!((&found["files"], &found["groups"][0]["count"]), (&2.into(), &2.into()));
    assert!(found["groups"][0]["report"].is_object(), "{found}");
    assert_eq!(
        found["groups"][0]["runs"],
        serde_json::json!(["81/1/test", "81/2/test"])
    );
    fs::rename(folder.join("downloaded"), folder.join("out")).expect("a name");

    // What the baseline knows is a warning, and no failure.
    let known = ["out", "--no-reports", "--baseline", "known.toml"];
    assert_eq!(
        triage(&folder, &[&known[..], &["--update-baseline"]].concat())
            .status
            .code(),
        Some(0)
    );
    let said = job(
        "3",
        &["--artifacts", "out", "--baseline", "known.toml", "--report", "none"],
    );
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
    let found = triage(&folder, &["out", "--fail-on", "any"]);
    assert_eq!(found.status.code(), Some(0), "{}", stderr(&found));
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
if len(sys.argv) > 2: note(pid=os.getpid())
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
    let whole = "<testsuites><testsuite><testcase name='a'/></testsuite></testsuites>\n";
    for (left, counts) in [
        (&[][..], "4 1 1 1"),
        (&["<testsuites><testsuite><testcase name='a'/><testca"], "4 1 1 1"),
        (&[whole], "1 0 0 0"),
        // The writer itself crashed, so it did after that.
        (&[whole, "with its pid"], "2 1 0 0"),
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
        fs::create_dir(folder.join("temporary")).expect("a folder");
        process.arg(&python).args(["-c", RUNNER]).args(left);
        process.env("TMPDIR", folder.join("temporary"));
        let result = output(process);
        let left_behind: Vec<_> = fs::read_dir(folder.join("temporary")).expect("it").flatten().collect();
        assert!(left_behind.is_empty(), "{left_behind:?}");
        assert_eq!(result.status.signal(), Some(libc::SIGSEGV), "{}", stderr(&result));
        assert_eq!(junit_counts(&folder.join("junit.xml")), counts, "{left:?}");
        let text = fs::read_to_string(folder.join("junit.xml")).expect("the report");
        let has_report = text.contains("<error type=\"SIGSEGV\"") && text.contains("SUMMARY: coldframe: SIGSEGV");
        assert_eq!(has_report, counts != "1 0 0 0", "{text}");
    }
}

#[test]
fn runners_that_know_nothing_of_it_have_their_test_named() {
    let Some(python) = python() else { return };
    let tests = "import ctypes, unittest\nclass Reads(unittest.TestCase):\n    def test_null(self):\n        ctypes.string_at(0)\n";
    for runner in [
        &["-m", "unittest", "-q", "test_it"][..],
        &["-m", "test", "-j2", "--testdir", ".", "test_it"],
    ] {
        let folder = Folder::new();
        fs::write(folder.join("test_it.py"), tests).expect("the tests");
        let mut process = run(&folder, &["--artifacts", "out", "--report", "none", "--"]);
        process.arg(&python).args(runner);
        let result = output(process);
        let said = [result.stdout, result.stderr].concat();
        let records = fs::read_to_string(folder.join("out/crashes.ndjson")).expect("records");
        assert!(
            records.contains("\"test\":\"test_it.Reads.test_null\""),
            "{runner:?}: {records}\n{}",
            String::from_utf8_lossy(&said)
        );
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

/// A repository with those tests, and the command and the package as if they were installed.
fn sample_repository(python: &Path) -> (Folder, String) {
    let folder = Folder::new();
    fs::write(folder.join("test_it.py"), TESTS).expect("the tests");
    fs::write(folder.join("pytest.ini"), "[pytest]\naddopts = -p no:cacheprovider\n").expect("its settings");
    // What pip would leave of the package besides its modules: pytest finds the plugin by it.
    let metadata = folder.join("installed/coldframe-0.1.0.dist-info");
    fs::create_dir_all(&metadata).expect("a folder");
    fs::write(
        metadata.join("METADATA"),
        "Metadata-Version: 2.1\nName: coldframe\nVersion: 0.1.0\n",
    )
    .expect("it");
    let entry = "[pytest11]\ncoldframe = coldframe.pytest_plugin\n";
    fs::write(metadata.join("entry_points.txt"), entry).expect("it");
    let ours = Path::new(COLDFRAME).parent().expect("a folder").display();
    let theirs = python.parent().expect("a folder").display();
    let path = std::env::var("PATH").unwrap_or_default();
    (folder, format!("{theirs}:{ours}:{path}"))
}

/// The lines of the README for a job, without what they say at the end.
fn lines_of_the_readme() -> [String; 2] {
    let readme = fs::read_to_string(repository("README.md")).expect("README.md");
    let line = |beginning: &str| {
        let line = readme.lines().find(|line| line.trim_start().starts_with(beginning));
        line.unwrap_or_else(|| panic!("README.md has no line `{beginning}`"))
            .trim()
            .to_string()
    };
    [
        line("coldframe run --artifacts crashes --junit"),
        line("coldframe triage crashes --baseline"),
    ]
}

#[test]
fn the_lines_of_the_readme_on_a_sample_repository() {
    let [run, triage] = lines_of_the_readme();
    for python in venv::pytest_pythons() {
        for xdist in [false, true] {
            let (folder, path) = sample_repository(&python);
            let job = |line: &str| {
                let mut shell = bare("/bin/sh".as_ref(), &folder);
                shell
                    .args(["-c", line])
                    .current_dir(folder.path())
                    .env("PATH", &path)
                    .env(
                        "PYTHONPATH",
                        format!(
                            "{}:{}",
                            folder.join("installed").display(),
                            repository("python").display()
                        ),
                    )
                    .env("PYTHONDONTWRITEBYTECODE", "1")
                    .env("GITHUB_ACTIONS", "true")
                    .env("GITHUB_WORKSPACE", folder.path())
                    .env("GITHUB_STEP_SUMMARY", folder.join("step.md"))
                    .env("PYTEST_ADDOPTS", if xdist { "-n 2" } else { "" });
                output(shell)
            };
            let result = job(&run);
            let what = format!(
                "{} {xdist}: {}\n{}",
                python.display(),
                String::from_utf8_lossy(&result.stdout),
                stderr(&result)
            );
            // A crash ends pytest itself; with xdist it fails a test.
            match xdist {
                // The shell may have become the command.
                false => assert!(
                    result.status.signal() == Some(libc::SIGSEGV) || result.status.code() == Some(128 + libc::SIGSEGV),
                    "{what}"
                ),
                true => assert_eq!(result.status.code(), Some(1), "{what}"),
            }
            assert_eq!(
                stderr(&result).matches("::error file=test_it.py,line=7,").count(),
                1,
                "{what}"
            );
            let step = fs::read_to_string(folder.join("step.md")).expect("the summary of the job");
            assert!(
                step.contains("1 crash in 1 group") && step.contains("test_numbers[4]"),
                "{what}\n{step}"
            );
            let counts = if xdist { "10 1 1 0" } else { "10 1 1 5" };
            assert_eq!(junit_counts(&folder.join("junit.xml")), counts, "{what}");
            let text = fs::read_to_string(folder.join("junit.xml")).expect("the report");
            let case = text.split("<testcase ").find(|case| case.contains("test_numbers[4]"));
            let case = case.unwrap_or_else(|| panic!("{what}\n{text}"));
            assert!(
                case.contains("<error ") && case.contains("SUMMARY: coldframe: SIGSEGV"),
                "{what}\n{case}"
            );
            let sarif = json(&folder, "crashes/results.sarif");
            let results = sarif["runs"][0]["results"].as_array().cloned().unwrap_or_default();
            assert_eq!(results.len(), 1, "{what}");

            let known = job("coldframe triage crashes --baseline known.toml --update-baseline --no-reports");
            assert_eq!(known.status.code(), Some(0), "{what}");
            let again = job(&triage);
            assert_eq!(again.status.code(), Some(0), "{what}\n{}", stderr(&again));
            let said = String::from_utf8_lossy(&again.stdout).into_owned();
            assert!(said.contains("1 crash in 1 group, 0 new"), "{said}");
        }
    }
}
