//! A process that stands still at the signal that is going to kill it, before any handler has run.
//!
//! Everything that a program starts is followed by ptrace until one process gets the signal. Instead of it that process
//! gets a SIGSTOP, so that `analyze --pid` can look at it; then it gets what was meant for it, and dies as it would have.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::siginfo_t;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

const PAUSE: Duration = Duration::from_millis(2);

/// A stopped process, and the signal that it has yet to get.
pub struct Frozen {
    pub pid: Pid,
    thread: Pid,
    signal: Signal,
    info: siginfo_t,
}

/// Follows a program that waits to be continued (it stopped itself) until the signal is about to be delivered.
///
/// ptrace(2) answers to one thread only: the one that started the program.
pub fn at_signal(program: Pid, signal: Signal, deadline: Instant) -> Result<Frozen, String> {
    wait_until(deadline, || state(program) == Some('T'))?;
    let options = Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC;
    ptrace::seize(program, options).map_err(failed("PTRACE_SEIZE"))?;
    kill(program, Signal::SIGCONT).map_err(failed("SIGCONT"))?;
    let mut traced = BTreeSet::from([program]);
    let thread = follow(program, signal, deadline, &mut traced).inspect_err(|_| {
        // Else what hangs would run beside the tests that follow.
        for &thread in &traced {
            let _ = kill(thread, Signal::SIGKILL);
        }
    })?;
    let info = ptrace::getsiginfo(thread).map_err(failed("PTRACE_GETSIGINFO"))?;
    let pid = process_of(thread).ok_or("the process is gone")?;
    // Its other threads are held until the stop is under way, so that none gets further.
    traced.extend(tasks(pid));
    let others: Vec<Pid> = traced.iter().copied().filter(|&other| other != thread).collect();
    let held: Vec<(Pid, Option<Signal>)> = others.into_iter().filter_map(|other| hold(other, deadline)).collect();
    ptrace::detach(thread, Signal::SIGSTOP).map_err(failed("PTRACE_DETACH"))?;
    for (other, pending) in held {
        let _ = ptrace::detach(other, pending);
    }
    let frozen = Frozen {
        pid,
        thread,
        signal,
        info,
    };
    let is_still = |task| matches!(state(task), Some('T' | 'Z') | None);
    wait_until(deadline, || tasks(pid).into_iter().all(is_still))?;
    Ok(frozen)
}

/// Adds to `traced` what a program starts; the thread that is about to get the signal.
fn follow(program: Pid, signal: Signal, deadline: Instant, traced: &mut BTreeSet<Pid>) -> Result<Pid, String> {
    loop {
        match next(None, deadline)? {
            WaitStatus::Stopped(thread, which) if which == signal => {
                traced.insert(thread);
                return Ok(thread);
            }
            WaitStatus::Stopped(thread, which) => {
                traced.insert(thread);
                let _ = ptrace::cont(thread, which);
            }
            WaitStatus::PtraceEvent(thread, ..) => {
                traced.insert(thread);
                let _ = ptrace::cont(thread, None);
            }
            WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..) if pid == program => {
                return Err(format!("it ended without {signal}"));
            }
            WaitStatus::Exited(thread, _) | WaitStatus::Signaled(thread, ..) => {
                traced.remove(&thread);
            }
            _ => {}
        }
    }
}

impl Frozen {
    /// Lets it die.
    pub fn release(self, deadline: Instant) -> Result<(), String> {
        // The processor raises a fault again; what was sent has to be sent again, with the siginfo that it had.
        let is_fault = self.info.si_code > 0;
        if !is_fault {
            ptrace::seize(self.thread, Options::empty()).map_err(failed("PTRACE_SEIZE"))?;
            kill(self.pid, self.signal).map_err(failed("kill"))?;
        }
        kill(self.pid, Signal::SIGCONT).map_err(failed("SIGCONT"))?;
        if is_fault {
            return Ok(());
        }
        loop {
            match next(Some(self.thread), deadline)? {
                WaitStatus::Stopped(thread, which) if which == self.signal => {
                    ptrace::setsiginfo(thread, &self.info).map_err(failed("PTRACE_SETSIGINFO"))?;
                    return ptrace::detach(thread, self.signal).map_err(failed("PTRACE_DETACH"));
                }
                WaitStatus::Stopped(thread, which) => ptrace::cont(thread, which).map_err(failed("PTRACE_CONT"))?,
                WaitStatus::PtraceEvent(thread, ..) => ptrace::cont(thread, None).map_err(failed("PTRACE_CONT"))?,
                other => return Err(format!("unexpected: {other:?}")),
            }
        }
    }
}

/// Whether a program that is not below this thread's own may be traced; if not, says so.
pub fn is_permitted() -> bool {
    // Yama's 1 allows descendants only, and `analyze` is none of a sample's ancestors; root is free up to 2.
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let is_permitted = match scope.trim() {
        "" | "0" => may_seize(),
        "1" | "2" => nix::unistd::geteuid().is_root() && may_seize(),
        _ => false,
    };
    if !is_permitted {
        crate::tools::skip("ptrace: samples are not looked at while they stand at their crash");
    }
    is_permitted
}

/// Sandboxes deny it by seccomp.
fn may_seize() -> bool {
    let Ok(mut child) = std::process::Command::new("sleep").arg("60").spawn() else {
        return false;
    };
    let seized = ptrace::seize(Pid::from_raw(child.id() as i32), Options::empty());
    let _ = child.kill();
    let _ = child.wait();
    seized.is_ok()
}

/// Continues a supervisor that has stopped along with its command, which may be later than that goes on.
pub fn keep_going(supervisor: Pid) {
    if state(supervisor) == Some('T') {
        let _ = kill(supervisor, Signal::SIGCONT);
    }
}

/// Stops a traced thread; the signal that it was about to get, where it has one.
fn hold(thread: Pid, deadline: Instant) -> Option<(Pid, Option<Signal>)> {
    ptrace::interrupt(thread).ok()?;
    match next(Some(thread), deadline).ok()? {
        WaitStatus::Stopped(_, signal) => Some((thread, Some(signal))),
        WaitStatus::PtraceEvent(..) => Some((thread, None)),
        _ => None,
    }
}

/// The next change of a traced thread, or of any of this thread's own.
fn next(thread: Option<Pid>, deadline: Instant) -> Result<WaitStatus, String> {
    let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD | WaitPidFlag::WNOHANG;
    loop {
        match waitpid(thread, Some(flags)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => {}
            Ok(status) => return Ok(status),
            Err(error) => return Err(format!("waitpid: {error}")),
        }
        if Instant::now() > deadline {
            return Err("the signal did not come".to_string());
        }
        std::thread::sleep(PAUSE);
    }
}

fn wait_until(deadline: Instant, condition: impl Fn() -> bool) -> Result<(), String> {
    while !condition() {
        if Instant::now() > deadline {
            return Err("it did not stop".to_string());
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

fn failed(what: &'static str) -> impl Fn(Errno) -> String {
    move |error| format!("{what}: {error}")
}

fn tasks(pid: Pid) -> Vec<Pid> {
    let folder = PathBuf::from(format!("/proc/{pid}/task"));
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.map(Pid::from_raw).collect()
}

/// The state letter of a task (proc(5)).
fn state(task: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{task}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The process that a thread belongs to.
fn process_of(thread: Pid) -> Option<Pid> {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok().map(Pid::from_raw)
}
