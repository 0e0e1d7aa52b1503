//! From `_PyRuntime` to interpreters and thread states.

use std::collections::HashSet;

use super::Python;
use crate::addr::Addr;
use crate::layout::{Anchors, PythonVersion, StackRefs};
use crate::source::streams::PythonStep;
use crate::source::{MemoryExt, ReadError};

/// The most interpreters that are followed in one process.
const MAX_INTERPRETERS: usize = 1_000;
/// The most thread states that are followed in one interpreter.
const MAX_THREADS: usize = 20_000;

/// Of so many threads and frames it is looked whether they are what the layout says.
const PROBED_THREADS: usize = 20;
const PROBED_FRAMES: usize = 16;

/// One interpreter (`PyInterpreterState`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// Its address.
    pub address: Addr,
    /// Its number; 0 is the main one.
    pub id: i64,
    /// Its GIL, or the one that all share; `None` where it cannot be read, and in a free-threaded build that runs
    /// without.
    pub gil: Option<Gil>,
    /// Whether the garbage collector is running.
    pub gc_collecting: Option<bool>,
    /// Whether it, or the whole runtime, is being finalised.
    pub finalizing: bool,
    /// Its thread states, newest first.
    pub threads: Vec<PythonThread>,
}

/// The state of a GIL (Include/internal/pycore_gil.h, `_gil_runtime_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gil {
    /// Whether a thread holds it.
    pub locked: bool,
    /// The thread state that held it last; the holder where it is locked.
    pub last_holder: Addr,
}

/// One thread state (`PyThreadState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PythonThread {
    /// Its address.
    pub address: Addr,
    /// `pthread_self()` of the thread.
    pub thread_id: u64,
    /// The kernel's thread id (3.11+).
    pub native_thread_id: Option<u64>,
}

impl Python<'_> {
    /// All interpreters of the runtime, newest first.
    pub fn interpreters(&self) -> Vec<Interpreter> {
        let runtime = self.layout.runtime;
        let offsets = &self.layout.offsets;
        let head = self
            .memory
            .read_addr(offsets.runtime.interpreters_head.of(runtime))
            .unwrap_or_default();
        if head.is_null() {
            self.notes.push(
                "python",
                format!("the interpreter list at {runtime} is empty or unreadable"),
                "no Python frames",
                "the process may have crashed before Python started or after it ended",
            );
        }
        let finalizing = !self.read_or_null(offsets.runtime.finalizing.of(runtime)).is_null();
        let addresses = self.chain(head, MAX_INTERPRETERS, |at| offsets.interpreter.next.of(at));
        addresses
            .into_iter()
            .map(|address| self.interpreter(address, finalizing))
            .collect()
    }

    fn interpreter(&self, address: Addr, runtime_finalizing: bool) -> Interpreter {
        let offsets = &self.layout.offsets.interpreter;
        let head = self.read_or_null(offsets.threads_head.of(address));
        let threads = self
            .chain(head, MAX_THREADS, |at| self.layout.offsets.thread.next.of(at))
            .into_iter()
            .map(|thread| self.thread(thread))
            .collect();
        Interpreter {
            address,
            id: self.memory.read_i64(offsets.id.of(address)).unwrap_or(-1),
            gil: self.gil(address),
            gc_collecting: self
                .memory
                .read_i32(offsets.gc_collecting.of(address))
                .or_else(|_| {
                    let runtime = self.layout.runtime;
                    self.memory
                        .read_i32(self.layout.offsets.runtime.gc_collecting.of(runtime))
                })
                .ok()
                .map(|word| word != 0),
            finalizing: runtime_finalizing || !self.read_or_null(offsets.finalizing.of(address)).is_null(),
            threads,
        }
    }

    /// Up to 3.11 the GIL is a part of `_PyRuntime`, since 3.12 each interpreter points to its own.
    fn gil(&self, interpreter: Addr) -> Option<Gil> {
        let offsets = &self.layout.offsets;
        let (locked, last_holder) = if offsets.interpreter.gil.is_present() {
            let gil = self.memory.read_addr(offsets.interpreter.gil.of(interpreter)).ok()?;
            if offsets.gil.enabled.is_present() && self.memory.read_i32(offsets.gil.enabled.of(gil)).ok()? == 0 {
                return None;
            }
            (offsets.gil.locked.of(gil), offsets.gil.last_holder.of(gil))
        } else {
            let runtime = self.layout.runtime;
            (
                offsets.runtime.gil_locked.of(runtime),
                offsets.runtime.gil_last_holder.of(runtime),
            )
        };
        // -1 means not created yet (Python/ceval_gil.h, `gil_created`).
        let locked = self.memory.read_i32(locked).ok()? == 1;
        Some(Gil {
            locked,
            last_holder: self.memory.read_addr(last_holder).ok()?,
        })
    }

    fn thread(&self, address: Addr) -> PythonThread {
        let offsets = &self.layout.offsets.thread;
        PythonThread {
            address,
            thread_id: self.memory.read_u64(offsets.thread_id.of(address)).unwrap_or(0),
            native_thread_id: self.memory.read_u64(offsets.native_thread_id.of(address)).ok(),
        }
    }

    /// Whether the structures at hand look like the layout says; the reason where they do not.
    ///
    /// Asked before a layout is used that was not made from this very build: offsets move within a
    /// minor version.
    pub fn probe(&self) -> Result<(), String> {
        let interpreters = self.interpreters();
        let main = interpreters.last().ok_or("there is no interpreter")?;
        if !(0..=1_000_000).contains(&main.id) {
            return Err(format!("the interpreter at {} has the id {}", main.address, main.id));
        }
        let thread = main.threads.first().ok_or("the interpreter has no thread state")?;
        let interp = self.read_or_null(self.layout.offsets.thread.interp.of(thread.address));
        if interp != main.address {
            return Err(format!(
                "the thread state at {} belongs to {interp}, not {}",
                thread.address, main.address
            ));
        }
        let modules = self.read_or_null(self.layout.offsets.interpreter.modules.of(main.address));
        let dict = self.type_address(modules);
        if self.type_info(dict).is_none_or(|info| info.name != "dict") {
            return Err(format!("sys.modules at {modules} is not a dict"));
        }
        let metatype = self.type_address(dict);
        if metatype != self.type_address(metatype) {
            return Err("the type of type is not type".to_string());
        }
        let offsets = &self.layout.offsets;
        let has_frames = offsets.frame != Default::default() || offsets.frame_object.f_code.is_present();
        if self.layout.behaviour.anchors != Anchors::None && !has_frames {
            return Err("the layout has no frame structure".to_string());
        }
        if self.layout.is_known() {
            return Ok(());
        }
        self.probe_frames(main)
    }

    /// Whether what the innermost frames of each thread run is code that has a name and a file.
    fn probe_frames(&self, interpreter: &Interpreter) -> Result<(), String> {
        for thread in interpreter.threads.iter().take(PROBED_THREADS) {
            let steps = self.frames(thread, PROBED_FRAMES);
            // Shims run nothing.
            let mut running = steps.iter().filter(|step| !step.code.is_null()).peekable();
            let runs_code = |step: &PythonStep| {
                let code = self.code(step.code);
                step.lasti >= 0 && code.is_some_and(|code| code.is_readable())
            };
            if running.peek().is_some() && !running.any(runs_code) {
                return Err(format!("no frame of the thread state at {} runs code", thread.address));
            }
        }
        Ok(())
    }

    /// What the main interpreter says of its version: `sys.hexversion`.
    pub fn version(&self, interpreters: &[Interpreter]) -> Option<PythonVersion> {
        let main = interpreters.last()?;
        let sysdict = self.read_or_null(self.layout.offsets.interpreter.sysdict.of(main.address));
        let hexversion = self.int_repr(self.dict_get(sysdict, "hexversion")?)?;
        hexversion.parse().ok().map(PythonVersion)
    }

    /// Reads what a frame refers to an object by; null where it cannot be read or is no object.
    ///
    /// The tags of 3.14 and 3.15 (Include/internal/pycore_stackref.h): 0 owned, 1 borrowed or immortal
    /// (1 alone is null), 2 an error, 3 an integer.
    pub(super) fn read_stack_ref(&self, at: Addr) -> Result<Addr, ReadError> {
        let word = self.memory.read_addr(at)?;
        Ok(match (self.layout.behaviour.stack_refs, word.0 & 3) {
            (StackRefs::Pointers, _) => word,
            (StackRefs::Tagged, 0 | 1) => Addr(word.0 & !3),
            (StackRefs::Tagged, _) => Addr::NULL,
        })
    }

    /// Reads a pointer; null where it cannot be read.
    pub(super) fn read_or_null(&self, at: Addr) -> Addr {
        self.memory.read_addr(at).unwrap_or_default()
    }

    /// Follows a linked list until null, a repetition, a read error or `max`.
    pub(super) fn chain(&self, head: Addr, max: usize, next: impl Fn(Addr) -> Addr) -> Vec<Addr> {
        let mut seen = HashSet::new();
        let mut list = Vec::new();
        let mut at = head;
        while !at.is_null() && list.len() < max && seen.insert(at) {
            list.push(at);
            at = self.read_or_null(next(at));
        }
        list
    }
}
