//! Dumps of a process that goes on: when the program asks, when a signal of its choice arrives, when time is up.
//!
//! By the same means as a crash: the helper is a grandchild behind a keeper, so that the program sees no SIGCHLD and no child
//! that it did not start. A timer sends a signal instead of waking a thread, because the hang that it is for may hold
//! whatever a thread would need.
//!
//! `coldframe dump PID` may ask from outside ([`crate::handler::answer`]), where Yama keeps it from looking itself. It
//! must know beforehand that the handler is in force, since the signal ends a process without it; and it can read
//! /proc/PID/maps, but no memory. So a page of ours, the door, is read-only exactly while questions are taken.

use core::ffi::c_int;
use core::mem::transmute;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicUsize, Ordering};

use crate::altstack::PAGE_SIZE;
use crate::chain::SIGNALS;
use crate::disposition::{DEFAULT, SharedAction};
use crate::handler::{action, capture_on_demand};
use crate::sys::{SA_RESTART, SIG_DFL, SIG_ERR, SIG_IGN, Shared, SigAction, disposition, errno, identity};
use crate::sys::{set_disposition, signal};
use crate::syscall;
use crate::wire::{Occasion, SIGINFO_SIZE};

/// The siginfo of dumps that the process itself asks for.
pub const NOBODY: [u8; SIGINFO_SIZE] = [0; SIGINFO_SIZE];

/// A page that holds nothing.
#[repr(C, align(4096))]
pub struct Door([u8; PAGE_SIZE]);

impl Door {
    /// The page.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; PAGE_SIZE])
    }
}

impl Default for Door {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the door is; 0 before the constructor said so.
static DOOR: AtomicUsize = AtomicUsize::new(0);

/// Says where the door is, before [`open`].
pub fn hang(door: &'static Shared<Door>) {
    DOOR.store(door.get() as usize, Ordering::Relaxed);
}

/// Shows that questions are taken, or no longer.
pub fn open(is_open: bool) {
    const PROT_READ: usize = 1;
    const PROT_WRITE: usize = 2;
    let door = DOOR.load(Ordering::Relaxed);
    if door != 0 {
        let protection = if is_open { PROT_READ } else { PROT_READ | PROT_WRITE };
        // SAFETY: a whole page of ours, which nobody reads or writes.
        unsafe { syscall!(MPROTECT, door, PAGE_SIZE, protection) };
    }
}

/// Signals are numbered from 1 to 64.
const LAST_SIGNAL: c_int = 64;
/// What the timer sends: a real-time signal, which no program gets by accident.
const TIMER_SIGNAL: c_int = 62;
/// `si_code` of a timer's signal.
const SI_TIMER: i32 = -2;

/// What a signal asked for: nothing, a dump, or a dump and then what was there before.
static ASKED: [AtomicU32; LAST_SIGNAL as usize + 1] = [const { AtomicU32::new(NOTHING) }; LAST_SIGNAL as usize + 1];
const NOTHING: u32 = 0;
const DUMP: u32 = 1;
const DUMP_AND_CHAIN: u32 = 2;

/// What was there before. Written by [`register`] while the entry of [`ASKED`] is [`NOTHING`].
static BEFORE: [SharedAction; LAST_SIGNAL as usize + 1] =
    [const { SharedAction::new(&DEFAULT) }; LAST_SIGNAL as usize + 1];

fn on_demand() -> SigAction {
    SigAction {
        handler: on_signal as *const () as usize,
        flags: action().flags | u64::from(SA_RESTART),
        ..action()
    }
}

/// From now on a dump when the signal arrives; with `chain`, what was there before is called then.
///
/// Returns 0, or a negative errno: EINVAL for a signal that cannot be handled, or that is captured anyway.
pub fn register(number: c_int, chain: bool) -> c_int {
    let (Some(asked), false) = (asked(number), SIGNALS.contains(&number)) else {
        return -errno::EINVAL as c_int;
    };
    let word = if chain { DUMP_AND_CHAIN } else { DUMP };
    let before = disposition(number);
    if before.handler != on_demand().handler {
        asked.store(NOTHING, Ordering::Release);
        if let Some(slot) = BEFORE.get(number as usize) {
            slot.store(&before);
        }
    }
    asked.store(word, Ordering::Release);
    // SAFETY: the handler keeps to what is allowed in signal handlers.
    unsafe { set_disposition(number, &on_demand()) as c_int }
}

/// Undoes [`register`]. Returns 1, or 0 where there was nothing to undo.
pub fn unregister(number: c_int) -> c_int {
    let Some(asked) = asked(number) else {
        return 0;
    };
    if asked.swap(NOTHING, Ordering::AcqRel) == NOTHING {
        return 0;
    }
    // A handler that came later stays.
    if disposition(number).handler == on_demand().handler {
        // SAFETY: it was in force before.
        unsafe { set_disposition(number, &before(number)) };
    }
    1
}

fn asked(number: c_int) -> Option<&'static AtomicU32> {
    // SIGSTOP is 19.
    if number < 1 || matches!(number, signal::KILL | 19) {
        return None;
    }
    ASKED.get(number as usize)
}

fn before(number: c_int) -> SigAction {
    BEFORE.get(number as usize).map_or(DEFAULT, SharedAction::load)
}

unsafe extern "C" fn on_signal(number: i32, info: *const u8, context: *const u8) {
    let word = asked(number).map_or(NOTHING, |asked| asked.load(Ordering::Acquire));
    if word != NOTHING {
        // A failure leaves no dump; there is nobody to tell.
        // SAFETY: no path.
        let _ = unsafe { capture_on_demand(Occasion::Request, &NOBODY, core::ptr::null()) };
    }
    let before = before(number);
    match before.handler {
        _ if word == DUMP => {}
        SIG_IGN | SIG_ERR => {}
        SIG_DFL => {
            let (pid, tid) = identity();
            // SAFETY: the default involves no handler. The signal is blocked until the handler returns.
            unsafe {
                set_disposition(number, &DEFAULT);
                syscall!(TGKILL, pid, tid, number);
            }
        }
        handler => {
            // SAFETY: the program installed it as a handler for this signal; the arguments are the kernel's.
            unsafe {
                transmute::<usize, unsafe extern "C" fn(i32, *const u8, *const u8)>(handler)(number, info, context);
            }
        }
    }
}

/// The kernel's number of the timer, plus 1; 0 for none.
static TIMER: AtomicI32 = AtomicI32::new(0);
static EXITS: AtomicBool = AtomicBool::new(false);

/// `struct sigevent` (include/uapi/asm-generic/siginfo.h) with SIGEV_SIGNAL, which is 0.
#[repr(C)]
struct SignalEvent {
    value: u64,
    signal: c_int,
    notify: c_int,
    rest: [u64; 6],
}

/// A dump after so many milliseconds, unless it is cancelled; with `exit`, the process then ends with status 1.
///
/// Returns 0, or a negative errno.
pub fn dump_later(milliseconds: u64, exit: bool) -> c_int {
    cancel_dump_later();
    EXITS.store(exit, Ordering::Relaxed);
    let event = SignalEvent {
        value: 0,
        signal: TIMER_SIGNAL,
        notify: 0,
        rest: [0; 6],
    };
    let mut timer = 0i32;
    let action = SigAction {
        handler: on_timer as *const () as usize,
        ..on_demand()
    };
    // Interval and first time, both seconds and nanoseconds.
    let nanoseconds = (milliseconds % 1000).max(u64::from(milliseconds == 0)) * 1_000_000;
    let time = [0u64, 0, milliseconds / 1000, nanoseconds];
    // SAFETY: the structures are live and the kernel's; the handler keeps to what is allowed. 1 is CLOCK_MONOTONIC.
    unsafe {
        set_disposition(TIMER_SIGNAL, &action);
        let made = syscall!(TIMER_CREATE, 1, &raw const event, &raw mut timer);
        if made < 0 {
            return made as c_int;
        }
        TIMER.store(timer + 1, Ordering::Release);
        syscall!(TIMER_SETTIME, timer, 0, time.as_ptr(), 0) as c_int
    }
}

/// Undoes [`dump_later`].
pub fn cancel_dump_later() {
    let timer = TIMER.swap(0, Ordering::AcqRel);
    if timer != 0 {
        // SAFETY: takes no pointer. A child of fork has the number and no timer: an error without effect.
        unsafe { syscall!(TIMER_DELETE, timer - 1) };
    }
}

unsafe extern "C" fn on_timer(_signal: i32, info: *const u8, _context: *const u8) {
    // SAFETY: the kernel's siginfo: si_code at 8.
    let code = unsafe { info.add(8).cast::<i32>().read_unaligned() };
    // Anybody can send the signal; and one may be under way when the timer is cancelled.
    if code != SI_TIMER || TIMER.load(Ordering::Acquire) == 0 {
        return;
    }
    // SAFETY: no path.
    let _ = unsafe { capture_on_demand(Occasion::Timeout, &NOBODY, core::ptr::null()) };
    if EXITS.load(Ordering::Relaxed) {
        // SAFETY: takes no pointer.
        unsafe { syscall!(EXIT_GROUP, 1) };
    }
}
