//! What the modules `sys` and `threading` know of interpreters and threads.

use std::collections::HashMap;

use super::{Interpreter, Python, PythonThread};
use crate::addr::{Addr, AddrRange};
use crate::source::{MemoryExt, Peek};

/// The most threads whose names are looked up.
const MAX_THREADS: u64 = 5_000;
/// How many attributes of a Thread are looked through.
const MAX_ATTRIBUTES: u64 = 40;

/// A `threading.Thread`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadObject {
    /// `name`.
    pub name: Option<String>,
    /// `daemon`.
    pub daemon: Option<bool>,
}

/// How deep a thread's calls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recursion {
    /// Calls under way; since 3.12 those of Python functions.
    pub depth: u32,
    /// `sys.getrecursionlimit()`.
    pub limit: u32,
}

/// A `threading.RLock` that somebody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldLock {
    /// The object.
    pub address: Addr,
    /// `threading.get_ident()` of its owner.
    pub owner: u64,
}

impl Python<'_> {
    /// The `RLock` that a thread waits for, in a futex system call on the word at `futex`: the only one among `words`
    /// of its stack.
    pub fn awaited_lock(&self, interpreter: &Interpreter, words: &[u64], futex: Addr) -> Option<HeldLock> {
        let class = self.dict_get(self.module_dict(interpreter, "_thread")?, "RLock")?;
        let ob_type = self.layout.offsets.object.ob_type;
        let mut objects: Vec<Addr> = words
            .iter()
            .map(|&word| Addr(word))
            // What is no such lock is not to be recorded.
            .filter(|&at| at.0.is_multiple_of(8) && Peek(self.memory).read_addr(ob_type.of(at)) == Ok(class))
            .collect();
        objects.sort_unstable();
        objects.dedup();
        let mut awaited = objects
            .into_iter()
            .filter(|&at| self.type_address(at) == class && self.is_awaited(at, class, futex));
        let (address, None) = (awaited.next()?, awaited.next()) else {
            return None;
        };
        let owner = self.memory.read_u64(self.layout.offsets.rlock.owner.of(address)).ok()?;
        (owner != 0).then_some(HeldLock { address, owner })
    }

    /// Up to 3.13 the lock points to the semaphore that threads wait on; a `PyMutex` has a bit for that there are any
    /// (`_Py_HAS_PARKED`, Include/internal/pycore_lock.h).
    fn is_awaited(&self, lock: Addr, class: Addr, futex: Addr) -> bool {
        const HAS_PARKED: u8 = 2;
        let mutex = self.layout.offsets.rlock.mutex;
        if mutex.is_present() {
            let bits = self.memory.read_u8(mutex.of(lock));
            return bits.is_ok_and(|bits| bits & HAS_PARKED != 0);
        }
        let size = self.type_info(class).map_or(0, |info| info.basicsize.min(128));
        (0..size / 8).any(|index| self.memory.read_addr(lock.add(index * 8)) == Ok(futex))
    }

    /// A module of `sys.modules`.
    pub(super) fn module(&self, interpreter: &Interpreter, name: &str) -> Option<Addr> {
        let modules = self.layout.offsets.interpreter.modules.of(interpreter.address);
        self.dict_get(self.read_or_null(modules), name)
    }

    /// The namespace of a module of `sys.modules`.
    pub(super) fn module_dict(&self, interpreter: &Interpreter, name: &str) -> Option<Addr> {
        let module = self.module(interpreter, name)?;
        let is_module = self.type_of(module)?.name == "module";
        let dict = self.read_or_null(self.layout.offsets.module.dict.of(module));
        (is_module && !dict.is_null()).then_some(dict)
    }

    /// `threading._active`, by `threading.get_ident()`; nothing where that was never imported.
    pub fn thread_objects(&self, interpreter: &Interpreter) -> HashMap<u64, ThreadObject> {
        let find = || {
            let threading = self.module_dict(interpreter, "threading")?;
            self.dict_items(self.dict_get(threading, "_active")?, MAX_THREADS)
        };
        let thread = |(ident, object): (Addr, Addr)| {
            let ident = self.int_repr(ident)?.parse().ok()?;
            let info = self.type_of(object)?;
            let attributes = self.attributes(object, &info, MAX_ATTRIBUTES);
            let find = |wanted| {
                attributes
                    .iter()
                    .find(|(name, _)| name == wanted)
                    .map(|&(_, value)| value)
            };
            let daemon = find("_daemonic").and_then(|value| self.int_repr(value));
            let thread = ThreadObject {
                name: find("_name").and_then(|name| self.name_string(name)),
                daemon: daemon.map(|digit| digit != "0"),
            };
            Some((ident, thread))
        };
        find().unwrap_or_default().into_iter().filter_map(thread).collect()
    }

    /// How deep a thread's calls go, and how deep they may.
    pub fn recursion(&self, interpreter: &Interpreter, thread: &PythonThread) -> Option<Recursion> {
        let offsets = &self.layout.offsets;
        let read = |at: Addr| u32::try_from(self.memory.read_i32(at).ok()?).ok();
        if offsets.thread.recursion_remaining.is_present() {
            let limit = read(offsets.thread.recursion_limit.of(thread.address))?;
            let remaining = self
                .memory
                .read_i32(offsets.thread.recursion_remaining.of(thread.address))
                .ok()?;
            let depth = i64::from(limit) - i64::from(remaining);
            return Some(Recursion {
                depth: u32::try_from(depth).ok()?,
                limit,
            });
        }
        let limit = if offsets.interpreter.recursion_limit.is_present() {
            offsets.interpreter.recursion_limit.of(interpreter.address)
        } else {
            offsets.runtime.recursion_limit.of(self.layout.runtime)
        };
        Some(Recursion {
            depth: read(offsets.thread.recursion_depth.of(thread.address))?,
            limit: read(limit)?,
        })
    }

    /// Where the GIL of an interpreter lies: a thread that waits for an address in there waits for the GIL.
    pub fn gil_range(&self, interpreter: &Interpreter) -> Option<AddrRange> {
        let offsets = &self.layout.offsets;
        let start = if offsets.interpreter.gil.is_present() {
            self.memory
                .read_addr(offsets.interpreter.gil.of(interpreter.address))
                .ok()?
        } else {
            let locked = offsets.runtime.gil_locked.of(self.layout.runtime);
            locked.sub(offsets.gil.locked.bytes()?)
        };
        let size = offsets.gil.size.bytes()?;
        (!start.is_null()).then(|| AddrRange {
            start,
            end: start.add(size),
        })
    }
}
