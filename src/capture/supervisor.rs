//! Runs a command as if it had been run directly: same terminal, same process group, same signals, same ending.
//!
//! All waiting happens in one poll on a signalfd and the report channel; signals arrive as data, so there is no handler
//! and no race between a signal and the wait.
#![allow(unsafe_code)]

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{self, Command};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, kill, raise, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getpgid, getpgrp, getpid};
use thiserror::Error;

use super::channel::{Delivery, Listener, TIMEOUT};
use super::environment::Environment;
use super::{origin, tree};
use crate::report::model::Trigger;

/// Signals that go on to the command.
const FORWARDED: [Signal; 7] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
];
/// Signals of job control that go on to the command, which decides about them; this process stops when it has stopped.
const JOB_CONTROL: [Signal; 3] = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU];
/// `si_code` of what the terminal sends. It sends to the whole foreground group, so the command has it already.
const SI_KERNEL: i32 = 0x80;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this status.
    Exited(i32),
    /// The signal with this number killed it.
    Killed(i32),
    /// It had run for as long as it was allowed to, and was ended.
    TimedOut,
}

/// Exit status after [`Ending::TimedOut`], that of timeout(1).
pub const TIMED_OUT: i32 = 124;
/// How long processes that were asked to end may take.
const GRACE: Duration = Duration::from_secs(2);

/// What makes a supervisor look at the processes, apart from their crashes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    /// For how long the command may run.
    pub timeout: Option<Duration>,
    /// A signal to this process, before which the processes are to be captured. It goes on to the command.
    pub on_signal: Option<Signal>,
}

/// Who the supervisor reports to.
pub trait Observer {
    /// A process crashed and delivered its report.
    fn deliver(&mut self, delivery: &Delivery);
    /// Time to capture the processes below `root`: the time is up, or a person asked.
    fn capture(&mut self, root: i32, trigger: Trigger);
    /// A signal came that the command gets as well.
    fn forwarded(&mut self, _number: i32) {}
    /// The processes below `root` that must end with it.
    fn members(&mut self, root: i32) -> Vec<i32>;
}

/// Why a command could not be run or watched.
#[derive(Debug, Error)]
pub enum RunError {
    /// There is no such command.
    #[error("cannot run {}: {source}; check its name and PATH", command.display())]
    NotFound {
        /// As it was given.
        command: OsString,
        /// What the system said.
        source: io::Error,
    },
    /// The command is there but cannot be run.
    #[error("cannot run {}: {source}; check that it is a program and that you may execute it", command.display())]
    NotExecutable {
        /// As it was given.
        command: OsString,
        /// What the system said.
        source: io::Error,
    },
    /// A system call of the supervisor failed.
    #[error("cannot supervise the command: {action} failed: {source}")]
    System {
        /// Which.
        action: &'static str,
        /// What the system said.
        source: Errno,
    },
}

impl RunError {
    /// The exit status a shell gives for it.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 127,
            Self::NotExecutable { .. } => 126,
            Self::System { .. } => 125,
        }
    }
}

fn failed(action: &'static str) -> impl Fn(Errno) -> RunError {
    move |source| RunError::System { action, source }
}

/// Runs `command` with the changes of `environment` until it ends. What happens goes to `observer`, deliveries on
/// `listener` included.
///
/// # Errors
/// When the command cannot be started, with the exit status that belongs to it in [`RunError::exit_code`].
pub fn run(
    command: &[OsString],
    environment: &Environment,
    listener: &mut Option<Listener>,
    watch: Watch,
    observer: &mut dyn Observer,
) -> Result<Ending, RunError> {
    let mut signals: SigSet = FORWARDED
        .into_iter()
        .chain(JOB_CONTROL)
        .chain(watch.on_signal)
        .collect();
    signals.add(Signal::SIGCHLD);
    signals.add(Signal::SIGCONT);
    let original_mask = signals
        .thread_swap_mask(SigmaskHow::SIG_BLOCK)
        .map_err(failed("blocking signals"))?;
    // An inherited SIG_IGN would make the kernel throw the command's status away.
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler is involved.
    let original_child = unsafe { sigaction(Signal::SIGCHLD, &default) }.map_err(failed("sigaction"))?;
    let signal_fd =
        SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map_err(failed("signalfd"))?;

    let child = spawn(command, environment, original_mask, original_child)?;
    let mut supervisor = Supervisor { child, ending: None };
    let deadline = watch.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    while supervisor.ending.is_none() {
        wait_for_events(&signal_fd, listener.as_ref(), deadline)?;
        while let Ok(Some(info)) = signal_fd.read_signal() {
            let number = info.ssi_signo as i32;
            if watch.on_signal.is_some_and(|signal| signal as i32 == number) && supervisor.ending.is_none() {
                observer.capture(child.as_raw(), Trigger::Request);
            }
            observer.forwarded(number);
            supervisor.handle(number, info.ssi_code)?;
        }
        if let Some(listener) = listener {
            listener.receive(&mut |delivery| observer.deliver(delivery));
        }
        if supervisor.ending.is_none() && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            observer.capture(child.as_raw(), Trigger::Timeout);
            end_all(&observer.members(child.as_raw()));
            // Taken from the kernel, so that none is left as a zombie; how it ended is what was just done to it.
            supervisor.reap()?;
            supervisor.ending = Some(Ending::TimedOut);
        }
    }
    if let Some(listener) = listener {
        finish_deliveries(listener, observer);
    }
    Ok(supervisor.ending.unwrap_or(Ending::Exited(0)))
}

/// Starts the command with the signal mask, dispositions and descriptors this process was started with.
fn spawn(
    command: &[OsString],
    environment: &Environment,
    mask: SigSet,
    child_disposition: SigAction,
) -> Result<Pid, RunError> {
    let program = command.first().cloned().unwrap_or_default();
    let mut process = Command::new(&program);
    process
        .args(command.iter().skip(1))
        .envs(environment.set.iter().map(|(name, value)| (name, value)));
    let pipe_was_ignored = origin::pipe_was_ignored();
    // SAFETY: between fork and exec: only system calls on plain data.
    unsafe {
        process.pre_exec(move || {
            sigaction(Signal::SIGCHLD, &child_disposition)?;
            if pipe_was_ignored {
                let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
                sigaction(Signal::SIGPIPE, &ignore)?;
            }
            for fd in origin::closed_descriptors() {
                libc::close(fd);
            }
            mask.thread_set_mask()?;
            Ok(())
        });
    }
    match process.spawn() {
        Ok(child) => Ok(Pid::from_raw(child.id() as i32)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Err(RunError::NotFound {
            command: program,
            source,
        }),
        Err(source) => Err(RunError::NotExecutable {
            command: program,
            source,
        }),
    }
}

/// Asks processes to end, and ends those that do not.
fn end_all(pids: &[i32]) {
    let send = |signal| {
        pids.iter()
            .map(|&pid| kill(Pid::from_raw(pid), signal))
            .filter(Result::is_ok)
            .count()
    };
    send(Signal::SIGTERM);
    // A stopped one would not notice.
    send(Signal::SIGCONT);
    let end = Instant::now() + GRACE;
    while Instant::now() < end && pids.iter().any(|&pid| tree::is_alive(pid)) {
        std::thread::sleep(Duration::from_millis(10));
    }
    send(Signal::SIGKILL);
    let end = Instant::now() + GRACE;
    while Instant::now() < end && pids.iter().any(|&pid| tree::is_alive(pid)) {
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn wait_for_events(
    signal_fd: &SignalFd,
    listener: Option<&Listener>,
    deadline: Option<Instant>,
) -> Result<(), RunError> {
    let mut descriptors = vec![PollFd::new(signal_fd.as_fd(), PollFlags::POLLIN)];
    if let Some(listener) = listener {
        descriptors.extend(listener.descriptors().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    }
    // A connection that stays silent must time out.
    let timeout = match (listener.is_some_and(Listener::is_receiving), deadline) {
        (true, _) => PollTimeout::from(500u16),
        (false, Some(deadline)) => {
            // Rounded up; a deadline of weeks is asked for again.
            let left = deadline.saturating_duration_since(Instant::now()).as_millis() + 1;
            PollTimeout::from(u16::try_from(left).unwrap_or(u16::MAX))
        }
        (false, None) => PollTimeout::NONE,
    };
    match poll(&mut descriptors, timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(failed("poll")(error)),
    }
}

/// Other processes of the tree may be about to deliver when the command ends: what has begun is taken to its end.
fn finish_deliveries(listener: &mut Listener, observer: &mut dyn Observer) {
    let end = Instant::now() + TIMEOUT;
    loop {
        listener.receive(&mut |delivery| observer.deliver(delivery));
        if !listener.is_receiving() || Instant::now() >= end {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

struct Supervisor {
    child: Pid,
    ending: Option<Ending>,
}

impl Supervisor {
    fn handle(&mut self, number: i32, code: i32) -> Result<(), RunError> {
        match Signal::try_from(number) {
            Ok(Signal::SIGCHLD) => self.reap(),
            Ok(Signal::SIGCONT) => {
                // The shell continues the whole group, a person perhaps this process alone.
                if self.child_is_stopped() {
                    self.forward(Signal::SIGCONT);
                }
                Ok(())
            }
            Ok(signal) => {
                // What a person sent to the whole group by kill(2) arrives twice: it looks like what was sent to this
                // process alone, which must go on.
                if code != SI_KERNEL || getpgid(Some(self.child)) != Ok(getpgrp()) {
                    self.forward(signal);
                }
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    fn forward(&self, signal: Signal) {
        if self.ending.is_none() {
            // It fails when the command has ended, which the next SIGCHLD tells, or has changed its user.
            let _ = kill(self.child, signal);
        }
    }

    fn child_is_stopped(&self) -> bool {
        fs::read_to_string(format!("/proc/{}/stat", self.child)).is_ok_and(|stat| {
            stat.rsplit(')')
                .next()
                .is_some_and(|rest| rest.trim_start().starts_with('T'))
        })
    }

    /// Takes the state changes of the command and, as pid 1, the endings of orphans, which nobody else will take.
    fn reap(&mut self) -> Result<(), RunError> {
        let init = getpid().as_raw() == 1;
        while let Some((pid, status)) = wait_for_change(if init { -1 } else { self.child.as_raw() }) {
            if pid != self.child.as_raw() {
                continue;
            }
            if libc::WIFEXITED(status) {
                self.ending = Some(Ending::Exited(libc::WEXITSTATUS(status)));
            } else if libc::WIFSIGNALED(status) {
                self.ending = Some(Ending::Killed(libc::WTERMSIG(status)));
            } else if libc::WIFSTOPPED(status) && !init {
                // The shell sees its job stop. Pid 1 cannot stop, and has nobody to tell.
                raise(Signal::SIGSTOP).map_err(failed("stopping"))?;
            }
            if self.ending.is_some() && !init {
                break;
            }
        }
        Ok(())
    }
}

/// waitpid(2) without waiting. Not nix's, which cannot express that a realtime signal killed a process.
fn wait_for_change(pid: i32) -> Option<(i32, i32)> {
    let mut status = 0;
    // SAFETY: `status` is live.
    let pid = unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG | libc::WUNTRACED) };
    (pid > 0).then_some((pid, status))
}

/// Ends this process as the command ended: with its status, or by its signal and without a core of its own. Pid 1,
/// which such a signal does not reach, exits with 128 + signal.
pub fn end_as(ending: Ending) -> ! {
    let signal = match ending {
        Ending::Exited(code) => process::exit(code),
        Ending::Killed(signal) => signal,
        Ending::TimedOut => process::exit(TIMED_OUT),
    };
    if getpid().as_raw() != 1 {
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
        let _ = nix::sys::prctl::set_dumpable(false);
        // SAFETY: the default disposition involves no handler; the set is live and initialised by sigemptyset.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            // Not raise(3), which looks like abort(3) to the handler of a run that this one may be part of.
            libc::kill(libc::getpid(), signal);
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, signal);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        }
    }
    process::exit(128 + signal)
}
