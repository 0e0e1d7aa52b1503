//! `exit(3)` and `_exit(2)`: handlers of the program's that end it.
//!
//! A fault goes to the program's own handler first ([`crate::interpose`]), and that may end the process: uWSGI's prints
//! what it found and calls `exit(1)`. So a process that ends with a status other than 0 while such a handler runs is
//! captured before it does.
//!
//! Whether the handler still runs nobody says where it went on elsewhere (siglongjmp(3)). What the kernel put on the stack
//! for it is there as long as it runs: a thread that is on that stack, below it, and has not written over it is in it.

use core::ffi::c_int;
use core::mem::transmute;
use core::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};

use crate::sys::{hash, identity, is_readable};
use crate::wire::{UC_GREGS_OFFSET, UC_STACK_OFFSET};
use crate::{handler, image, syscall};

/// A handler that runs.
struct Visit {
    /// Its thread, as pid << 32 | tid; 0 for none.
    thread: AtomicU64,
    signal: AtomicI32,
    info: AtomicUsize,
    context: AtomicUsize,
    sum: AtomicU64,
}

/// By thread id. Where two threads meet, the later one counts.
static VISITS: [Visit; 16] = [const {
    Visit {
        thread: AtomicU64::new(0),
        signal: AtomicI32::new(0),
        info: AtomicUsize::new(0),
        context: AtomicUsize::new(0),
        sum: AtomicU64::new(0),
    }
}; 16];

/// How far below its signal frame a handler on the thread's own stack may be.
const DEPTH: usize = 1 << 20;
/// Words of the siginfo, and of the general registers, that are compared.
const INFO_WORDS: usize = 6;
const REGISTER_WORDS: usize = 17;

static EXIT: AtomicUsize = AtomicUsize::new(0);

/// Finds libc's function. For the constructor, before the handler is active.
pub fn prepare(from: usize) {
    EXIT.store(image::next_definition(from, b"exit"), Ordering::Relaxed);
}

fn visit() -> (u64, &'static Visit) {
    let (pid, tid) = identity();
    let thread = (u64::from(pid as u32) << 32) | u64::from(tid as u32);
    let [first, rest @ ..] = &VISITS;
    (thread, rest.get(tid as usize % VISITS.len()).unwrap_or(first))
}

/// Calls a handler of the program's for a fault.
///
/// # Safety
/// The arguments must be the kernel's, `call` what the program installed.
pub unsafe fn during(signal: i32, info: *const u8, context: *const u8, call: impl FnOnce()) {
    let (thread, visit) = visit();
    visit.signal.store(signal, Ordering::Relaxed);
    visit.info.store(info as usize, Ordering::Relaxed);
    visit.context.store(context as usize, Ordering::Relaxed);
    // SAFETY: the kernel's own arguments.
    visit
        .sum
        .store(unsafe { sum(info as usize, context as usize) }, Ordering::Relaxed);
    visit.thread.store(thread, Ordering::Relaxed);
    call();
    let _ = visit
        .thread
        .compare_exchange(thread, 0, Ordering::Relaxed, Ordering::Relaxed);
}

/// Captures a process that is about to end, where a handler ends it.
fn before(status: c_int) {
    if status == 0 || !handler::is_active() {
        return;
    }
    let (thread, visit) = visit();
    if visit
        .thread
        .compare_exchange(thread, 0, Ordering::Relaxed, Ordering::Relaxed)
        .is_err()
    {
        return;
    }
    let (info, context) = (
        visit.info.load(Ordering::Relaxed),
        visit.context.load(Ordering::Relaxed),
    );
    let here = &raw const thread as usize;
    // SAFETY: both were found to be readable as far as they are read; one thread's stack is not unmapped by another.
    unsafe {
        if is_there(info, context) && is_below(here, context) && sum(info, context) == visit.sum.load(Ordering::Relaxed)
        {
            handler::capture_and_return(
                visit.signal.load(Ordering::Relaxed),
                info as *const u8,
                context as *const u8,
            );
        }
    }
}

fn is_there(info: usize, context: usize) -> bool {
    let last_register = context + UC_GREGS_OFFSET + (REGISTER_WORDS - 1) * 8;
    let mut words = [info, info + (INFO_WORDS - 1) * 8, context, last_register].into_iter();
    words.all(is_readable)
}

/// Whether a thread at stack address `here` is on the stack of a signal frame, and below that.
///
/// # Safety
/// The context must be readable.
unsafe fn is_below(here: usize, context: usize) -> bool {
    let word = |offset: usize| {
        // SAFETY: as the caller promises.
        unsafe { ((context + offset) as *const usize).read_unaligned() }
    };
    let (base, size) = (word(UC_STACK_OFFSET), word(UC_STACK_OFFSET + 16));
    let is_alternate = |address: usize| address.wrapping_sub(base) < size;
    here < context && is_alternate(here) == is_alternate(context) && (is_alternate(here) || context - here < DEPTH)
}

/// Of siginfo and registers.
///
/// # Safety
/// Both must be readable.
unsafe fn sum(info: usize, context: usize) -> u64 {
    let info = (0..INFO_WORDS).map(|index| info + index * 8);
    let registers = (0..REGISTER_WORDS).map(|index| context + UC_GREGS_OFFSET + index * 8);
    // SAFETY: as the caller promises.
    hash(
        info.chain(registers)
            .map(|address| unsafe { (address as *const u64).read_unaligned() }),
    )
}

/// Does what exit(3) does.
///
/// # Safety
/// The same as for exit(3).
pub unsafe fn exit(status: c_int) -> ! {
    before(status);
    let next = match EXIT.load(Ordering::Relaxed) {
        0 => image::next_definition(exit as *const () as usize, b"exit"),
        found => found,
    };
    if next != 0 {
        // SAFETY: the next definition of exit has its signature.
        unsafe { transmute::<usize, unsafe extern "C" fn(c_int)>(next)(status) };
    }
    end(status)
}

/// Does what _exit(2) does.
pub fn exit_now(status: c_int) -> ! {
    before(status);
    end(status)
}

fn end(status: c_int) -> ! {
    loop {
        // SAFETY: takes no pointer; does not come back.
        unsafe { syscall!(EXIT_GROUP, status) };
    }
}
