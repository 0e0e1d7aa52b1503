//! The Python package: its functions, the pytest plugin.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::golden::repository;
use crate::harness::{COLDFRAME, Folder, analyze, bare, output, skip, stderr};
use crate::pythons::pythons;
use crate::venv::{environment, pip_python, pytest_pythons};

/// A Python that imports the package from the source tree and finds the binary under test.
pub fn python(executable: &Path, folder: &Folder) -> Command {
    let mut command = bare(executable.as_os_str(), folder);
    let binaries = Path::new(COLDFRAME).parent().expect("a folder").display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .env("PYTHONPATH", repository("python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PATH", format!("{binaries}:{path}"));
    command
}

/// The oldest and the newest CPython at hand.
pub fn oldest_and_newest() -> Vec<PathBuf> {
    let all = pythons();
    let mut ends: Vec<PathBuf> = [all.first(), all.last()]
        .into_iter()
        .flatten()
        .map(|python| python.executable.clone())
        .collect();
    ends.dedup();
    if ends.is_empty() {
        skip("no supported CPython was found");
    }
    ends
}

fn dumps(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "dmp"));
    files.sort();
    files
}

fn report_of(dump: &Path) -> Value {
    serde_json::from_str(&analyze(dump, &["--format", "json"])).expect("a report")
}

const PROGRAM: &str = r#"
import coldframe, ctypes, logging, os, signal, sys, threading, time
assert not coldframe.is_enabled()
assert coldframe.enable(dir="dumps") and coldframe.is_enabled()
assert coldframe.annotate("release", "1.2 \N{SNOWMAN}") and coldframe.annotate("gone", 1) and coldframe.annotate("gone", None)
assert coldframe.breadcrumb("one") and coldframe.breadcrumb("two")
logging.getLogger().addHandler(coldframe.LogHandler(capacity=2))
logging.getLogger("app").warning("three %d", 3)
seen = []
signal.signal(signal.SIGCHLD, lambda *args: seen.append(args))
path = coldframe.dump("asked.dmp")
assert path and os.path.isabs(path) and coldframe.analyze(path)["trigger"] == "request", path
coldframe.register(signal.SIGUSR1)
os.kill(os.getpid(), signal.SIGUSR1)
assert coldframe.unregister(signal.SIGUSR1) and not coldframe.unregister(signal.SIGUSR1)
try:
    coldframe.register(signal.SIGSEGV)
    raise SystemExit("registered")
except ValueError:
    pass
coldframe.dump_later(3600)
coldframe.cancel_dump_later()
try:
    os.waitpid(-1, os.WNOHANG)
    raise SystemExit("a child")
except ChildProcessError:
    pass
os.environ["PYTEST_CURRENT_TEST"] = "tests/test_a.py::test_b (call)"
os.environ["MY_SECRET"] = "s3cr3t-in-the-environment"
sys.stderr.flush()
end = sys.argv[1]
if end == "thread":
    sys.setrecursionlimit(10**6)
    def down(): ctypes.string_at(0) if threading.current_thread() is not threading.main_thread() else None
    thread = threading.Thread(target=down)
    thread.start()
    thread.join()
elif end == "later":
    coldframe.dump_later(0.2, exit=True)
    time.sleep(600)
elif end == "disabled":
    coldframe.disable()
    assert not coldframe.is_enabled()
    ctypes.string_at(0)
ctypes.string_at(0)
"#;

/// No literal holds the secrets: source lines are in dumps.
const SECRETS: &str = r#"
import coldframe, ctypes
assert coldframe.enable(dir="dumps", report="none", redact=["^iban$", r"\w+-ticket-\S+"])
def crash(mark):
    iban = mark + "-by-name"
    note = "x-ticket-" + mark
    harmless = "abc"
    assert coldframe.annotate("iban", mark + "-noted") and coldframe.annotate("about", iban)
    assert coldframe.breadcrumb("sent " + note)
    ctypes.string_at(0)
crash(bytes([90, 113, 55]).decode())
"#;

/// Handlers that come and go between two calls of enable(), and how often faulthandler has its say.
const HANDLERS: [(&str, usize); 5] = [
    ("faulthandler.enable()", 1),
    ("faulthandler.enable(); enable()", 1),
    ("faulthandler.enable(); enable(); faulthandler.disable()", 0),
    (
        "faulthandler.enable(); coldframe.disable(); enable(); faulthandler.disable()",
        0,
    ),
    (
        "faulthandler.enable(); enable(); faulthandler.disable(); faulthandler.enable(); enable()",
        1,
    ),
];

#[test]
fn enabled_again_around_other_handlers_it_ends_as_without() {
    for executable in oldest_and_newest() {
        for (handlers, said) in HANDLERS {
            let folder = Folder::new();
            let mut command = python(&executable, &folder);
            let program = format!(
                "import coldframe, ctypes, faulthandler, functools, signal\nsignal.alarm(60)\n\
                 enable = functools.partial(coldframe.enable, dir='dumps')\nenable(); {handlers}\nctypes.string_at(0)"
            );
            command.args(["-c", &program]);
            let result = output(command);
            let what = format!("{handlers}: {}: {}", executable.display(), stderr(&result));
            assert_eq!(result.status.signal(), Some(libc::SIGSEGV), "{what}");
            assert_eq!(dumps(&folder.join("dumps")).len(), 1, "{what}");
            assert_eq!(stderr(&result).matches("Fatal Python error").count(), said, "{what}");
        }
    }
}

#[test]
fn what_enable_is_told_to_redact_stays_out() {
    for executable in oldest_and_newest() {
        let folder = Folder::new();
        let mut command = python(&executable, &folder);
        command.args(["-c", SECRETS]);
        let result = output(command);
        let what = format!("{}: {}", executable.display(), stderr(&result));
        let dumps = dumps(&folder.join("dumps"));
        assert_eq!(dumps.len(), 1, "{what}");
        let report = report_of(&dumps[0]);
        assert!(report.to_string().contains("abc"), "{what}");
        let bytes = fs::read(&dumps[0]).expect("the dump");
        // The argument that they are made of is nobody's secret.
        for secret in ["Zq7-by-name", "Zq7-noted", "x-ticket-Zq7"] {
            let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
            for form in [secret.as_bytes(), &wide] {
                assert!(
                    !bytes.windows(form.len()).any(|window| window == form),
                    "{what}: {secret}"
                );
            }
            assert!(!report.to_string().contains(secret), "{what}: {secret}");
        }
    }
}

#[test]
fn enable_captures_with_annotations_and_goes_on_after_dumps() {
    for executable in oldest_and_newest() {
        for end in ["crash", "thread", "later", "disabled"] {
            let folder = Folder::new();
            let mut command = python(&executable, &folder);
            command.args(["-c", PROGRAM, end]);
            let result = output(command);
            let what = format!("{} {end}: {}", executable.display(), stderr(&result));
            let dumps = dumps(&folder.join("dumps"));
            match end {
                "later" => assert_eq!(result.status.code(), Some(1), "{what}"),
                _ => assert_eq!(result.status.signal(), Some(libc::SIGSEGV), "{what}"),
            }
            // One for SIGUSR1, and the one at the end.
            assert_eq!(dumps.len(), if end == "disabled" { 1 } else { 2 }, "{what}");
            let reports: Vec<Value> = dumps.iter().map(|dump| report_of(dump)).collect();
            assert!(reports.iter().any(|report| report["trigger"] == "request"), "{what}");
            let last = reports.iter().find(|report| report["trigger"] != "request");
            let Some(last) = last else {
                continue;
            };
            assert_eq!(last["trigger"], if end == "later" { "timeout" } else { "signal" });
            assert_eq!(last["annotations"]["release"], "1.2 \u{2603}", "{what}");
            assert_eq!(last["annotations"]["test"], "tests/test_a.py::test_b", "{what}");
            assert_eq!(
                last["annotations"].as_object().map(serde_json::Map::len),
                Some(2),
                "{what}"
            );
            let crumbs = last["breadcrumbs"].as_array().expect("breadcrumbs");
            let texts: Vec<_> = crumbs.iter().filter_map(|crumb| crumb["text"].as_str()).collect();
            assert_eq!(texts, ["two", "WARNING app: three 3"], "{what}");
            let text = stderr(&result);
            assert!(text.contains("release = 1.2") && text.contains("SUMMARY:"), "{what}");
            for dump in &dumps {
                let bytes = fs::read(dump).expect("the dump");
                let secret = b"s3cr3t-in-the-environment";
                let places = bytes.windows(secret.len()).filter(|part| part == secret).count();
                // The program's own constant is there; the environment is not.
                assert!(places <= 2, "{what}: {places}");
            }
        }
    }
}

#[test]
fn under_run_the_package_only_annotates() {
    let Some(executable) = oldest_and_newest().pop() else {
        return;
    };
    let folder = Folder::new();
    let mut command = bare(COLDFRAME.as_ref(), &folder);
    command
        .args(["run", "--report", "json", "-o"])
        .arg(folder.join("dumps"))
        .arg("--")
        .arg(&executable)
        .args(["-c", "import coldframe, ctypes\nassert coldframe.enable(dir='/nowhere')\ncoldframe.disable()\nassert coldframe.is_enabled()\ncoldframe.annotate('k', 'v')\nctypes.string_at(0)"])
        .env("PYTHONPATH", repository("python"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let result = output(command);
    let reports = crate::harness::reports(&result);
    assert_eq!(reports.len(), 1, "{}", stderr(&result));
    assert_eq!(reports[0]["annotations"]["k"], "v");
}

/// As on a system for which there is no command: neither it nor modules that Windows lacks, and no symbols of the program.
const ELSEWHERE: &str = r#"
import ctypes, sys, warnings
for name in "fcntl", "grp", "pwd", "resource", "termios":
    sys.modules[name] = None
def load(name): raise TypeError("as on Windows")
ctypes.CDLL = load
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    import coldframe
    import coldframe._binary
    coldframe._binary._folders = lambda: iter(())
    assert not coldframe.enable(dir="dumps") and not coldframe.is_enabled()
    assert not coldframe.annotate("a", 1) and not coldframe.breadcrumb("b") and coldframe.dump() is None
    assert not coldframe.register(10) and not coldframe.unregister(10) and not coldframe.dump_later(60)
    coldframe.cancel_dump_later(), coldframe.disable(), coldframe.LogHandler()
    try:
        raise SystemExit(coldframe.analyze("x.dmp"))
    except coldframe.AnalyzeError as error:
        print(error)
print([str(warning.message) for warning in seen])
"#;

#[test]
fn without_the_command_there_is_one_warning_and_no_capture() {
    let said =
        "the command coldframe is not installed beside this package; there are wheels with it for Linux on x86_64";
    for executable in oldest_and_newest() {
        let folder = Folder::new();
        let mut command = python(&executable, &folder);
        command.args(["-c", ELSEWHERE]).env("PATH", "/usr/bin:/bin");
        let result = output(command);
        let text = String::from_utf8_lossy(&result.stdout).into_owned();
        assert!(result.status.success(), "{}: {}", executable.display(), stderr(&result));
        assert_eq!(
            text,
            format!("{said}\n['coldframe cannot capture this process: {said}']\n")
        );
        assert!(!folder.join("dumps").exists());
    }
    for executable in pytest_pythons().into_iter().take(1) {
        let folder = Folder::new();
        fs::write(folder.join("test_it.py"), "def test_it(): pass\n").expect("a test");
        let mut command = python(&executable, &folder);
        command
            .args([
                "-m",
                "pytest",
                "-p",
                "coldframe.pytest_plugin",
                "-p",
                "no:cacheprovider",
                "--coldframe",
            ])
            .env("PATH", "/usr/bin:/bin")
            .env_remove("PYTEST_ADDOPTS");
        let result = output(command);
        let text = [result.stdout.clone(), result.stderr.clone()].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert_eq!(result.status.code(), Some(0), "{text}");
        assert_eq!(
            text.matches(&format!(
                "RuntimeWarning: coldframe cannot capture this process: {said}"
            ))
            .count(),
            1,
            "{text}"
        );
        assert!(text.contains("coldframe: crashes are not captured"), "{text}");
    }
}

/// Ten tests, one of which crashes.
fn repository_with_a_crash(folder: &Folder) {
    let mut tests = "import ctypes, pytest\n".to_string();
    for number in 0..10 {
        let body = if number == 4 {
            "ctypes.string_at(0)"
        } else {
            "assert True"
        };
        tests.push_str(&format!("def test_{number}():\n    {body}\n"));
    }
    fs::write(folder.join("test_sample.py"), tests).expect("the tests");
    fs::write(folder.join("pytest.ini"), "[pytest]\n").expect("its settings");
}

fn pytest(executable: &Path, folder: &Folder, arguments: &[&str]) -> Output {
    let mut command = python(executable, folder);
    command
        .args([
            "-m",
            "pytest",
            "-p",
            "coldframe.pytest_plugin",
            "-p",
            "no:cacheprovider",
        ])
        .args(arguments)
        .env_remove("PYTEST_ADDOPTS");
    output(command)
}

const CRASHED: &str = "test_sample.py::test_4";

#[test]
fn pytest_dies_with_a_report_that_names_the_test() {
    for executable in pytest_pythons() {
        for arguments in [
            &["--coldframe"][..],
            &["--coldframe", "-p", "no:faulthandler", "-s"],
            &["--coldframe", "-x", "--coldframe-dir", "elsewhere"],
        ] {
            let folder = Folder::new();
            repository_with_a_crash(&folder);
            let result = pytest(&executable, &folder, arguments);
            let text = stderr(&result);
            let what = format!("{} {arguments:?}:\n{text}", executable.display());
            assert_eq!(result.status.signal(), Some(libc::SIGSEGV), "{what}");
            assert!(
                text.contains(&format!("test = {CRASHED}")) && text.contains("SUMMARY:"),
                "{what}"
            );
            let place = if arguments.contains(&"elsewhere") {
                "elsewhere"
            } else {
                "coldframe-dumps"
            };
            assert_eq!(dumps(&folder.join(place)).len(), 1, "{what}");
        }
        let folder = Folder::new();
        repository_with_a_crash(&folder);
        let result = pytest(&executable, &folder, &[]);
        assert!(!stderr(&result).contains("coldframe:"), "off unless asked for");
        assert!(!folder.join("coldframe-dumps").exists());
    }
}

#[test]
fn forked_tests_have_the_report_in_the_failure_and_what_is_outside_of_tests_prints_it() {
    let Some(python) = pip_python() else {
        return skip("no Python with pip");
    };
    // pytest-forked does not work with pytest 9.
    let executable = match environment(&python, "forked", &["pytest>=8,<9", "pytest-forked"]) {
        Ok(executable) => executable,
        Err(error) => return skip(&format!("pytest-forked: {error}")),
    };
    let options = ["--coldframe", "--forked", "--junitxml", "junit.xml"];
    let folder = Folder::new();
    repository_with_a_crash(&folder);
    let result = pytest(&executable, &folder, &options);
    let what = format!("{}\n{}", String::from_utf8_lossy(&result.stdout), stderr(&result));
    assert_eq!(result.status.code(), Some(1), "{what}");
    assert!(!stderr(&result).contains("SUMMARY:"), "{what}");
    let junit = fs::read_to_string(folder.join("junit.xml")).expect("JUnit");
    assert!(junit.contains("SUMMARY: coldframe: SIGSEGV"), "{what}\n{junit}");

    for outside in ["ctypes.string_at(0)", "atexit.register(ctypes.string_at, 0)"] {
        let folder = Folder::new();
        let test = format!("import atexit, ctypes\n{outside}\ndef test_well(): pass\n");
        fs::write(folder.join("test_outside.py"), test).expect("a test");
        let result = pytest(&executable, &folder, &options);
        let text = stderr(&result);
        assert_eq!(
            text.matches("SUMMARY: coldframe: SIGSEGV").count(),
            1,
            "{outside}:\n{text}"
        );
        assert_eq!(dumps(&folder.join("coldframe-dumps")).len(), 1, "{text}");
    }
}

#[test]
fn xdist_has_the_report_in_the_failure_the_summary_and_junit() {
    for executable in pytest_pythons() {
        let folder = Folder::new();
        repository_with_a_crash(&folder);
        fs::write(folder.join("pytest.ini"), "[pytest]\ncoldframe = true\n").expect("its settings");
        let result = pytest(&executable, &folder, &["-n", "2", "--junitxml", "junit.xml"]);
        let text = String::from_utf8_lossy(&result.stdout).into_owned();
        let what = format!("{}:\n{text}\n{}", executable.display(), stderr(&result));
        assert_eq!(result.status.code(), Some(1), "{what}");
        assert!(text.contains("9 passed") && text.contains("1 failed"), "{what}");
        assert!(text.contains("coldframe: 1 crash"), "{what}");
        assert!(text.contains(&format!("test = {CRASHED}")), "{what}");
        let junit = fs::read_to_string(folder.join("junit.xml")).expect("JUnit");
        assert!(
            junit.contains("<error") && junit.contains("SUMMARY: coldframe: SIGSEGV"),
            "{what}\n{junit}"
        );
        let dumps = dumps(&folder.join("coldframe-dumps"));
        assert_eq!(dumps.len(), 1, "{what}");
        let worker = report_of(&dumps[0])["annotations"]["worker"].clone();
        assert!(
            worker.as_str().is_some_and(|worker| worker.starts_with("gw")),
            "{worker}"
        );
    }
}
