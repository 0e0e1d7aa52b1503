//! `coldframe dump` where ptrace is denied: the handler inside the process is asked.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::harness::{COLDFRAME, Folder, bare, output, python, stderr};

/// Runs its arguments without ptrace(2), process_vm_readv(2), and pread(2) at offsets that are addresses, as Yama denies
/// them.
const DENIED: &str = r"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int count, char **arguments) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pread64, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3]) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
    };
    struct sock_fprog program = { 8, code };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 3;
    execv(arguments[1], arguments + 1);
    return 4;
}
";

const PATIENT: &str = "
import os, signal, sys
if 'block' in sys.argv:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGSYS])
if 'late' in sys.argv:
    # A question as wire::Question has it, which lay there for a thousand seconds.
    import ctypes, struct, time
    value = 0xcf09 << 48 | ((int(time.monotonic()) - 1000) & 0xffff) << 32 | 1
    siginfo = struct.pack('<6iQ', 31, 0, -1, 0, os.getpid(), os.getuid(), value).ljust(128, b'\\0')
    if ctypes.CDLL(None).syscall(129, os.getpid(), 31, siginfo):
        sys.exit('rt_sigqueueinfo fails')
if 'handle' in sys.argv:
    signal.signal(signal.SIGSYS, lambda *_: print('handled', flush=True))

def patient():
    certain_number = 271828
    print(os.getpid(), flush=True)
    return sys.stdin.readline()

print('got', patient(), end='', flush=True)
";

/// A patient program, and a place from where it may not be looked at.
struct Scene {
    folder: Folder,
    denied: PathBuf,
    child: Child,
    lines: BufReader<ChildStdout>,
    pid: i32,
}

impl Scene {
    /// Starts the program under `coldframe run` with these changes.
    fn new(argument: &str, change: impl FnOnce(&mut Command)) -> Option<Scene> {
        let (folder, python) = (Folder::new(), python()?);
        let denied = folder.compile("gcc", "denied", DENIED, &[])?;
        let program = folder.join("patient.py");
        fs::write(&program, PATIENT).expect("the program");
        let mut process = bare(COLDFRAME.as_ref(), &folder);
        process
            .args(["run", "--report", "json", "-o", "dumps", "--", "env"])
            .args([python, program])
            .arg(argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        change(&mut process);
        let mut child = process.spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        lines.read_line(&mut line).expect("a line");
        Some(Scene {
            folder,
            denied,
            child,
            lines,
            pid: line.trim().parse().expect("a pid"),
        })
    }

    fn dump(&self, arguments: &[&str]) -> Output {
        let mut process = bare(self.denied.as_os_str(), &self.folder);
        process
            .args([COLDFRAME, "dump", &self.pid.to_string(), "--report", "json"])
            .args(arguments)
            .env("COLDFRAME_DIR", self.folder.join("elsewhere"));
        output(process)
    }

    fn files(&self, folder: &str) -> usize {
        fs::read_dir(self.folder.join(folder)).map_or(0, Iterator::count)
    }

    /// Lets the program go on; what it printed since, and what `run` did. It ends in order.
    fn finish(mut self) -> (String, String) {
        self.child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(b"it\n")
            .expect("a write");
        let (mut printed, mut said) = (String::new(), String::new());
        self.lines.read_to_string(&mut printed).expect("the rest");
        let mut stderr = self.child.stderr.take().expect("a pipe");
        stderr.read_to_string(&mut said).expect("what it says");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status} {said}");
        (printed, said)
    }
}

fn report(result: &Output) -> Value {
    serde_json::from_slice(&result.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(result)))
}

#[test]
fn the_handler_is_asked_and_the_process_goes_on() {
    let Some(scene) = Scene::new("", |_| {}) else { return };
    let result = scene.dump(&[]);
    assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
    let first = report(&result);
    assert_eq!(first["trigger"], "request");
    let threads = first["threads"].to_string();
    assert!(threads.contains("\"patient\"") && threads.contains("271828"), "{first}");
    assert!(!first["notes"].to_string().contains("could not be stopped"), "{first}");
    assert_eq!(
        (scene.files("dumps"), scene.files("elsewhere")),
        (1, 0),
        "by its own settings"
    );
    // Again, to a file of the caller's choice, which tells the same.
    let result = scene.dump(&["-o", "hang.dmp"]);
    assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
    assert_eq!(scene.files("dumps"), 1);
    let mut analyze = bare(COLDFRAME.as_ref(), &scene.folder);
    analyze.args(["analyze", "--format", "json", "hang.dmp"]);
    assert_eq!(report(&output(analyze))["threads"], report(&result)["threads"]);
    let (printed, said) = scene.finish();
    assert_eq!(printed, "got it\n");
    assert_eq!(said, "", "the report goes to who asked");
}

#[test]
fn a_handler_of_the_program_does_not_see_the_question() {
    let Some(scene) = Scene::new("handle", |_| {}) else {
        return;
    };
    let result = scene.dump(&[]);
    assert!(report(&result)["threads"].to_string().contains("\"patient\""));
    assert_eq!(scene.files("dumps"), 1);
    // Any other SIGSYS is the program's.
    kill(Pid::from_raw(scene.pid), Signal::SIGSYS).expect("it is there");
    let (printed, _) = scene.finish();
    assert_eq!(printed, "handled\ngot it\n");
}

/// The program is not asked, for that reason, and goes on.
fn refuses(scene: Option<Scene>, why: &str) {
    let Some(scene) = scene else { return };
    let result = scene.dump(&[]);
    assert!(stderr(&result).contains(why), "{}", stderr(&result));
    assert_eq!(scene.finish().0, "got it\n");
}

#[test]
fn nobody_is_asked_who_would_not_answer() {
    let off = |process: &mut Command| {
        process.env("COLDFRAME_IGNORE", "python*");
    };
    refuses(Scene::new("", off), "the crash handler is not in force");
    refuses(Scene::new("block", |_| {}), "every thread blocks SIGSYS");
}

#[test]
fn a_late_question_is_dropped_and_a_plain_signal_is_a_crash() {
    let Some(mut scene) = Scene::new("late", |_| {}) else {
        return;
    };
    assert_eq!(scene.files("dumps"), 0);
    kill(Pid::from_raw(scene.pid), Signal::SIGSYS).expect("it is there");
    let mut said = String::new();
    let mut stderr = scene.child.stderr.take().expect("a pipe");
    stderr.read_to_string(&mut said).expect("what it says");
    let status = scene.child.wait().expect("it ends");
    assert_eq!(status.signal(), Some(libc::SIGSYS), "{said}");
    assert_eq!(scene.files("dumps"), 1, "{said}");
}
