//! A fault that comes again and again.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::sys::{clock, hash, identity};
use crate::wire::UC_GREGS_OFFSET;

/// A fault, to tell whether a handler returns to it without having mended anything.
#[derive(Clone, Copy)]
pub struct Fault {
    code: i32,
    pc: u64,
    key: u64,
}

/// So many times the same fault, one after the other, is a program that will never get out of it: Python's own handler
/// for `signal.signal(SIGSEGV, ...)` only sets a flag. A fault that is mended changes something: the instruction to
/// go on at, or the memory, and then the next one is another.
const HOPELESS: u32 = 1000;
/// Within this many nanoseconds: it takes a millisecond. A safepoint that is reached a thousand times takes longer.
const HOPELESS_NS: u64 = 1_000_000_000;
/// The last faults by a hash of thread, instruction, stack pointer and address, how often each came, and since when.
static KEYS: [AtomicU64; 16] = [const { AtomicU64::new(0) }; 16];
static COUNTS: [AtomicU32; 16] = [const { AtomicU32::new(0) }; 16];
static SINCE: [AtomicU64; 16] = [const { AtomicU64::new(0) }; 16];

const REG_RSP: usize = 15;
const REG_RIP: usize = 16;

/// # Safety
/// `context` must be the kernel's.
unsafe fn register(context: *const u8, index: usize) -> u64 {
    // SAFETY: the kernel's ucontext holds its general registers there.
    unsafe { context.add(UC_GREGS_OFFSET + index * 8).cast::<u64>().read_unaligned() }
}

impl Fault {
    /// # Safety
    /// For handlers, with their arguments.
    pub unsafe fn new(info: *const u8, context: *const u8) -> Self {
        // SAFETY: the kernel's siginfo: si_code at 8, si_addr at 16; its context.
        let (code, address, pc, sp) = unsafe {
            (
                info.add(8).cast::<i32>().read_unaligned(),
                info.add(16).cast::<u64>().read_unaligned(),
                register(context, REG_RIP),
                register(context, REG_RSP),
            )
        };
        let parts = [identity().1 as u64, pc, sp, address];
        Self {
            code,
            pc,
            key: hash(parts.into_iter()),
        }
    }

    /// Whether the handler returned to it so often that it is hopeless; so once.
    ///
    /// # Safety
    /// As [`Fault::new`].
    pub unsafe fn comes_again(self, context: *const u8) -> bool {
        // What was sent is over; a changed instruction pointer is a handler at work.
        // SAFETY: as the caller promises.
        if self.code <= 0 || unsafe { register(context, REG_RIP) } != self.pc {
            return false;
        }
        let index = (self.key >> 60) as usize;
        let (Some(key), Some(count), Some(since)) = (KEYS.get(index), COUNTS.get(index), SINCE.get(index)) else {
            return false;
        };
        if key.swap(self.key, Ordering::Relaxed) != self.key {
            count.store(0, Ordering::Relaxed);
            since.store(clock(1), Ordering::Relaxed);
        }
        if count.fetch_add(1, Ordering::Relaxed) + 1 != HOPELESS {
            return false;
        }
        // Not within the time: the next thousand may be.
        if clock(1).wrapping_sub(since.load(Ordering::Relaxed)) > HOPELESS_NS {
            key.store(0, Ordering::Relaxed);
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_hopeless_when_nothing_changes() {
        let mut info = [0u8; 128];
        info[8] = 1;
        let context = [0u8; 304];
        // SAFETY: as long as what is read of them.
        let comes_again = |info: &[u8; 128], before: &[u8; 304], after: &[u8; 304]| unsafe {
            Fault::new(info.as_ptr(), before.as_ptr()).comes_again(after.as_ptr())
        };
        let times = |info, after| (0..2 * HOPELESS).filter(|_| comes_again(info, &context, after)).count();
        assert_eq!(times(&info, &context), 1, "once");
        let mut moved = context;
        moved[UC_GREGS_OFFSET + REG_RIP * 8] = 9;
        assert_eq!(times(&info, &moved), 0);
        let sent = [0u8; 128];
        assert_eq!(times(&sent, &context), 0);
    }
}
