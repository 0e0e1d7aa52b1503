//! Stopping the threads of a process, and letting them go.

// waitpid and PTRACE_DETACH are called as libc has them: the wrappers of nix have no real-time
// signals, which glibc itself uses (SIGCANCEL, SIGSETXID), and would lose one that is pending.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::unistd::Pid;

use super::{Access, process};
use crate::notes::Notes;
use crate::source::{Registers, Thread};

/// How long one thread may take to stop: a running thread takes microseconds, one that sleeps
/// uninterruptibly (state D, as in vfork) may take for ever.
const THREAD_PATIENCE: Duration = Duration::from_millis(200);
/// How often the list of threads is read again; each round only finds threads that were started
/// while the one before was being stopped.
const MAX_ROUNDS: usize = 16;
/// The most threads that are stopped; the kernel's own limit is far above what any report shows.
const MAX_THREADS: usize = 20_000;
/// High bits of a wait status for PTRACE_EVENT_STOP (linux/ptrace.h).
const EVENT_STOP: i32 = 128;

/// How far a thread got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Seized and interrupted, not yet seen to stop.
    Awaited,
    /// Stopped. The signal that was on its way to the thread, or 0.
    Stopped { pending_signal: i32 },
    /// May not be traced, or did not stop in time (then it is still seized).
    Running { seized: bool },
    /// Ended, but listed until the last thread has ended: a main thread that called pthread_exit.
    Ended,
}

/// Threads held by ptrace; dropping lets them go.
pub struct StoppedThreads {
    /// In the order of the kernel's list, which is by age: the main thread first.
    states: BTreeMap<u32, State>,
}

impl StoppedThreads {
    /// Stops all threads of `pid` that can be stopped before `deadline`; none where that may not be tried.
    pub fn stop(pid: u32, access: Access, deadline: Instant, notes: &Notes) -> StoppedThreads {
        let mut threads = StoppedThreads {
            states: BTreeMap::new(),
        };
        let seize = |tid| match access {
            Access::Any => seize(tid),
            Access::Files | Access::Served(_) => Err(Errno::EPERM),
        };
        let mut denied: Option<Errno> = None;
        for _ in 0..MAX_ROUNDS {
            let new: Vec<u32> = list_threads(pid)
                .into_iter()
                .filter(|tid| !threads.states.contains_key(tid))
                .collect();
            if new.is_empty() {
                break;
            }
            // All are interrupted before the first is waited for: they stop at about the same moment.
            for &tid in &new {
                match seize(tid) {
                    Ok(()) => {
                        threads.states.insert(tid, State::Awaited);
                    }
                    Err(Errno::ESRCH) if !thread_exists(pid, tid) => {}
                    Err(_) if process::is_zombie(pid, tid) => {
                        threads.states.insert(tid, State::Ended);
                    }
                    Err(error) => {
                        denied = denied.or(Some(error));
                        threads.states.insert(tid, State::Running { seized: false });
                    }
                }
            }
            for tid in new {
                threads.await_stop(tid, deadline);
            }
        }
        threads.note_running(denied, access, notes);
        threads
    }

    /// A thread that has not ended, if possible one that is stopped: its files below /proc tell of the process.
    pub fn reader(&self) -> Option<u32> {
        let find = |wanted: fn(&State) -> bool| {
            let mut states = self.states.iter();
            states.find(|(_, state)| wanted(state)).map(|(tid, _)| *tid)
        };
        find(|state| matches!(state, State::Stopped { .. })).or_else(|| find(|state| *state != State::Ended))
    }

    /// Whether some may not be traced.
    pub fn is_denied(&self) -> bool {
        self.states
            .values()
            .any(|state| *state == State::Running { seized: false })
    }

    /// All threads with names and, where stopped, registers. With `inner_ids` their ids are those of
    /// the pid namespace they live in.
    pub fn describe(&self, pid: u32, inner_ids: bool) -> Vec<Thread> {
        let mut list: Vec<_> = self.states.iter().collect();
        // Ids wrap around, so a younger thread may have a lower one; the main thread is always `pid`.
        list.sort_by_key(|(tid, _)| (**tid != pid, **tid));
        list.into_iter()
            .map(|(&tid, state)| {
                let directory = format!("/proc/{pid}/task/{tid}");
                let name = fs::read(format!("{directory}/comm")).ok();
                Thread {
                    tid: if inner_ids {
                        process::inner_id(&directory).unwrap_or(tid)
                    } else {
                        tid
                    },
                    name: name.map(|text| String::from_utf8_lossy(text.trim_ascii_end()).into_owned()),
                    registers: match state {
                        State::Stopped { .. } => registers(tid),
                        State::Running { .. } => sleeping_registers(&directory),
                        State::Awaited | State::Ended => None,
                    },
                }
            })
            .collect()
    }

    /// Waits until one thread has stopped, ended, or run out of time.
    fn await_stop(&mut self, tid: u32, deadline: Instant) {
        if self.states.get(&tid) != Some(&State::Awaited) {
            return;
        }
        let deadline = deadline.min(Instant::now() + THREAD_PATIENCE);
        let mut pause = Duration::from_micros(20);
        loop {
            match wait(tid) {
                Ok(Some(status)) if libc::WIFSTOPPED(status) => {
                    let pending_signal = if status >> 16 == EVENT_STOP {
                        0
                    } else {
                        libc::WSTOPSIG(status)
                    };
                    self.states.insert(tid, State::Stopped { pending_signal });
                    return;
                }
                // Ended, by itself or with the process.
                Ok(Some(_)) | Err(Errno::ECHILD) => {
                    self.states.remove(&tid);
                    return;
                }
                Ok(None) | Err(_) => {}
            }
            if Instant::now() >= deadline {
                self.states.insert(tid, State::Running { seized: true });
                return;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(2));
        }
    }

    fn note_running(&self, denied: Option<Errno>, access: Access, notes: &Notes) {
        let count = |wanted| {
            self.states
                .values()
                .filter(|state| **state == State::Running { seized: wanted })
                .count()
        };
        let (denied_count, late_count) = (count(false), count(true));
        if let Access::Served(_) = access {
            notes.push(
                "capture",
                "the process may not be looked at, so that the thread that crashed handed out its memory",
                "other threads have their Python frames alone, and no registers and native frames; they could not be \
                 stopped, so the memory may have changed while it was read",
                "a program that changes its user or group can set PR_SET_DUMPABLE to 1 afterwards; else allow ptrace: \
                 kernel.yama.ptrace_scope, the container's seccomp profile, SYS_PTRACE",
            );
        } else if let (Some(error), true) = (denied, denied_count > 0) {
            notes.push(
                "capture",
                format!(
                    "{denied_count} of {} threads could not be stopped: {}",
                    self.states.len(),
                    error.desc()
                ),
                "of those that sleep, the stack begins at the system call and lacks what only registers hold; of those \
                 that run it is missing; the memory of the process may have changed while it was read",
                "end a debugger that holds them, or allow ptrace: kernel.yama.ptrace_scope, the container's seccomp \
                 profile, SYS_PTRACE",
            );
        }
        if late_count > 0 {
            notes.push(
                "capture",
                format!("{late_count} of {} threads did not stop in time", self.states.len()),
                "such a thread sleeps in the kernel and cannot be interrupted; its stack lacks what only registers hold",
                "",
            );
        }
    }
}

impl Drop for StoppedThreads {
    fn drop(&mut self) {
        for (&tid, state) in &self.states {
            match *state {
                State::Stopped { pending_signal } => detach(tid, pending_signal),
                // Only a stopped thread can be let go; it may have stopped by now. Otherwise the kernel
                // lets it go when this process ends, and delivers what was pending.
                State::Awaited | State::Running { seized: true } => {
                    if let Ok(Some(status)) = wait(tid)
                        && libc::WIFSTOPPED(status)
                    {
                        detach(
                            tid,
                            if status >> 16 == EVENT_STOP {
                                0
                            } else {
                                libc::WSTOPSIG(status)
                            },
                        );
                    }
                }
                State::Running { seized: false } | State::Ended => {}
            }
        }
    }
}

fn list_threads(pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.take(MAX_THREADS).collect()
}

fn thread_exists(pid: u32, tid: u32) -> bool {
    fs::exists(format!("/proc/{pid}/task/{tid}")).unwrap_or(false)
}

fn seize(tid: u32) -> Result<(), Errno> {
    let tid = Pid::from_raw(tid.cast_signed());
    ptrace::seize(tid, ptrace::Options::empty())?;
    ptrace::interrupt(tid)
}

/// The wait status of a thread, `None` where it has none to report.
fn wait(tid: u32) -> Result<Option<i32>, Errno> {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the result, and WNOHANG keeps the call from blocking.
    let result = unsafe { libc::waitpid(tid.cast_signed(), &raw mut status, libc::__WALL | libc::WNOHANG) };
    match Errno::result(result)? {
        0 => Ok(None),
        _ => Ok(Some(status)),
    }
}

/// Lets a stopped thread go on, and gives it the signal that was on its way to it. One that a job
/// control signal had stopped stays stopped.
fn detach(tid: u32, signal: i32) {
    // SAFETY: PTRACE_DETACH reads no memory; the last argument is the signal number by value. It
    // fails only where the thread has ended, and then there is nothing to let go.
    unsafe {
        libc::ptrace(
            libc::PTRACE_DETACH,
            tid.cast_signed(),
            std::ptr::null_mut::<libc::c_void>(),
            i64::from(signal),
        );
    }
}

fn registers(tid: u32) -> Option<Registers> {
    let r = ptrace::getregs(Pid::from_raw(tid.cast_signed())).ok()?;
    Some(Registers {
        dwarf: [
            r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14,
            r.r15, r.rip,
        ],
        fs_base: Some(r.fs_base),
        // Of use at the fault alone, whose registers the handler tells.
        vectors: None,
    })
}

/// What `/proc/PID/task/TID/syscall` tells of a thread that sleeps in a system call (proc_pid_syscall(5)): its stack
/// pointer and program counter, the last two of the line. Nothing of a thread that runs. The other registers are not
/// known; a stack that needs them ends early.
fn sleeping_registers(directory: &str) -> Option<Registers> {
    parse_syscall(&fs::read_to_string(format!("{directory}/syscall")).ok()?)
}

fn parse_syscall(line: &str) -> Option<Registers> {
    let mut words = line.split_whitespace().rev();
    let mut hex = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    let (pc, sp) = (hex()?, hex()?);
    let mut registers = Registers::default();
    registers.dwarf[Registers::RSP] = sp;
    registers.dwarf[Registers::RIP] = pc;
    (pc != 0 && sp != 0).then_some(registers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeping_thread_tells_two_registers() {
        let line = "202 0x7f1 0x80 0x0 0x0 0x0 0x0 0x7ffd3f6ff000 0x7f67acbd8f4d\n";
        let registers = parse_syscall(line).expect("a sleeping thread");
        assert_eq!(
            (registers.sp().0, registers.pc().0),
            (0x7ffd_3f6f_f000, 0x7f67_acbd_8f4d)
        );
        assert!(parse_syscall("running\n").is_none() && parse_syscall("").is_none());
        assert!(parse_syscall("-1 0x0 0x0\n").is_none());
    }
}
