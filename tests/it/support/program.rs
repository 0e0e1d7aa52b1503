//! Building and running the programs of the tests.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::{ptrace, wait};
use nix::unistd::Pid;

/// Compiles `tests/it/programs/SOURCE` into `folder`.
pub fn compile(source: &str, folder: &Path, flags: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/programs")
        .join(source);
    let program = folder.join("program");
    // Flags last: libraries come after what needs them.
    let status = Command::new("cc")
        .arg("-o")
        .args([&program, &source])
        .args(flags)
        .status()
        .unwrap();
    assert!(status.success(), "cc failed");
    program
}

/// Runs a tool of binutils.
pub fn tool(name: &str, arguments: &[&std::ffi::OsStr]) {
    let status = Command::new(name).args(arguments).status().unwrap();
    assert!(status.success(), "{name} failed");
}

/// A program that says `ready` and waits for a line; killed when dropped.
pub struct Running(Child);

impl Running {
    pub fn start(command: &mut Command) -> Running {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        Running(child)
    }

    pub fn pid(&self) -> i32 {
        self.0.id() as i32
    }

    /// Lets it go on into the `count`-th fault, and leaves it stopped there.
    pub fn run_into_fault(&mut self, count: usize) {
        let pid = Pid::from_raw(self.pid());
        ptrace::seize(pid, ptrace::Options::empty()).unwrap();
        self.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        for nth in 1..=count {
            let wait::WaitStatus::Stopped(_, signal) = wait::waitpid(pid, None).unwrap() else {
                panic!("the program did not fault")
            };
            if nth < count {
                ptrace::cont(pid, signal).unwrap();
            }
        }
        ptrace::detach(pid, Signal::SIGSTOP).unwrap();
        self.wait_stopped();
    }

    /// Stops it wherever it is.
    pub fn stop(&self) {
        kill(Pid::from_raw(self.pid()), Signal::SIGSTOP).unwrap();
        self.wait_stopped();
    }

    fn wait_stopped(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
            let stopped = tasks.flatten().all(|task| {
                let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
                stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
            });
            if stopped {
                return;
            }
            assert!(Instant::now() < deadline, "the program did not stop");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have died already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The pcs of every thread as gdb sees them, innermost first, without the inlined and tail
/// calls that it works out. `None` where
/// there is no gdb.
pub fn gdb_stacks(pid: i32) -> Option<BTreeMap<i32, Vec<u64>>> {
    const SCRIPT: &str = "
import gdb
gdb.execute('set backtrace past-main on')
for thread in gdb.selected_inferior().threads():
    thread.switch()
    frame, pcs = gdb.newest_frame(), []
    while frame is not None and frame.is_valid():
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            pcs.append('%x' % frame.pc())
        try:
            frame = frame.older()
        except gdb.error:
            break
    print('STACK', thread.ptid[1], *pcs)
";
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("stacks.py");
    std::fs::write(&script, SCRIPT).unwrap();
    let output = Command::new("gdb")
        .args(["-nx", "-batch", "-p", &pid.to_string(), "-x"])
        .arg(script)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let stacks: BTreeMap<i32, Vec<u64>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("STACK "))
        .map(|line| {
            let mut words = line.split_whitespace();
            let tid = words.next().unwrap().parse().unwrap();
            let pcs = words.map(|hex| u64::from_str_radix(hex, 16).unwrap()).collect();
            (tid, pcs)
        })
        .collect();
    assert!(
        !stacks.is_empty(),
        "gdb said: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(stacks)
}
