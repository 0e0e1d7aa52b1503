//! Running a program for its time, or for its memory.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Longer than this, and a tool counts as not coming to an end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a program ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Done,
    /// With a code or by a signal.
    Failed(String),
}

/// Wall time and processor time, in milliseconds.
pub struct Time {
    pub wall: f64,
    pub processor: f64,
}

/// Runs it to its end, or for a minute at most.
pub fn time(command: &mut Command, output: &Path) -> (Time, Outcome) {
    let processor = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the children's usage");
        let milliseconds = |value: nix::sys::time::TimeVal| value.tv_sec() as f64 * 1e3 + value.tv_usec() as f64 / 1e3;
        milliseconds(usage.user_time()) + milliseconds(usage.system_time())
    };
    let before = processor();
    let begin = Instant::now();
    let outcome = match start(command, output) {
        Ok(child) => wait(child, begin),
        Err(reason) => Outcome::Failed(reason),
    };
    let time = Time {
        wall: begin.elapsed().as_secs_f64() * 1e3,
        processor: processor() - before,
    };
    (time, outcome)
}

fn start(command: &mut Command, output: &Path) -> Result<Child, String> {
    let file = File::create(output).map_err(|error| error.to_string())?;
    command.stdout(file).spawn().map_err(|error| error.to_string())
}

fn wait(mut child: Child, begin: Instant) -> Outcome {
    let mut pause = Duration::from_micros(200);
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Outcome::Done,
            Ok(Some(status)) => return Outcome::Failed(status.to_string()),
            Ok(None) if begin.elapsed() < PATIENCE => std::thread::sleep(pause),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Outcome::Failed(format!("ended after {} s", PATIENCE.as_secs()));
            }
        }
        // A look costs nothing beside what takes long.
        pause = (begin.elapsed() / 200).max(pause);
    }
}

/// The most memory that it held at a time (VmHWM, pages of mapped files included), in MB: read when its main thread is
/// about to exit. Not by wait4: what the kernel counts there begins with the memory of whoever started it.
pub fn peak_memory(command: &mut Command, output: &Path) -> Option<f64> {
    let mut child = start(command, output).ok()?;
    let pid = Pid::from_raw(child.id().cast_signed());
    let peak = ptrace::seize(pid, ptrace::Options::PTRACE_O_TRACEEXIT)
        .ok()
        .and_then(|()| at_exit(pid));
    let _ = child.kill();
    let _ = child.wait();
    peak
}

fn at_exit(pid: Pid) -> Option<f64> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match waitpid(pid, Some(WaitPidFlag::WNOHANG)).ok()? {
            WaitStatus::PtraceEvent(..) => {
                let peak = high_water(pid);
                // What is about to exit does not see SIGKILL (ptrace(2)).
                ptrace::detach(pid, None).ok()?;
                return peak;
            }
            WaitStatus::Stopped(_, signal) => ptrace::cont(pid, signal).ok()?,
            WaitStatus::StillAlive => std::thread::sleep(Duration::from_millis(1)),
            _ => return None,
        }
    }
    None
}

fn high_water(pid: Pid) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes / 1024.0)
}
