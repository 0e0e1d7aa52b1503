//! Which lock a thread waits for, and which thread holds it, where the lock itself knows.

use super::Walk;
use super::state::{is_inside, system_call};
use crate::addr::Addr;
use crate::python::Interpreter;
use crate::report::model::{Frame, LockKind, LockWait};
use crate::source::{MemoryExt, Thread};

/// What a locked mutex with waiters has as its first word, and `pthread_mutex_lock` waits for to change
/// (glibc nptl/lowlevellock.c).
const LOCKED_WITH_WAITERS: u64 = 2;
/// From the beginning of a `pthread_mutex_t` to the thread id of its owner (glibc struct_mutex.h for x86).
const OWNER: u64 = 8;
/// The part of the second argument of futex that is the operation; 0 is FUTEX_WAIT (Linux include/uapi/linux/futex.h).
const OPERATION: u64 = 0x7f;
/// How many words of the stack are looked through for a Python lock: below the frame that asked for it.
const WORDS: u64 = 256;

impl Walk<'_, '_> {
    /// The lock that a thread waits for; its `frames` are innermost first, `interpreter` is the one that it runs.
    pub fn lock_wait(&self, thread: &Thread, interpreter: Option<&Interpreter>, frames: &[Frame]) -> Option<LockWait> {
        let [futex, operation, expected, timeout] = system_call(self.target, thread)?;
        let memory = self.target.memory();
        let timed = timeout != 0;
        if operation & OPERATION == 0 && expected == LOCKED_WITH_WAITERS && is_inside(frames, "pthread_mutex_lock") {
            let owner = memory
                .read_u32(Addr(futex).add(OWNER))
                .ok()
                .filter(|&owner| owner != 0)?;
            let is_known = self.target.threads().iter().any(|thread| thread.tid == owner);
            return Some(LockWait {
                kind: LockKind::Mutex,
                address: Addr(futex).into(),
                owner: Some(owner).filter(|_| is_known),
                timed,
            })
            // In another pid namespace threads have other ids.
            .filter(|_| is_known || self.has_own_ids());
        }
        let (python, interpreter) = (self.python?, interpreter?);
        let sp = thread.registers.as_ref()?.sp();
        let words = (0..WORDS).map_while(|index| memory.read_u64(sp.add(index * 8)).ok());
        let words: Vec<u64> = words.collect();
        let lock = python.awaited_lock(interpreter, &words, Addr(futex))?;
        // glibc's `pthread_self()` is where the thread's control block lies.
        let is_owner = |thread: &&Thread| thread.registers.as_ref().and_then(|own| own.fs_base) == Some(lock.owner);
        let threads = self.target.threads();
        let are_known = threads
            .iter()
            .all(|thread| thread.registers.as_ref().is_some_and(|own| own.fs_base.is_some()));
        let owner = threads.iter().find(is_owner).map(|thread| thread.tid);
        (owner.is_some() || are_known).then(|| LockWait {
            kind: LockKind::RLock,
            address: lock.address.into(),
            owner,
            timed,
        })
    }

    /// Whether the process itself knows its threads by the ids that they have here.
    fn has_own_ids(&self) -> bool {
        let pid = self.target.context().process.pid;
        self.target.threads().iter().any(|thread| thread.tid == pid)
    }
}
