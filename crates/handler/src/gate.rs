//! Lets one thread at a time capture, and one crash per process be captured when several threads crash together.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::spawn::HELPER_DEADLINE_NS;
use crate::sys::{Timespec, clock, errno, identity};
use crate::syscall;

/// Who captures, as pid << 32 | tid; 0 for nobody yet. With the pid, because the value is copied by fork and shared
/// with a vfork child, which crashes in its parent's memory.
static OWNER: AtomicU64 = AtomicU64::new(0);
/// 1 once the owner is done. Its address is what the others wait at.
static DONE: AtomicU32 = AtomicU32::new(0);
/// CLOCK_MONOTONIC in nanoseconds of that moment.
static DONE_AT: AtomicU64 = AtomicU64::new(0);

/// Longer than any owner takes.
const WAIT_NS: u64 = HELPER_DEADLINE_NS + 2_000_000_000;
/// A process that lives on this long after a capture has recovered; a crash from then on is another one.
const RECOVERED_NS: u64 = 1_000_000_000;

const FUTEX_WAIT_PRIVATE: usize = 128;
const FUTEX_WAKE_PRIVATE: usize = 129;

/// Tries to become the owner. `false` means that the crash is captured already, or cannot be: chain at once.
pub fn enter() -> bool {
    let (pid, tid) = identity();
    let own = (u64::from(pid as u32) << 32) | u64::from(tid as u32);
    let deadline = clock(1) + WAIT_NS;
    loop {
        let owner = OWNER.load(Ordering::Acquire);
        if owner != 0 && !is_stale(owner, pid) {
            // This thread crashed again while it chained, or inside what the previous handler does.
            if owner == own || DONE.load(Ordering::Acquire) == 1 || !wait(deadline) {
                return false;
            }
            continue;
        }
        if OWNER
            .compare_exchange(owner, own, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
        {
            DONE.store(0, Ordering::Release);
            return true;
        }
    }
}

/// The owner is done: the others may go on to die.
pub fn leave() {
    DONE_AT.store(clock(1), Ordering::Relaxed);
    DONE.store(1, Ordering::Release);
    // SAFETY: wakes all waiters at an address of ours.
    unsafe { syscall!(FUTEX, &raw const DONE, FUTEX_WAKE_PRIVATE, i32::MAX) };
}

/// The owner is done, and the process goes on: its next crash, or dump, is another one.
pub fn release() {
    OWNER.store(0, Ordering::Release);
    // SAFETY: wakes all waiters at an address of ours.
    unsafe { syscall!(FUTEX, &raw const DONE, FUTEX_WAKE_PRIVATE, i32::MAX) };
}

fn is_stale(owner: u64, pid: i32) -> bool {
    let (owner_pid, owner_tid) = ((owner >> 32) as i32, owner as u32 as i32);
    if DONE.load(Ordering::Acquire) == 1 {
        return owner_pid != pid || clock(1).wrapping_sub(DONE_AT.load(Ordering::Relaxed)) > RECOVERED_NS;
    }
    // Signal 0 asks whether the thread is there. It is not: a vfork child that died, or what fork copied.
    // SAFETY: takes no pointer.
    owner_pid != pid && unsafe { syscall!(TGKILL, owner_pid, owner_tid, 0) } == -errno::ESRCH
}

/// Waits for the owner to be done or to disappear; `false` once the deadline has passed.
fn wait(deadline: u64) -> bool {
    let now = clock(1);
    if now >= deadline {
        return false;
    }
    // In slices, to notice an owner that was killed and will never wake anybody.
    let time = Timespec {
        seconds: 0,
        nanoseconds: 200_000_000,
    };
    // SAFETY: waits at an address of ours while it holds 0; `time` is live.
    unsafe { syscall!(FUTEX, &raw const DONE, FUTEX_WAIT_PRIVATE, 0, &raw const time) };
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test, since the gate is one per process.
    #[test]
    fn one_owner_and_takeover_from_a_dead_one() {
        // A pid beyond the kernel's limit of 2^22: nobody, so stale.
        OWNER.store((1 << 55) | 7, Ordering::Relaxed);
        assert!(enter());
        assert!(!enter(), "the same thread again chains at once");
        leave();
        assert!(!enter(), "done, and the process is about to die");
        DONE_AT.store(clock(1).wrapping_sub(2 * RECOVERED_NS), Ordering::Relaxed);
        assert!(enter(), "the process recovered long ago");
        release();
        assert!(enter(), "nothing had happened to it");
        leave();
    }
}
