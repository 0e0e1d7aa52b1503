//! Dumps that no crash asked for, and what `run` does with its dumps.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::harness::{COLDFRAME, Folder, bare, output, python, reports, stderr};

const CRASH: &str = "import ctypes; ctypes.string_at(0)";
/// Says that it is ready, waits for a line, and says what it got.
const PATIENT: &str = "
import sys

def patient():
    certain_number = 271828
    print('ready', flush=True)
    return sys.stdin.readline()

print('got', patient(), flush=True)
";

fn run(folder: &Folder, options: &[&str], command: &[&str]) -> Command {
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process
        .args(["run", "--report", "json", "-o", "dumps"])
        .args(options)
        .arg("--")
        .args(command);
    process
}

/// Starts a program and waits until it says that it is ready.
fn start(process: &mut Command) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = process
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    (child, lines)
}

fn go_on(child: &mut Child, lines: &mut impl BufRead) -> String {
    child.stdin.take().expect("a pipe").write_all(b"it\n").expect("a write");
    let mut rest = String::new();
    lines.read_to_string(&mut rest).expect("the rest");
    rest
}

fn dumps(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.join("dumps")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn dump(folder: &Folder, arguments: &[&str]) -> Output {
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process
        .arg("dump")
        .args(arguments)
        .env("COLDFRAME_DIR", folder.join("dumps"));
    output(process)
}

#[test]
fn a_process_is_dumped_and_goes_on() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    // In a file: the command line is part of a report.
    fs::write(folder.join("patient.py"), PATIENT).expect("the program");
    let (mut child, mut lines) = start(Command::new(&python).arg(folder.join("patient.py")));
    let pid = child.id().to_string();
    let result = dump(&folder, &[&pid, "--report", "json"]);
    assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
    let report: Value = serde_json::from_slice(&result.stdout).expect("a report");
    assert_eq!(report["trigger"], "request");
    assert!(report["threads"].to_string().contains("\"patient\""), "{report}");
    assert!(report["threads"].to_string().contains("271828"), "{report}");
    let names = dumps(&folder);
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(stderr(&result).contains(&names[0]), "{}", stderr(&result));
    let file = folder.join("dumps").join(&names[0]);
    assert_eq!(
        fs::metadata(&file).expect("the dump").permissions().mode() & 0o777,
        0o600
    );
    // To a file of the caller's choice, in words.
    let result = dump(&folder, &["--pid", &pid, "-o", "hang.dmp", "--no-locals"]);
    assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
    let text = String::from_utf8_lossy(&result.stdout).into_owned();
    assert!(text.contains("patient") && !text.contains("271828"), "{text}");
    assert!(folder.join("hang.dmp").exists());
    // The dump tells the same as the report did.
    let mut analyze = bare(COLDFRAME.as_ref(), &folder);
    analyze.args(["analyze", "--format", "json"]).arg(&file);
    let again: Value = serde_json::from_slice(&output(analyze).stdout).expect("a report");
    assert_eq!(
        (&again["trigger"], &again["threads"]),
        (&report["trigger"], &report["threads"])
    );
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    assert!(status.contains("TracerPid:\t0"), "{status}");
    assert_eq!(go_on(&mut child, &mut lines), "got it\n\n");
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn what_cannot_be_dumped_is_said() {
    let folder = Folder::new();
    let result = dump(&folder, &["4194305"]);
    assert_eq!(result.status.code(), Some(1));
    assert!(
        stderr(&result).contains("there is no process 4194305"),
        "{}",
        stderr(&result)
    );
    let own = std::process::id().to_string();
    let result = dump(&folder, &[&own, "-o", "/proc/nowhere/x.dmp"]);
    assert_eq!(result.status.code(), Some(1));
    assert!(stderr(&result).contains("/proc/nowhere/x.dmp"), "{}", stderr(&result));
    assert_eq!(dump(&folder, &[]).status.code(), Some(2));
}

#[test]
fn past_its_time_every_python_of_the_tree_is_dumped_and_the_tree_ended() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    // A shell, a Python that ignores SIGTERM, its child, and one that left the session.
    let script = "
import os, signal, subprocess, sys, time

def hang():
    open(f'pid-{os.getpid()}', 'w').close()
    time.sleep(1000)

if len(sys.argv) == 1:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen([sys.executable, __file__, 'child'])
    subprocess.Popen(['/bin/sh', '-c', f'setsid {sys.executable} {__file__} other &'])
hang()
";
    fs::write(folder.join("hang.py"), script).expect("the program");
    let command = format!("{} {}", python.display(), folder.join("hang.py").display());
    let started = Instant::now();
    let result = output(run(
        &folder,
        &["--timeout", "4s"],
        &["/bin/sh", "-c", &format!("{command}; exit 5")],
    ));
    assert_eq!(result.status.code(), Some(124), "{}", stderr(&result));
    assert!(started.elapsed() > Duration::from_secs(4));
    let reports = reports(&result);
    assert_eq!(reports.len(), 3, "{}", stderr(&result));
    for report in &reports {
        assert_eq!(report["trigger"], "timeout");
        assert!(report["threads"].to_string().contains("\"hang\""), "{report}");
    }
    assert_eq!(dumps(&folder).len(), 3);
    assert!(stderr(&result).contains("ended after 4 s"), "{}", stderr(&result));
    let marks = fs::read_dir(folder.path()).expect("the folder").flatten();
    let pids: Vec<String> = marks
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_prefix("pid-")?.to_string()))
        .collect();
    assert_eq!(pids.len(), 3);
    for pid in pids {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z"), "{state}");
    }
}

#[test]
fn in_time_nothing_happens() {
    let folder = Folder::new();
    let result = output(run(&folder, &["--timeout", "1h"], &["/bin/sh", "-c", "exit 3"]));
    assert_eq!((result.status.code(), stderr(&result).as_str()), (Some(3), ""));
    for wrong in [
        &["--timeout", "soon"][..],
        &["--on-signal", "KILL"],
        &["--exec", "--timeout", "1s"],
    ] {
        assert_eq!(
            output(run(&folder, wrong, &["/bin/true"])).status.code(),
            Some(2),
            "{wrong:?}"
        );
    }
}

#[test]
fn on_a_signal_the_tree_is_dumped_and_gets_the_signal() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    let script =
        format!("import signal; signal.signal(signal.SIGUSR1, lambda *_: print('signalled', flush=True))\n{PATIENT}");
    let command = [python.to_str().expect("a path"), "-c", &script];
    let (mut child, mut lines) = start(&mut run(&folder, &["--on-signal", "usr1"], &command));
    kill(Pid::from_raw(child.id() as i32), Signal::SIGUSR1).expect("kill");
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    assert_eq!(line, "signalled\n");
    assert_eq!(dumps(&folder).len(), 1, "before the program learns of it");
    assert_eq!(go_on(&mut child, &mut lines), "got it\n\n");
    let result = child.wait_with_output().expect("it ends");
    assert!(result.status.success());
    let reports = reports(&result);
    assert_eq!(reports.len(), 1, "{}", stderr(&result));
    assert_eq!(reports[0]["trigger"], "request");
    assert!(reports[0]["threads"].to_string().contains("\"patient\""));
}

#[test]
fn a_sigkill_is_named() {
    let folder = Folder::new();
    let result = output(run(&folder, &[], &["/bin/sh", "-c", "kill -KILL $$"]));
    assert_eq!(result.status.signal(), Some(libc::SIGKILL));
    assert!(stderr(&result).contains("was killed by SIGKILL"), "{}", stderr(&result));
    let mut quiet = bare(COLDFRAME.as_ref(), &folder);
    quiet.args(["run", "--report", "none", "--", "/bin/sh", "-c", "kill -KILL $$"]);
    assert_eq!(stderr(&output(quiet)), "");
}

#[test]
fn the_folder_keeps_to_its_bounds() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    fs::create_dir(folder.join("dumps")).expect("a folder");
    fs::write(folder.join("dumps/other.dmp"), "theirs").expect("a file");
    let python = python.to_str().expect("a path");
    let mut seen = Vec::new();
    for _ in 0..4 {
        let result = output(run(&folder, &["--max-dumps", "2"], &[python, "-c", CRASH]));
        assert_eq!(result.status.signal(), Some(libc::SIGSEGV));
        seen.push(
            reports(&result)[0]["input"]["path"]
                .as_str()
                .expect("a path")
                .to_string(),
        );
    }
    assert_eq!(dumps(&folder).len(), 3, "{:?}", dumps(&folder));
    assert!(folder.join("dumps/other.dmp").exists());
    assert!(Path::new(&seen[3]).exists() && Path::new(&seen[2]).exists() && !Path::new(&seen[0]).exists());
    let result = output(run(&folder, &["--max-bytes", "1K"], &[python, "-c", CRASH]));
    assert_eq!(reports(&result).len(), 1);
    assert_eq!(
        dumps(&folder).len(),
        2,
        "the newest and the other: {:?}",
        dumps(&folder)
    );
}

#[test]
fn programs_are_chosen_by_name() {
    let folder = Folder::new();
    let crash = ["/bin/sh", "-c", "kill -SEGV $$"];
    for (options, count) in [
        (&["--only", "python*"][..], 0),
        (&["--only", "python*", "--only", "sh"], 1),
        (&["--ignore", "sh"], 0),
        (&["--ignore", "bash"], 1),
    ] {
        let result = output(run(&folder, options, &crash));
        assert_eq!(result.status.signal(), Some(libc::SIGSEGV));
        assert_eq!(reports(&result).len(), count, "{options:?}: {}", stderr(&result));
    }
}

#[test]
fn others_are_told_of_a_dump() {
    let folder = Folder::new();
    let options = [
        "--on-dump",
        "cp \"$COLDFRAME_DUMP\" copy; sleep 0.2; echo done > told",
        "--termination-log",
        "termination",
    ];
    let result = output(run(&folder, &options, &["/bin/sh", "-c", "kill -SEGV $$"]));
    assert_eq!(result.status.signal(), Some(libc::SIGSEGV));
    let dump = folder.join("dumps").join(&dumps(&folder)[0]);
    assert_eq!(
        fs::read(folder.join("copy")).expect("a copy"),
        fs::read(dump).expect("the dump")
    );
    assert_eq!(
        fs::read_to_string(folder.join("told")).expect("it was waited for"),
        "done\n"
    );
    let text = fs::read_to_string(folder.join("termination")).expect("the message");
    assert!(text.starts_with("coldframe: SIGSEGV") && text.len() <= 4096, "{text}");
}

#[test]
fn exec_leaves_no_supervisor() {
    let folder = Folder::new();
    let mut process = run(&folder, &["--exec"], &["/bin/sh", "-c", "echo $$; kill -SEGV $$"]);
    let child = process
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let pid = child.id();
    let result = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&result.stdout).trim(), pid.to_string());
    assert_eq!(result.status.signal(), Some(libc::SIGSEGV));
    assert_eq!(reports(&result).len(), 1, "printed by the helper: {}", stderr(&result));
    let missing = output(run(&folder, &["--exec"], &["no-such-command-anywhere"]));
    assert_eq!(missing.status.code(), Some(127));
}

#[test]
fn an_installed_folder_serves_without_a_supervisor() {
    let folder = Folder::new();
    let mut install = bare(COLDFRAME.as_ref(), &folder);
    install.arg("install").arg(folder.join("opt"));
    let result = output(install);
    assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
    let mut env = bare(folder.join("opt/coldframe").as_os_str(), &folder);
    env.args(["env", "-o"]).arg(folder.join("dumps"));
    let result = output(env);
    assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
    let lines = String::from_utf8_lossy(&result.stdout).into_owned();
    // The handler itself, or a name for it that loaders of 32 bits read, too.
    let preload = lines.lines().find(|line| line.starts_with("export LD_PRELOAD="));
    let place = format!("{}/", folder.join("opt").display());
    assert!(preload.is_some_and(|line| line.contains(&place)), "{lines}");
    // As a container's entry point would.
    let mut shell = bare("/bin/sh".as_ref(), &folder);
    shell.args(["-c", &format!("{lines}\nexec /bin/sh -c 'kill -SEGV $$'")]);
    let result = output(shell);
    assert_eq!(result.status.signal(), Some(libc::SIGSEGV));
    assert!(
        stderr(&result).contains("SUMMARY: coldframe: SIGSEGV"),
        "{}",
        stderr(&result)
    );
    assert_eq!(dumps(&folder).len(), 1);
    for (form, beginning) in [("docker", "ENV LD_PRELOAD="), ("systemd", "Environment=\"LD_PRELOAD=")] {
        let mut env = bare(folder.join("opt/coldframe").as_os_str(), &folder);
        env.args(["env", "--format", form]);
        let text = String::from_utf8_lossy(&output(env).stdout).into_owned();
        assert!(text.lines().any(|line| line.starts_with(beginning)), "{text}");
    }
}

#[test]
fn the_doctor_tries_what_a_crash_needs() {
    let folder = Folder::new();
    let doctor = || {
        let mut process = bare(COLDFRAME.as_ref(), &folder);
        process.arg("doctor");
        process
    };
    let result = output(doctor());
    let text = String::from_utf8_lossy(&result.stdout).into_owned();
    assert_eq!(result.status.code(), Some(0), "{text} {}", stderr(&result));
    for check in ["handler", "dump folder", "ptrace", "process_vm_readv", "crash"] {
        assert!(
            text.lines().any(|line| line.starts_with(&format!("ok    {check}"))),
            "{check}: {text}"
        );
    }
    // Something that is not as it should be is named, with what to do.
    let mut broken = doctor();
    broken.env("COLDFRAME_DIR", "/proc/nowhere");
    let result = output(broken);
    let text = String::from_utf8_lossy(&result.stdout).into_owned();
    assert_eq!(result.status.code(), Some(1), "{text}");
    assert!(
        text.contains("bad   dump folder: /proc/nowhere cannot be written"),
        "{text}"
    );
}
