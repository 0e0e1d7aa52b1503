//! A process that is alive, stopped while it is looked at.
//!
//! Threads are stopped by PTRACE_SEIZE and PTRACE_INTERRUPT (ptrace(2)), which the program, its parent and a
//! shell do not notice, unlike SIGSTOP. ptrace requests are valid only from the OS thread that seized,
//! so a [`LiveProcess`] cannot be sent to another thread. Dropping it lets the process go on.
//!
//! Invariant: nothing here changes the process; no register, no byte, no signal disposition is written.

mod memory;
mod process;
mod served;
mod threads;

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::annotations::Annotations;
use super::maps::parse_maps;
use super::page_cache::PageCache;
use super::streams::Context;
use super::{Crash, Facts, Memory, Recorded, Registers, Target, Thread};
use crate::addr::AddrRange;
use crate::notes::Notes;
use coldframe_handler::wire;
use memory::ProcessMemory;
pub use served::Served;
use threads::StoppedThreads;

/// Why a process cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// No process has this id.
    #[error("there is no process {pid}; it may have ended, or live in another pid namespace")]
    NoSuchProcess {
        /// The id asked for.
        pid: u32,
    },
    /// A process cannot stop itself and go on looking.
    #[error("process {pid} is the one that asks; a process cannot stop itself: start coldframe beside it")]
    OwnProcess {
        /// The id asked for.
        pid: u32,
    },
    /// The ids below /proc are not those of system calls.
    #[error("/proc belongs to another pid namespace, so process {pid} cannot be found there; mount one of its own")]
    OtherProc {
        /// The id asked for.
        pid: u32,
    },
    /// Neither registers nor memory may be read.
    #[error(
        "process {pid} may not be looked at: {source}; go on as its user or as root, and allow ptrace \
         (sysctl kernel.yama.ptrace_scope=0, the container's seccomp profile, --cap-add SYS_PTRACE)"
    )]
    NotPermitted {
        /// The id asked for.
        pid: u32,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It ended while it was looked at, or left only a zombie.
    #[error("process {pid} has ended")]
    Ended {
        /// The id asked for.
        pid: u32,
    },
}

/// What a signal handler inside the process knows about the crash.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The signal and its thread.
    pub crash: Crash,
    /// The registers at the fault: those of the stopped thread are its handler's.
    pub registers: Option<Registers>,
}

/// By what means a process is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// ptrace(2) and process_vm_readv(2), and files below /proc where these are denied.
    Any,
    /// Files below /proc alone: the threads are not stopped. For sandboxes that kill whoever makes those calls.
    Files,
    /// What the thread that crashed hands out. For processes that nobody may look at; by a process that it started.
    Served(Served),
}

impl Access {
    fn served(self) -> Option<Served> {
        match self {
            Access::Served(served) => Some(served),
            Access::Any | Access::Files => None,
        }
    }
}

/// A stopped process.
pub struct LiveProcess {
    pid: u32,
    directory: PathBuf,
    memory: PageCache<ProcessMemory>,
    facts: Facts,
    maps_text: String,
    private_ranges: Vec<AddrRange>,
    /// Lets the threads go when dropped.
    stopped: StoppedThreads,
    /// ptrace requests are valid only from the OS thread that seized.
    _not_send: PhantomData<*const ()>,
}

impl LiveProcess {
    /// Stops the threads of a process and gathers what the operating system knows about it. Threads
    /// that have not stopped by `deadline`, or that may not be traced, are kept without registers; a
    /// note says so.
    ///
    /// # Errors
    /// Where there is no such process, or nothing of it may be read.
    pub fn attach(pid: u32, deadline: Instant) -> Result<LiveProcess, AttachError> {
        Self::attach_by(Access::Any, pid, deadline)
    }

    /// The same by the means given.
    ///
    /// # Errors
    /// As [`LiveProcess::attach`].
    pub fn attach_by(access: Access, pid: u32, deadline: Instant) -> Result<LiveProcess, AttachError> {
        if pid == std::process::id() {
            return Err(AttachError::OwnProcess { pid });
        }
        let own = std::fs::read_link("/proc/self").ok();
        if own.is_some_and(|own| own.as_os_str() != std::process::id().to_string().as_str()) {
            return Err(AttachError::OtherProc { pid });
        }
        let root = PathBuf::from(format!("/proc/{pid}"));
        let served = access.served();
        if pid == 0 || (served.is_none() && !root.exists()) {
            return Err(AttachError::NoSuchProcess { pid });
        }
        let notes = Notes::new();
        let stopped = StoppedThreads::stop(pid, access, deadline, &notes);
        // A main thread that called pthread_exit stays as a zombie without memory; any other thread
        // answers for the process.
        let reader = stopped.reader().unwrap_or(pid);
        let directory = root.join("task").join(reader.to_string());
        let maps = match served {
            Some(served) => Ok(served.text(wire::Served::Maps).into_bytes()),
            None => std::fs::read(directory.join("maps")),
        };
        let maps_text = match maps {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(_) if !root.exists() => return Err(AttachError::Ended { pid }),
            Err(source) => return Err(AttachError::NotPermitted { pid, source }),
        };
        if maps_text.is_empty() {
            return Err(AttachError::Ended { pid });
        }
        let mappings = parse_maps(&maps_text);
        let memory = PageCache::new(ProcessMemory::new(reader, directory.join("mem"), access));
        let modules = super::images::find_modules(&memory, &mappings, &notes);
        let inner_ids = process::has_inner_ids(&root);
        let threads = stopped.describe(pid, inner_ids);
        let (process, private_ranges) = process::describe(&root, &directory, pid, served);
        let context = Context {
            version: 1,
            process,
            fs_base: threads
                .iter()
                .filter_map(|t| Some((t.tid, t.registers?.fs_base?)))
                .collect(),
            notes: notes.to_vec(),
            ..Context::default()
        };
        Ok(LiveProcess {
            pid,
            // Root and working folder are inherited.
            directory: served.map_or(directory, |_| PathBuf::from("/proc/self")),
            memory,
            facts: Facts {
                threads,
                modules,
                mappings,
                crash: None,
                context,
                recorded: Recorded::default(),
            },
            maps_text,
            private_ranges,
            stopped,
            _not_send: PhantomData,
        })
    }

    /// Puts in what the signal handler inside the process knows: the crash, and the registers at the
    /// fault in place of the handler's own.
    #[must_use]
    pub fn with_fault(mut self, fault: Fault) -> LiveProcess {
        let tid = fault.crash.tid;
        let facts = &mut self.facts;
        let index = facts.threads.iter().position(|t| t.tid == tid).unwrap_or_else(|| {
            facts.threads.push(Thread {
                tid,
                ..Thread::default()
            });
            facts.threads.len() - 1
        });
        if let (Some(mut registers), Some(thread)) = (fault.registers, facts.threads.get_mut(index)) {
            let fs_base = thread.registers.and_then(|r| r.fs_base);
            registers.fs_base = registers.fs_base.or(fs_base);
            if let Some(fs_base) = registers.fs_base {
                facts.context.fs_base.insert(tid, fs_base);
            }
            thread.registers = Some(registers);
        }
        facts.context.signal = Some(super::streams::SignalContext {
            tid,
            number: fault.crash.signal,
            code: fault.crash.code,
            address: fault.crash.address,
            sender: fault.crash.sender,
        });
        if fault.crash.signal == libc::SIGILL {
            facts.context.process.cpu_flags = process::cpu_info("flags");
        }
        facts.crash = Some(fault.crash);
        self
    }

    /// Adds what the program said of itself.
    #[must_use]
    pub fn with_annotations(mut self, annotations: Annotations) -> LiveProcess {
        self.facts.context.annotations = annotations.notes;
        self.facts.context.breadcrumbs = annotations.breadcrumbs;
        self
    }

    /// Whether the kernel did not let threads of it be stopped; a debugger may hold them, or ptrace is denied.
    pub fn is_denied(&self) -> bool {
        self.stopped.is_denied()
    }

    /// The process id in our own pid namespace.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// `/proc/PID/task/TID` of a thread that has not ended. What belongs to the process as a whole is found there too,
    /// and not in `/proc/PID` once its main thread has ended. Our own where the process may not be looked at.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The text of `/proc/PID/maps`.
    pub fn maps_text(&self) -> &str {
        &self.maps_text
    }

    /// Where the kernel put arguments and environment (proc(5), `arg_start` to `env_end`), which no
    /// dump may hold. Empty where that is not known.
    pub fn private_ranges(&self) -> &[AddrRange] {
        &self.private_ranges
    }
}

impl Target for LiveProcess {
    fn memory(&self) -> &dyn Memory {
        &self.memory
    }
    fn facts(&self) -> &Facts {
        &self.facts
    }
}
