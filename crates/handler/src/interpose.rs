//! `sigaction(3)` and `signal(3)`: handlers that the program installs after ours.
//!
//! Without this such a handler replaces ours, and the crash it was made for leaves no dump. With it, the kernel is given
//! an entry of ours that calls the program's handler, with the flags and the mask that the program asked for: it runs
//! on the stack, with the signals blocked and with the siginfo and registers that it would have had. What the program
//! queries is what it installed.
//!
//! When to capture ([`Order`]): SIGABRT first, since it says that the program gave up, whatever it does about it. All
//! others after: a virtual machine's null checks, safepoints and stack guards are faults that its handler mends, and
//! nobody may pay for those. Then the process is captured when the handler hands the signal back (it restores the
//! default, and the fault comes again or is raised again), when it returns to the very same fault again and again, or when
//! it ends the process ([`crate::exits`]).
//!
//! Which of the program's handlers is meant is kept by the kernel, in the address of the entry: each handler has an
//! entry of its own ([`STUBS`]), whose description is never changed once it is written. So there is no lock to be held
//! at the wrong moment, no difference between what the kernel and what we think, and a vfork child, which has
//! dispositions of its own but shares this memory, cannot spoil its parent's.

use core::arch::global_asm;
use core::ffi::c_int;
use core::mem::transmute;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::chain::{SIGNALS, found, previous};
use crate::fault::Fault;
use crate::image;
use crate::sys::{
    SA_RESETHAND, SA_RESTART, SA_SIGINFO, SIG_DFL, SIG_ERR, SIG_IGN, SigAction, identity, set_disposition, signal,
};
use crate::{exits, handler};

/// `struct sigaction` of glibc and of musl on x86_64 (bits/sigaction.h), which is not the kernel's.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct LibcAction {
    handler: usize,
    /// 1,024 signals; the kernel has the first 64.
    mask: [u64; 16],
    flags: c_int,
    restorer: usize,
}

/// The function to which a wrapper hands on.
pub type SigActionFunction = unsafe extern "C" fn(c_int, *const LibcAction, *mut LibcAction) -> c_int;
/// `signal(3)`.
pub type SignalFunction = unsafe extern "C" fn(c_int, usize) -> usize;

/// libc's functions, found by the constructor: looking them up takes the loader's lock.
static SIGACTION: AtomicUsize = AtomicUsize::new(0);
static SIGNAL: AtomicUsize = AtomicUsize::new(0);

/// How many different handlers a program may have for our signals. One more replaces ours, as without this module.
const SLOTS: usize = 32;
/// Bytes from one entry to the next.
const STUB_SIZE: usize = 16;

/// What one entry stands for. Written once, by who took it from [`FREE`] to [`TAKEN`].
struct Slot {
    state: AtomicU32,
    handler: AtomicUsize,
    flags: AtomicU32,
    mask: AtomicU64,
}

const FREE: u32 = 0;
const TAKEN: u32 = 1;
const READY: u32 = 2;

static TABLE: [Slot; SLOTS] = [const {
    Slot {
        state: AtomicU32::new(FREE),
        handler: AtomicUsize::new(0),
        flags: AtomicU32::new(0),
        mask: AtomicU64::new(0),
    }
}; SLOTS];

impl Slot {
    fn action(&self) -> Option<SigAction> {
        (self.state.load(Ordering::Acquire) == READY).then(|| SigAction {
            handler: self.handler.load(Ordering::Relaxed),
            flags: u64::from(self.flags.load(Ordering::Relaxed)),
            restorer: 0,
            mask: self.mask.load(Ordering::Relaxed),
        })
    }
}

/// The slot for a handler: the one that describes it already, or a free one.
fn slot_for(handler: usize, flags: u32, mask: u64) -> Option<usize> {
    let is_same = |action: SigAction| (action.handler, action.flags as u32, action.mask) == (handler, flags, mask);
    if let Some(index) = TABLE.iter().position(|slot| slot.action().is_some_and(is_same)) {
        return Some(index);
    }
    let take = |slot: &Slot| {
        let taken = slot
            .state
            .compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed);
        if taken.is_ok() {
            slot.handler.store(handler, Ordering::Relaxed);
            slot.flags.store(flags, Ordering::Relaxed);
            slot.mask.store(mask, Ordering::Relaxed);
            slot.state.store(READY, Ordering::Release);
        }
        taken.is_ok()
    };
    TABLE.iter().position(take)
}

unsafe extern "C" {
    /// The first of [`SLOTS`] entries, [`STUB_SIZE`] bytes apart.
    #[link_name = "coldframe_stubs"]
    static STUBS: [u8; SLOTS * STUB_SIZE];
}

// Each entry passes its own address on, as fourth argument: lea is 7 bytes long.
global_asm!(
    ".text",
    ".hidden coldframe_stubs",
    ".globl coldframe_stubs",
    ".type coldframe_stubs, @function",
    ".balign 16",
    ".cfi_startproc",
    "coldframe_stubs:",
    ".rept 32",
    ".balign 16",
    "lea rcx, [rip - 7]",
    "jmp {entry}",
    ".endr",
    ".balign 16",
    ".cfi_endproc",
    ".size coldframe_stubs, . - coldframe_stubs",
    entry = sym on_entry,
);
const _: () = assert!(SLOTS == 32 && STUB_SIZE == 16);

fn stub(index: usize) -> usize {
    &raw const STUBS as usize + index * STUB_SIZE
}

/// What the entry at this address stands for, if it is one.
fn behind(address: usize) -> Option<SigAction> {
    let offset = address.wrapping_sub(&raw const STUBS as usize);
    TABLE.get(offset / STUB_SIZE).and_then(Slot::action)
}

/// The thread whose signal went to a handler that may call ours.
static HANDED: AtomicI32 = AtomicI32::new(0);

/// Every handler may be handed a signal again. When ours was installed.
pub fn forget_handed() {
    HANDED.store(0, Ordering::Relaxed);
}

/// What is to be in force after us. Not simply what was found where ours was installed again over a handler that came
/// later: that one may hand the signal back, or, disabled, just return.
pub fn heir(signal: i32) -> SigAction {
    let last = previous(signal);
    let (_, tid) = identity();
    match beneath(signal, program_handler(last.handler)) {
        None => last,
        Some(first) if HANDED.swap(tid, Ordering::Relaxed) == tid => first,
        // Its entry sees whether it just returns.
        Some(_) => with_entry(last),
    }
}

/// What was there before both us and a `handler` that came later; `None` for one that came first.
fn beneath(signal: i32, handler: usize) -> Option<SigAction> {
    let (first, last) = found(signal);
    (handler == program_handler(last.handler) && handler != first.handler).then_some(first)
}

fn program_handler(address: usize) -> usize {
    behind(address).map_or(address, |action| action.handler)
}

/// A disposition found at install, with an entry of its own.
fn with_entry(found: SigAction) -> SigAction {
    if behind(found.handler).is_some() {
        return found;
    }
    let slot = slot_for(found.handler, found.flags as u32, found.mask);
    slot.map_or(found, |index| SigAction {
        handler: stub(index),
        flags: (found.flags | u64::from(SA_SIGINFO)) & !u64::from(SA_RESETHAND),
        ..found
    })
}

/// Finds libc's functions. For the constructor, before the handler is active.
pub fn prepare(from: usize) {
    SIGACTION.store(image::next_definition(from, b"sigaction"), Ordering::Relaxed);
    SIGNAL.store(image::next_definition(from, b"signal"), Ordering::Relaxed);
}

fn next(cell: &AtomicUsize, name: &[u8]) -> usize {
    match cell.load(Ordering::Relaxed) {
        // Before the constructor ran: another library's constructor calls.
        0 => image::next_definition(change as *const () as usize, name),
        found => found,
    }
}

/// Does what sigaction(3) does.
///
/// # Safety
/// The same as for sigaction(3).
pub unsafe fn change(signal: c_int, new: *const LibcAction, old: *mut LibcAction) -> c_int {
    let next = next(&SIGACTION, b"sigaction");
    if next == 0 {
        return -1;
    }
    // SAFETY: the next definition of sigaction has its signature.
    let next = unsafe { transmute::<usize, SigActionFunction>(next) };
    if !handler::is_active() || !SIGNALS.contains(&signal) {
        // SAFETY: the caller's own arguments.
        return unsafe { next(signal, new, old) };
    }
    let mut before = LibcAction::zeroed();
    // SAFETY: the caller's pointers are null or valid, as for sigaction(3).
    unsafe {
        let wanted = new.as_ref().map(|new| to_kernel(signal, new));
        let pointer = wanted.as_ref().map_or(core::ptr::null(), |action| &raw const *action);
        let result = next(signal, pointer, &raw mut before);
        if let (0, Some(old)) = (result, old.as_mut()) {
            *old = to_program(signal, &before);
        }
        result
    }
}

/// Does what signal(3) does.
///
/// # Safety
/// The same as for signal(3).
pub unsafe fn change_simple(signal: c_int, handler: usize) -> usize {
    if !handler::is_active() || !SIGNALS.contains(&signal) || handler == SIG_ERR {
        let next = next(&SIGNAL, b"signal");
        if next == 0 {
            return SIG_ERR;
        }
        // SAFETY: the next definition of signal has its signature; the caller's own arguments.
        return unsafe { transmute::<usize, SignalFunction>(next)(signal, handler) };
    }
    // As glibc and musl have it (sysdeps/posix/signal.c): the signal is blocked meanwhile, system calls go on.
    let mut new = LibcAction::zeroed();
    new.handler = handler;
    new.mask[0] = 1 << (signal - 1);
    new.flags = SA_RESTART as c_int;
    let mut old = LibcAction::zeroed();
    // SAFETY: both are live.
    if unsafe { change(signal, &raw const new, &raw mut old) } == 0 {
        old.handler
    } else {
        SIG_ERR
    }
}

impl LibcAction {
    const fn zeroed() -> Self {
        Self {
            handler: 0,
            mask: [0; 16],
            flags: 0,
            restorer: 0,
        }
    }

    fn from_kernel(action: &SigAction) -> Self {
        let mut mask = [0; 16];
        mask[0] = action.mask;
        Self {
            handler: action.handler,
            mask,
            flags: action.flags as c_int,
            restorer: 0,
        }
    }
}

/// What is installed in place of what the program wants.
fn to_kernel(signal: i32, wanted: &LibcAction) -> LibcAction {
    let ours = LibcAction::from_kernel(&handler::action());
    if wanted.handler != SIG_DFL && wanted.handler == previous(signal).handler {
        return ours;
    }
    // Ignored stays ignored: programs started from here inherit it, a handler they would not. An entry of ours comes
    // back where libc itself queried and changed a flag (siginterrupt(3)).
    if wanted.handler == SIG_IGN || behind(wanted.handler).is_some() {
        return *wanted;
    }
    let Some(index) = slot_for(wanted.handler, wanted.flags as u32, wanted.mask[0]) else {
        return *wanted;
    };
    let mut action = if wanted.handler == SIG_DFL { ours } else { *wanted };
    action.handler = stub(index);
    // The kernel would forget our entry with SA_RESETHAND; `on_entry` does what it asks for.
    action.flags = ((wanted.flags as u32 | SA_SIGINFO) & !SA_RESETHAND) as c_int;
    if wanted.handler == SIG_DFL {
        action.flags = ours.flags;
    }
    action
}

/// What the program is told of what is installed.
fn to_program(signal: i32, installed: &LibcAction) -> LibcAction {
    if installed.handler == handler::action().handler {
        return LibcAction::from_kernel(&previous(signal));
    }
    match behind(installed.handler) {
        Some(mut action) => {
            // siginterrupt(3) changes this one past us.
            let restart = u64::from(SA_RESTART);
            action.flags = (action.flags & !restart) | (installed.flags as u64 & restart);
            LibcAction::from_kernel(&action)
        }
        None => *installed,
    }
}

/// When to capture, and when to call the program's handler.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    CaptureFirst,
    HandlerFirst,
}

const fn order(signal: i32) -> Order {
    match signal {
        signal::ABRT => Order::CaptureFirst,
        _ => Order::HandlerFirst,
    }
}

/// Where the kernel comes in for a handler of the program's.
unsafe extern "C" fn on_entry(signal: i32, info: *const u8, context: *const u8, address: usize) {
    let Some(action) = behind(address) else {
        return;
    };
    // SAFETY: the kernel's own arguments.
    if unsafe { handler::answer(signal, info) } {
        return;
    }
    if action.handler == SIG_DFL {
        // SAFETY: the kernel's own arguments.
        return unsafe { handler::on_default(signal, info, context, !is_deliberate(signal, info)) };
    }
    if action.flags as u32 & SA_RESETHAND != 0 {
        // SAFETY: what `handler::install` installs; the kernel's default in the eyes of the program.
        unsafe { set_disposition(signal, &handler::action()) };
    }
    // SAFETY: the program installed it as a handler for this signal; the arguments are the kernel's.
    let call = || unsafe {
        transmute::<usize, unsafe extern "C" fn(i32, *const u8, *const u8)>(action.handler)(signal, info, context);
    };
    if order(signal) == Order::CaptureFirst {
        // SAFETY: the kernel's own arguments.
        unsafe { handler::capture_and_return(signal, info, context) };
        return call();
    }
    // SAFETY: the kernel's own arguments.
    let fault = unsafe { Fault::new(info, context) };
    HANDED_OVER.store(true, Ordering::Relaxed);
    // SAFETY: the kernel's own arguments.
    unsafe { exits::during(signal, info, context, call) };
    // SAFETY: the frame of the kernel's own arguments is still there.
    if unsafe { fault.comes_again(context) } {
        // SAFETY: the same.
        unsafe { handler::capture_and_return(signal, info, context) };
        if let Some(beneath) = beneath(signal, action.handler) {
            // SAFETY: it was in force before.
            unsafe { set_disposition(signal, &beneath) };
        }
    }
}

/// Whether a signal, a fault or one that was sent, went to a handler of the program's, which may now hand it back.
static HANDED_OVER: AtomicBool = AtomicBool::new(false);
/// `si_code` of raise(3), and so of abort(3).
const SI_TKILL: i32 = -6;

/// Whether the program, having set the default, sends the signal to itself to end by it: what unshare(1) and timeout(1)
/// do to end as their child did. That is no crash; abort(3) is, and so is a fault that a handler raises again.
fn is_deliberate(signal: i32, info: *const u8) -> bool {
    // SAFETY: the kernel's siginfo: si_code at 8, si_pid at 16.
    let (code, sender) = unsafe {
        (
            info.add(8).cast::<i32>().read_unaligned(),
            info.add(16).cast::<i32>().read_unaligned(),
        )
    };
    let is_abort = signal == signal::ABRT && code == SI_TKILL;
    code <= 0 && sender == identity().0 && !is_abort && !HANDED_OVER.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::{offset_of, size_of};

    #[test]
    fn the_structure_is_libcs() {
        assert_eq!(size_of::<LibcAction>(), size_of::<libc::sigaction>());
        assert_eq!(offset_of!(LibcAction, mask), offset_of!(libc::sigaction, sa_mask));
        assert_eq!(offset_of!(LibcAction, flags), offset_of!(libc::sigaction, sa_flags));
        assert_eq!(
            offset_of!(LibcAction, restorer),
            offset_of!(libc::sigaction, sa_restorer)
        );
    }

    #[test]
    fn a_handler_keeps_its_entry_and_entries_run_out() {
        let one = slot_for(0x1000, 4, 7).expect("a slot");
        assert_eq!(slot_for(0x1000, 4, 7), Some(one));
        let other = slot_for(0x1000, 4, 8).expect("a slot");
        assert_ne!(one, other);
        let action = behind(stub(one)).expect("what it stands for");
        assert_eq!((action.handler, action.flags, action.mask), (0x1000, 4, 7));
        assert!(behind(stub(SLOTS)).is_none() && behind(0).is_none());
        while slot_for(
            TABLE.iter().filter(|slot| slot.action().is_some()).count() + 0x2000,
            0,
            0,
        )
        .is_some()
        {}
        assert_eq!(slot_for(0x1000, 4, 7), Some(one), "those that are there stay");
    }
}
