//! `run` ends as its command did, and is not in its way: streams, signals, job control, descriptors.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::harness::{COLDFRAME, Folder, bare, can_unshare, coldframe_run, output, python, stderr};

/// A shell script with every disposition at its default: a shell that starts these tests in the background ignores INT
/// and QUIT, and what is ignored at its start no shell can trap.
fn sh(folder: &Folder, script: &str) -> std::process::Command {
    coldframe_run(folder, &["env", "--default-signal", "/bin/sh", "-c", script])
}

/// Starts a command whose output is read here, and waits for its first line.
fn start(mut process: std::process::Command) -> (Child, String) {
    let mut child = process.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("a pipe"))
        .read_line(&mut line)
        .expect("a line");
    (child, line.trim().to_owned())
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id() as i32)
}

#[test]
fn exit_codes_are_the_commands() {
    let folder = Folder::new();
    for code in [0, 1, 2, 77, 255] {
        assert_eq!(output(sh(&folder, &format!("exit {code}"))).status.code(), Some(code));
    }
}

#[test]
fn death_by_a_signal_is_passed_on_without_a_core() {
    let folder = Folder::new();
    for signal in [
        Signal::SIGTERM,
        Signal::SIGKILL,
        Signal::SIGINT,
        Signal::SIGSEGV,
        Signal::SIGABRT,
        Signal::SIGPIPE,
    ] {
        let result = output(sh(&folder, &format!("kill -{} $$", signal as i32)));
        assert_eq!(result.status.signal(), Some(signal as i32), "{}", stderr(&result));
        assert!(!result.status.core_dumped());
    }
}

#[test]
fn a_realtime_signal_is_passed_on_too() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    let script = "import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 3)";
    let command = [python.as_os_str(), "-c".as_ref(), script.as_ref()];
    let result = output(coldframe_run(&folder, &command));
    assert_eq!(result.status.signal(), Some(libc::SIGRTMIN() + 3));
}

#[test]
fn what_cannot_be_run_ends_as_in_a_shell() {
    let folder = Folder::new();
    let result = output(coldframe_run(&folder, &["no-such-command-anywhere"]));
    assert_eq!(result.status.code(), Some(127));
    assert!(
        stderr(&result).contains("no-such-command-anywhere"),
        "{}",
        stderr(&result)
    );
    for path in ["/etc/passwd", "/"] {
        let result = output(coldframe_run(&folder, &[path]));
        assert_eq!(result.status.code(), Some(126), "{path}");
        assert!(stderr(&result).contains(path));
    }
    assert_eq!(
        output({
            let mut run = bare(COLDFRAME.as_ref(), &folder);
            run.arg("run");
            run
        })
        .status
        .code(),
        Some(2)
    );
}

#[test]
fn streams_are_untouched() {
    let folder = Folder::new();
    let mut child = sh(&folder, "cat; echo err >&2; exit 3")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(b"in\0out")
        .expect("a write");
    let result = child.wait_with_output().expect("it ends");
    assert_eq!(
        (result.stdout.as_slice(), result.stderr.as_slice()),
        (&b"in\0out"[..], &b"err\n"[..])
    );
    assert_eq!(result.status.code(), Some(3));
    assert!(!folder.join("dumps").exists(), "no dump, no folder");
}

#[test]
fn no_descriptor_mask_or_disposition_leaks() {
    let folder = Folder::new();
    let script = "ls -l /proc/self/fd | wc -l; grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status";
    let with = output(coldframe_run(&folder, &["/bin/sh", "-c", script]));
    let mut plain = bare("/bin/sh".as_ref(), &folder);
    plain.args(["-c", script]);
    let without = output(plain);
    let lines = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes)
            .lines()
            .filter(|line| !line.starts_with("SigCgt"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(&with.stdout), lines(&without.stdout));
}

#[test]
fn ignored_signals_and_closed_descriptors_stay_so() {
    let folder = Folder::new();
    // HUP as under nohup; standard input closed. No shell under `run`: dash sets SIGCHLD itself.
    let show = |command: &str| {
        let script = format!("exec env --ignore-signal=CHLD,PIPE,HUP {COLDFRAME} run -- {command} 0<&-");
        let mut shell = bare("/bin/sh".as_ref(), &folder);
        shell.args(["-c", &script]);
        let result = output(shell);
        assert_eq!(stderr(&result), "");
        String::from_utf8_lossy(&result.stdout).into_owned()
    };
    let text = show("cat /proc/self/status");
    let mask = text
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .expect("a mask");
    let mask = u64::from_str_radix(mask.trim(), 16).expect("hex");
    for signal in [Signal::SIGPIPE, Signal::SIGHUP, Signal::SIGCHLD] {
        assert_ne!(mask & (1 << (signal as i32 - 1)), 0, "{signal} in {mask:x}");
    }
    assert_eq!(
        show("readlink /proc/self/fd/0"),
        "",
        "the closed descriptor stays closed"
    );
}

#[test]
fn signals_are_forwarded_within_a_second() {
    let folder = Folder::new();
    let trap = |name| format!("trap 'exit 42' {name}; echo ready; while :; do sleep 0.05; done");
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGWINCH,
    ] {
        let (mut child, _) = start(sh(&folder, &trap(&signal.as_str()[3..])));
        let sent = Instant::now();
        kill(pid(&child), signal).expect("kill");
        assert_eq!(child.wait().expect("it ends").code(), Some(42), "{signal}");
        assert!(
            sent.elapsed() < Duration::from_secs(1),
            "{signal} took {:?}",
            sent.elapsed()
        );
    }
    // A command that does not handle it dies of it, and so does the supervisor.
    let (mut child, _) = start(sh(&folder, "echo ready; exec sleep 60"));
    kill(pid(&child), Signal::SIGTERM).expect("kill");
    assert_eq!(child.wait().expect("it ends").signal(), Some(Signal::SIGTERM as i32));
}

#[test]
fn the_command_stops_and_continues_as_a_job() {
    let folder = Folder::new();
    // A group of its own, as a shell makes it: in one whose parents all lie outside the session, which is what a CI
    // runner starts, the kernel lets nobody stop (POSIX 3.244, orphaned process group).
    let mut process = sh(&folder, "echo $$; read x; exit 9").stdin_piped();
    process.process_group(0);
    let (mut child, line) = start(process);
    let command = Pid::from_raw(line.parse().expect("a pid"));
    for (target, signal) in [(command, Signal::SIGSTOP), (pid(&child), Signal::SIGTSTP)] {
        kill(target, signal).expect("kill");
        let status = waitpid(pid(&child), Some(WaitPidFlag::WUNTRACED)).expect("a status");
        assert_eq!(
            status,
            WaitStatus::Stopped(pid(&child), Signal::SIGSTOP),
            "the shell sees its job stop"
        );
        kill(pid(&child), Signal::SIGCONT).expect("kill");
        let deadline = Instant::now() + Duration::from_secs(5);
        while std::fs::read_to_string(format!("/proc/{command}/stat"))
            .expect("the command")
            .contains(") T")
        {
            assert!(Instant::now() < deadline, "the command was not continued");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    child.stdin.take().expect("a pipe").write_all(b"\n").expect("a write");
    assert_eq!(child.wait().expect("it ends").code(), Some(9));
}

trait StdinPiped {
    fn stdin_piped(self) -> Self;
}

impl StdinPiped for std::process::Command {
    fn stdin_piped(mut self) -> Self {
        self.stdin(Stdio::piped());
        self
    }
}

#[test]
fn an_interrupt_at_the_terminal_arrives_once() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    // A new session with a pseudo terminal, on which ^C is typed; the command counts what arrives.
    let driver = r"
import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b''
while b'ready' not in seen:
    seen += os.read(fd, 1000)
os.write(fd, b'\x03')
try:
    while True:
        data = os.read(fd, 1000)
        if not data:
            break
        seen += data
except OSError:
    pass
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen)
";
    let command = r"
import signal, time
count = 0
def handler(*_):
    global count
    count += 1
signal.signal(signal.SIGINT, handler)
print('ready', flush=True)
end = time.monotonic() + 0.7
while time.monotonic() < end:
    time.sleep(0.05)
print('count', count)
";
    let mut process = bare(python.as_os_str(), &folder);
    process
        .arg("-c")
        .arg(driver)
        .args([COLDFRAME, "run", "--"])
        .arg(&python)
        .arg("-c")
        .arg(command);
    let result = output(process);
    let text = String::from_utf8_lossy(&result.stdout).into_owned();
    assert!(
        text.starts_with("0 ") && text.contains("count 1"),
        "{text} {}",
        stderr(&result)
    );
}

#[test]
fn the_ending_does_not_wait_for_grandchildren() {
    let folder = Folder::new();
    let started = Instant::now();
    let mut process = sh(&folder, "sleep 5 >/dev/null 2>&1 & exit 4");
    let mut child = process
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    assert_eq!(child.wait().expect("it ends").code(), Some(4));
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[test]
fn as_pid_1_it_reaps_orphans_and_exits_with_128_plus_signal() {
    if !can_unshare(&["--pid", "--fork", "--mount-proc"]) {
        return;
    }
    let folder = Folder::new();
    let run = |script: &str| {
        let mut process = bare("unshare".as_ref(), &folder);
        process.args([
            "--pid",
            "--fork",
            "--mount-proc",
            COLDFRAME,
            "run",
            "--report",
            "json",
            "--",
            "/bin/sh",
            "-c",
            script,
        ]);
        output(process)
    };
    assert_eq!(run("exit 6").status.code(), Some(6));
    let result = run("kill -SEGV $$");
    assert_eq!(result.status.code(), Some(139), "{}", stderr(&result));
    assert_eq!(crate::harness::reports(&result).len(), 1);
    // Ten orphans end while the command lives; none may be left as a zombie.
    let result = run(
        "for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.1 &) ; done; sleep 0.5; grep -l 'State:.Z' /proc/[0-9]*/status; true",
    );
    assert_eq!(String::from_utf8_lossy(&result.stdout), "");
    assert_eq!(result.status.code(), Some(0));
}

#[test]
fn a_crash_as_pid_1_exits_with_128_plus_signal() {
    let Some(python) = python() else { return };
    if !can_unshare(&["--pid", "--fork", "--mount-proc"]) {
        return;
    }
    let folder = Folder::new();
    let script = "import os,sys; os.execvp('unshare', ['unshare','--pid','--fork','--mount-proc', sys.executable, '-c', 'import os; os.abort()'])";
    let result = output(coldframe_run(
        &folder,
        &[python.as_os_str(), "-c".as_ref(), script.as_ref()],
    ));
    assert_eq!(result.status.code(), Some(134), "{}", stderr(&result));
    assert_eq!(crate::harness::reports(&result).len(), 1);
}

#[test]
fn it_starts_in_a_few_milliseconds() {
    let folder = Folder::new();
    let time = |mut process: std::process::Command| {
        let mut best = Duration::MAX;
        for _ in 0..20 {
            let started = Instant::now();
            assert!(process.status().expect("it runs").success());
            best = best.min(started.elapsed());
        }
        best
    };
    let plain = time(bare("/bin/true".as_ref(), &folder));
    let with = time(coldframe_run(&folder, &["/bin/true"]));
    // The target is 2 ms with an optimised build on an idle machine; this catches a comparison of megabytes.
    assert!(
        with < plain + Duration::from_millis(20),
        "plain {plain:?}, under run {with:?}"
    );
}

#[test]
fn a_closed_stderr_is_no_reason_to_fail() {
    let folder = Folder::new();
    let script = format!("exec 2>&-; exec {COLDFRAME} run -- /bin/sh -c 'kill -SEGV $$'");
    let mut shell = bare("/bin/sh".as_ref(), &folder);
    shell.args(["-c", &script]);
    assert_eq!(output(shell).status.signal(), Some(Signal::SIGSEGV as i32));
}
