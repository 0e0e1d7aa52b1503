//! Asking the handler inside a process for a dump, where the process may not be looked at from outside: under Yama, a
//! process may look at its descendants alone, but the handler's helper is one.
//!
//! The question is a SIGSYS with a mark in it ([`Question`]), which ends a process that has no handler. So it is sent only
//! where /proc shows that the handler is in force: its library is mapped, the page that it makes read-only for as long
//! as it takes questions is read-only, SIGSYS is caught, and some thread does not block it.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use coldframe_handler::IMAGE_NAME;
use coldframe_handler::wire::{DOOR, QUESTION_SECONDS, QUESTION_SIGNAL, Question};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::time::{ClockId, clock_gettime};
use object::{Object, ObjectSymbol};
use thiserror::Error;

use super::channel::{Delivery, Listener, fill_random};
use crate::source::maps::parse_maps;

/// Why a process gave no dump of itself.
#[derive(Debug, Error)]
pub enum AskError {
    /// There is nobody to ask.
    #[error("{why} in process {pid}")]
    NoHandler {
        /// The process.
        pid: u32,
        /// What is missing.
        why: &'static str,
    },
    /// The question could not be sent.
    #[error("process {pid} cannot be asked: {source}")]
    NotSent {
        /// The process.
        pid: u32,
        /// What the system said.
        source: io::Error,
    },
    /// No answer came.
    #[error("the handler in process {pid} did not answer within {QUESTION_SECONDS} s")]
    NoAnswer {
        /// The process.
        pid: u32,
    },
}

/// Asks a process for a dump of itself and waits for it. The process goes on; the dump is by its own settings, in its own
/// folder.
///
/// # Errors
/// See [`AskError`].
pub fn ask(pid: u32) -> Result<Delivery, AskError> {
    let uid = check(pid).map_err(|why| AskError::NoHandler { pid, why })?;
    let failed = |source| AskError::NotSent { pid, source };
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_err(|error| failed(error.into()))?;
    let mut number = [0u8; 4];
    fill_random(&mut number).map_err(failed)?;
    let question = Question::new(now.tv_sec().unsigned_abs(), u32::from_le_bytes(number));
    let mut listener = Listener::for_answer(question, uid).map_err(failed)?;
    let siginfo = question.to_siginfo(std::process::id().cast_signed(), nix::unistd::getuid().as_raw());
    // SAFETY: the siginfo has the kernel's size.
    if unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, pid, QUESTION_SIGNAL, siginfo.as_ptr()) } < 0 {
        return Err(failed(io::Error::last_os_error()));
    }
    let deadline = Instant::now() + Duration::from_secs(QUESTION_SECONDS.into());
    let mut answer = None;
    while answer.is_none() && Instant::now() < deadline && fs::exists(format!("/proc/{pid}")).unwrap_or(false) {
        let mut descriptors: Vec<PollFd<'_>> = listener
            .descriptors()
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        // An error comes again, and then the deadline.
        let _ = poll(&mut descriptors, PollTimeout::from(100u16));
        listener.receive(&mut |delivery| answer = Some(delivery.clone()));
    }
    answer.ok_or(AskError::NoAnswer { pid })
}

/// Whether the handler in a process takes questions: its user, or what is missing.
fn check(pid: u32) -> Result<u32, &'static str> {
    let maps = fs::read(format!("/proc/{pid}/maps")).map_err(|_| "the mappings cannot be read")?;
    let mappings = parse_maps(&String::from_utf8_lossy(&maps));
    let library = mappings
        .iter()
        .find(|mapping| mapping.offset == 0 && mapping.path.rsplit('/').next() == Some(IMAGE_NAME))
        .ok_or("no crash handler is loaded")?;
    let path = format!("/proc/{pid}/root{}", library.path);
    let door = door(&path).ok_or("the crash handler takes no questions")?;
    let door = library.range.start.add(door);
    let is_open = mappings
        .iter()
        .any(|mapping| mapping.range.contains(door) && mapping.read && !mapping.write);
    if !is_open {
        return Err("the crash handler is not in force");
    }
    let status = Status::read(format!("/proc/{pid}/status")).ok_or("the status cannot be read")?;
    if status.tracer != 0 {
        return Err("a debugger is at work");
    }
    if !status.has(status.caught) {
        return Err("SIGSYS is not caught");
    }
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let mut threads = tasks.filter_map(|task| Status::read(task.path().join("status")));
    match threads.any(|thread| !thread.has(thread.blocked)) {
        true => Ok(status.uid),
        false => Err("every thread blocks SIGSYS"),
    }
}

/// Where the page lies in that library, which is mapped from address 0 on.
fn door(path: &str) -> Option<u64> {
    let bytes = fs::read(path).ok()?;
    let file = object::File::parse(bytes.as_slice()).ok()?;
    let symbol = file.dynamic_symbols().find(|symbol| symbol.name() == Ok(DOOR))?;
    Some(symbol.address())
}

/// What `/proc/PID/status` says (proc_pid_status(5)).
struct Status {
    /// The effective user, as who the helper runs.
    uid: u32,
    tracer: u32,
    blocked: u64,
    caught: u64,
}

impl Status {
    fn read(path: impl Into<PathBuf>) -> Option<Self> {
        let text = fs::read_to_string(path.into()).ok()?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let set = |name| u64::from_str_radix(field(name)?.trim(), 16).ok();
        Some(Self {
            uid: field("Uid")?.split_whitespace().nth(1)?.parse().ok()?,
            tracer: field("TracerPid")?.trim().parse().ok()?,
            blocked: set("SigBlk")?,
            caught: set("SigCgt")?,
        })
    }

    fn has(&self, set: u64) -> bool {
        set & (1 << (QUESTION_SIGNAL - 1)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_has_a_door_and_this_process_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(IMAGE_NAME);
        fs::write(&path, coldframe_handler::IMAGE).unwrap();
        let door = door(path.to_str().unwrap()).unwrap();
        assert!(door != 0 && door.is_multiple_of(4096), "{door:#x}");
        let error = ask(std::process::id()).unwrap_err();
        assert!(error.to_string().starts_with("no crash handler is loaded"), "{error}");
    }
}
