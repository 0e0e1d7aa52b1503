//! The report reaches a person, once, wherever the dying process's own standard error leads.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use coldframe_handler::IMAGE_NAME;
use serde_json::Value;

use crate::harness::{
    COLDFRAME, Folder, bare, coldframe_run, find, one_report, output, python, reports, run_python, stderr,
};
use crate::venv::pytest_pythons;

const SUITE: &str = "\
import ctypes

def test_before():
    print('captured by pytest')

def test_crash():
    ctypes.string_at(0)

def test_after():
    pass
";
const CRASH: &str = "import ctypes; ctypes.string_at(0)";

/// Runs the suite with and without us, and returns both outputs.
fn pytest(folder: &Folder, python: &Path, options: &[&str]) -> (Output, Output) {
    fs::write(folder.join("test_suite.py"), SUITE).expect("the suite");
    let mut arguments = vec!["-B", "-m", "pytest", "-p", "no:cacheprovider"];
    arguments.extend(options);
    let mut command = vec![python.as_os_str()];
    command.extend(arguments.iter().map(OsStr::new));
    let with = output(coldframe_run(folder, &command));
    let mut plain = bare(python.as_os_str(), folder);
    plain.args(&arguments);
    (with, output(plain))
}

/// Text without what differs from run to run: addresses, durations.
fn steady(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().filter(|line| !line.contains("coldframe-report/"));
    let word = |word: &str| {
        let is_address = word.contains("0x");
        let is_duration = word.ends_with('s') && word.starts_with(|c: char| c.is_ascii_digit());
        if is_address || is_duration {
            "?".to_string()
        } else {
            word.to_string()
        }
    };
    lines
        .map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n")
}

fn functions(report: &Value) -> Vec<String> {
    let frames = report["threads"][0]["frames"].as_array().expect("frames");
    let name = |frame: &Value| frame["function"].as_str().unwrap_or_default().to_string();
    frames.iter().map(name).collect()
}

/// Asserts one report that leads to the test, and all else as without us.
fn assert_pytest_is_as_without(options: &[&str]) {
    for python in pytest_pythons() {
        let folder = Folder::new();
        let (with, without) = pytest(&folder, &python, options);
        one_report(&with, libc::SIGSEGV);
        let functions = functions(&reports(&with)[0]);
        assert!(functions.iter().any(|name| name == "test_crash"), "{functions:?}");
        assert_eq!(without.status.signal(), Some(libc::SIGSEGV));
        assert_eq!(steady(&with.stdout), steady(&without.stdout), "{}", python.display());
        assert_eq!(steady(&with.stderr), steady(&without.stderr), "{}", python.display());
        assert!(steady(&with.stdout).contains("test_suite.py"));
    }
}

#[test]
fn pytest_with_its_default_capture() {
    // It points fd 2 at a deleted file while a test runs, and turns faulthandler on.
    assert_pytest_is_as_without(&[]);
}

#[test]
fn pytest_without_capture() {
    assert_pytest_is_as_without(&["-s"]);
}

#[test]
fn pytest_without_faulthandler() {
    assert_pytest_is_as_without(&["-p", "no:faulthandler"]);
}

#[test]
fn an_xdist_worker_that_dies() {
    for python in pytest_pythons() {
        let folder = Folder::new();
        let (with, without) = pytest(&folder, &python, &["-n2"]);
        for result in [&with, &without] {
            assert_eq!(result.status.code(), Some(1), "{}", stderr(result));
            let text = String::from_utf8_lossy(&result.stdout).into_owned();
            assert!(
                text.contains("crashed while running 'test_suite.py::test_crash'"),
                "{text}"
            );
            assert!(text.contains("1 failed, 2 passed"), "{text}");
            assert_eq!(stderr(result).matches("Fatal Python error").count(), 1);
        }
        let reports = reports(&with);
        assert_eq!(reports.len(), 1, "{}", stderr(&with));
        assert!(functions(&reports[0]).iter().any(|name| name == "test_crash"));
    }
}

#[test]
fn standard_error_closed_or_sent_elsewhere() {
    for script in [
        "import os, ctypes; os.close(2); ctypes.string_at(0)",
        "import os, ctypes; os.closerange(0, 3); ctypes.string_at(0)",
        "import os, ctypes; os.dup2(os.open('err', os.O_CREAT | os.O_WRONLY), 2); ctypes.string_at(0)",
    ] {
        let folder = Folder::new();
        let Some(result) = run_python(&folder, &["-c", script]) else {
            return;
        };
        one_report(&result, libc::SIGSEGV);
        assert_eq!(stderr(&result).lines().count(), 1, "{}", stderr(&result));
        let file = fs::read(folder.join("err")).unwrap_or_default();
        assert!(file.is_empty(), "{}", String::from_utf8_lossy(&file));
    }
}

#[test]
fn a_child_that_crashes() {
    const CHILD: &str = "
import subprocess, sys
crash = [sys.executable, '-c', 'import ctypes; ctypes.string_at(0)']
print(subprocess.run(crash, stderr=subprocess.DEVNULL).returncode)
sys.exit(5)
";
    const GRANDCHILD: &str = "
import os, subprocess, sys
inner = 'import os, ctypes; pid = os.fork(); pid or ctypes.string_at(0); print(-(os.waitpid(pid, 0)[1] & 127))'
subprocess.run([sys.executable, '-c', inner], stderr=subprocess.PIPE)
sys.exit(5)
";
    for script in [CHILD, GRANDCHILD] {
        let folder = Folder::new();
        let Some(result) = run_python(&folder, &["-c", script]) else {
            return;
        };
        assert_eq!(result.status.code(), Some(5), "{}", stderr(&result));
        assert_eq!(String::from_utf8_lossy(&result.stdout), "-11\n", "{script}");
        assert_eq!(reports(&result).len(), 1, "{}", stderr(&result));
    }
}

#[test]
fn a_multiprocessing_child_that_crashes() {
    const PROGRAM: &str = "
import ctypes, multiprocessing, sys

def work():
    ctypes.string_at(0)

if __name__ == '__main__':
    context = multiprocessing.get_context(sys.argv[1])
    process = context.Process(target=work)
    process.start()
    process.join()
    print(process.exitcode)
";
    for method in ["fork", "spawn", "forkserver"] {
        let folder = Folder::new();
        fs::write(folder.join("program.py"), PROGRAM).expect("the program");
        let Some(result) = run_python(&folder, &["program.py", method]) else {
            return;
        };
        assert_eq!(result.status.code(), Some(0), "{method}: {}", stderr(&result));
        assert_eq!(String::from_utf8_lossy(&result.stdout), "-11\n", "{method}");
        let reports = reports(&result);
        assert_eq!(reports.len(), 1, "{method}: {}", stderr(&result));
        assert!(functions(&reports[0]).iter().any(|name| name == "work"), "{method}");
    }
}

#[test]
fn two_crashes_two_reports() {
    const BOTH: &str = "
import subprocess, sys
crash = [sys.executable, '-c', 'import ctypes; ctypes.string_at(0)']
children = [subprocess.Popen(crash), subprocess.Popen(crash)]
print(*sorted(child.pid for child in children if child.wait() == -11))
";
    let folder = Folder::new();
    let Some(result) = run_python(&folder, &["-c", BOTH]) else {
        return;
    };
    let mut pids: Vec<u64> = reports(&result)
        .iter()
        .map(|report| report["process"]["pid"].as_u64().expect("a pid"))
        .collect();
    pids.sort_unstable();
    let shown: Vec<String> = pids.iter().map(u64::to_string).collect();
    assert_eq!(shown.join(" "), String::from_utf8_lossy(&result.stdout).trim());
    assert_eq!(pids.len(), 2, "{}", stderr(&result));
}

#[test]
fn the_text_form_comes_once_too() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    let mut process = bare(COLDFRAME.as_ref(), &folder);
    process
        .args(["run", "-o", "dumps", "--"])
        .arg(&python)
        .args(["-c", CRASH]);
    let text = stderr(&output(process));
    assert!(text.starts_with("coldframe: SIGSEGV at 0x0"), "{text}");
    assert_eq!(text.matches("SUMMARY: coldframe:").count(), 1, "{text}");
    assert_eq!(
        text.matches("coldframe: SIGSEGV").count(),
        2,
        "headline and summary: {text}"
    );
}

/// A Python with the handler preloaded by hand: nobody supervises it.
fn alone(folder: &Folder, script: &str) -> Option<Command> {
    let python = python()?;
    assert!(output(coldframe_run(folder, &["/bin/true"])).status.success());
    let handler = find(&folder.join("cache"), IMAGE_NAME).expect("an extracted handler");
    let mut process = bare(python.as_os_str(), folder);
    process
        .args(["-c", script])
        .env("LD_PRELOAD", handler)
        .env("COLDFRAME_REPORT", "json")
        .env("COLDFRAME_DIR", folder.join("dumps"));
    Some(process)
}

fn dumps(folder: &Folder) -> usize {
    let list = fs::read_dir(folder.join("dumps")).into_iter().flatten().flatten();
    list.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "dmp"))
        .count()
}

#[test]
fn without_a_supervisor_the_dying_process_says_it() {
    let folder = Folder::new();
    let Some(process) = alone(&folder, CRASH) else { return };
    one_report(&output(process), libc::SIGSEGV);
    assert_eq!(dumps(&folder), 1);

    let elsewhere = "import os, ctypes; os.dup2(os.open('err', os.O_CREAT | os.O_WRONLY), 2); ctypes.string_at(0)";
    let Some(process) = alone(&folder, elsewhere) else {
        return;
    };
    let result = output(process);
    assert_eq!(result.status.signal(), Some(libc::SIGSEGV));
    assert_eq!(stderr(&result), "");
    let text = fs::read_to_string(folder.join("err")).expect("the program's fd 2");
    assert_eq!(text.matches("coldframe-report/").count(), 1, "{text}");

    let closed = "import os, ctypes; os.close(2); ctypes.string_at(0)";
    let Some(process) = alone(&folder, closed) else { return };
    let result = output(process);
    assert_eq!(result.status.signal(), Some(libc::SIGSEGV));
    assert_eq!((stderr(&result).as_str(), dumps(&folder)), ("", 3), "the dump alone");
}

#[test]
fn nobody_reads_the_supervisors_standard_error() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    let crash = [python.as_os_str(), "-c".as_ref(), CRASH.as_ref()];
    // Closed before it starts.
    let script = format!("exec 2>&-; exec {COLDFRAME} run -o dumps -- \"$0\" -c '{CRASH}'");
    let mut shell = bare("/bin/sh".as_ref(), &folder);
    shell.args(["-c", &script]).arg(&python);
    assert_eq!(output(shell).status.signal(), Some(libc::SIGSEGV));
    assert_eq!(dumps(&folder), 1);
    // A full disk, and a pipe whose reader has gone.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let status = coldframe_run(&folder, &crash).stderr(full).status().expect("it runs");
    assert_eq!(status.signal(), Some(libc::SIGSEGV));
    let mut child = coldframe_run(&folder, &crash)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("it ends").signal(), Some(libc::SIGSEGV));
    assert_eq!(dumps(&folder), 3);
    // Nor does it matter to what coldframe says of itself.
    let mut child = coldframe_run(&folder, &["no-such-command-anywhere"])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stderr.take());
    let mut text = String::new();
    let mut stdout = child.stdout.take().expect("a pipe");
    stdout.read_to_string(&mut text).expect("its output");
    assert_eq!((child.wait().expect("it ends").code(), text.as_str()), (Some(127), ""));
}
