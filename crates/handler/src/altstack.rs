//! Alternate signal stacks: without one, a stack overflow leaves the handler no place to run.

use core::sync::atomic::{AtomicUsize, Ordering};

use crate::image;
use crate::sys::{SS_DISABLE, Stack};
use crate::syscall;

/// Size of a page, and of the guard below each stack. x86_64 has no other.
pub const PAGE_SIZE: usize = 4096;

/// Room for the handler itself, on top of what the kernel needs for the signal frame.
const HANDLER_ROOM: usize = 32 * 1024;
/// Stands in for AT_MINSIGSTKSZ where the kernel (before 5.14) or libc does not tell: above the 11,952 bytes that a
/// frame with AVX-512 and AMX state takes.
const DEFAULT_FRAME: usize = 16 * 1024;
const AT_MINSIGSTKSZ: usize = 51;

/// Size of the alternate stacks this library makes, without the guard page. Whole pages, and page-aligned base:
/// AddressSanitizer unmaps the stack it finds in force when a thread ends, and dies if that fails.
#[must_use]
pub fn size() -> usize {
    let frame = match image::auxiliary_value(AT_MINSIGSTKSZ) {
        0 => DEFAULT_FRAME,
        told => told,
    };
    (frame + HANDLER_ROOM).next_multiple_of(PAGE_SIZE)
}

/// Maps a stack of `size` bytes with a guard page below; the address is the stack's lowest, above the guard.
#[must_use]
pub fn map(size: usize) -> Option<usize> {
    // SAFETY: a fresh private mapping: PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE.
    let base = unsafe { syscall!(MMAP, 0, size + PAGE_SIZE, 3, 0x2 | 0x20 | 0x4000, usize::MAX, 0) };
    if base < 0 {
        return None;
    }
    // SAFETY: the first page of the mapping just made, to PROT_NONE.
    unsafe { syscall!(MPROTECT, base, PAGE_SIZE, 0) };
    Some(base as usize + PAGE_SIZE)
}

/// Unmaps a stack and its guard.
///
/// # Safety
/// `base` must come from [`map`] with the same size, and nothing may run on the stack.
pub unsafe fn unmap(base: usize, size: usize) {
    // SAFETY: the whole mapping made by `map`.
    unsafe { syscall!(MUNMAP, base - PAGE_SIZE, size + PAGE_SIZE) };
}

/// Stacks of threads that ended, for threads to come: mapping and unmapping costs 40 us per thread where it interrupts
/// another processor, this less than 1. A pool is never waited for; a stack that finds no room is unmapped.
static POOL: [AtomicUsize; POOL_SIZE] = [const { AtomicUsize::new(0) }; POOL_SIZE];
const POOL_SIZE: usize = 32;

/// A stack of [`size`] bytes from the pool, or a new one.
#[must_use]
pub fn take(size: usize) -> Option<usize> {
    let pooled = POOL.iter().filter(|slot| slot.load(Ordering::Relaxed) != 0);
    pooled
        .map(|slot| slot.swap(0, Ordering::Acquire))
        .find(|&base| base != 0)
        .or_else(|| map(size))
}

/// Gives a stack back.
///
/// # Safety
/// As for [`unmap`]; `base` may come from [`take`] too.
pub unsafe fn give_back(base: usize, size: usize) {
    let empty = POOL.iter().filter(|slot| slot.load(Ordering::Relaxed) == 0);
    for slot in empty {
        if slot
            .compare_exchange(0, base, Ordering::Release, Ordering::Relaxed)
            .is_ok()
        {
            return;
        }
    }
    // SAFETY: as the caller promises.
    unsafe { unmap(base, size) };
}

/// The alternate stack in force on this thread.
#[must_use]
pub fn current() -> Stack {
    let mut stack = Stack {
        base: 0,
        flags: SS_DISABLE,
        size: 0,
    };
    // SAFETY: `stack` has the kernel's layout and is live.
    unsafe { syscall!(SIGALTSTACK, 0, &raw mut stack) };
    stack
}

/// Makes `[base, base + size)` the alternate stack of this thread. One that is already in force and large enough
/// stays; the answer is whether ours is in force.
///
/// # Safety
/// The range must be writable, used for nothing else, and stay mapped as long as it is in force.
pub unsafe fn enable(base: usize, size: usize) -> bool {
    let present = current();
    if present.flags & SS_DISABLE == 0 && present.size >= size {
        return false;
    }
    let stack = Stack { base, flags: 0, size };
    // SAFETY: as the caller promises.
    unsafe { syscall!(SIGALTSTACK, &raw const stack, 0) == 0 }
}

/// Takes the alternate stack at `base` out of force on this thread. `false` where another is in force, or where this
/// thread runs on it right now.
#[must_use]
pub fn disable(base: usize) -> bool {
    let present = current();
    if present.flags & SS_DISABLE != 0 || present.base != base {
        return false;
    }
    let stack = Stack {
        base: 0,
        flags: SS_DISABLE,
        size: 0,
    };
    // SAFETY: disabling has no precondition; the kernel answers EPERM while the stack is in use.
    unsafe { syscall!(SIGALTSTACK, &raw const stack, 0) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_can_be_put_in_force_and_taken_out() {
        let size = size();
        assert!(size >= HANDLER_ROOM + 2048 && size.is_multiple_of(PAGE_SIZE));
        let base = map(size).expect("memory for a stack");
        // Rust gives each test thread a stack of its own; take it away first, and back at the end.
        let before = current();
        let _ = disable(before.base);
        // SAFETY: the fresh mapping is ours.
        unsafe {
            assert!(enable(base, size));
            assert!(!enable(base, size), "one large enough stays");
            assert_eq!((current().base, current().size), (base, size));
            assert!(!disable(base + 1));
            assert!(disable(base));
            unmap(base, size);
            syscall!(SIGALTSTACK, &raw const before, 0);
        }
    }
}
