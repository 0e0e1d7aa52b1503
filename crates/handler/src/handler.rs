//! The signal handler and its installation.

use core::arch::global_asm;
use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::spawn::Means;
use crate::sys::{
    HANDLER_FLAGS, SS_DISABLE, Shared, SigAction, Stack, clock, identity, read_memory, set_signal_mask, signal,
};
use crate::wire::{
    CrashRequest, HelperFailure, KERNEL_UCONTEXT_SIZE, NOT_PERMITTED, Occasion, QUESTION_SIGNAL, Question,
    REQUEST_MAGIC, SIGINFO_SIZE, UC_STACK_OFFSET, VERSION,
};
use crate::{
    altstack, annotations, chain, demand, disposition, exits, gate, image, interpose, record, serve, settings, spawn,
    syscall,
};

/// Every signal.
const ALL: u64 = u64::MAX;
const PR_SET_PTRACER: usize = 0x5961_6d61;
const ARCH_GET_FS: usize = 0x1003;

static ACTIVE: AtomicBool = AtomicBool::new(false);

/// What the helper reads. The gate's owner writes it.
static REQUEST: Shared<CrashRequest> = Shared::new(CrashRequest::zeroed());

/// Whether this process is captured.
pub fn is_active() -> bool {
    ACTIVE.load(Ordering::Relaxed)
}

/// Installs the handler if the environment asks for it; otherwise, or if anything is missing, does nothing. `envp` is
/// what the loader passed to the constructor, which musl leaves undefined: it is looked at only where libc's own
/// `environ` is not set yet, which happens under glibc alone.
///
/// # Safety
/// Called once, from the library's constructor.
pub unsafe fn install(envp: *const *const u8) {
    let environment = image::environment();
    // SAFETY: libc or the loader made the environment block.
    if unsafe { configure(if environment.is_null() { envp } else { environment }, -1) } {
        // SAFETY: nobody else runs yet.
        unsafe { enable() };
    }
}

/// Reads the settings from an environment block; `report` is a descriptor for reports that no supervisor takes, or -1.
/// `false` where they do not allow a capture.
///
/// # Safety
/// `envp` must be null or a valid environment block.
pub unsafe fn configure(envp: *const *const u8, report: c_int) -> bool {
    // SAFETY: as the caller promises.
    let is_usable = unsafe { settings::load(envp, report) };
    if is_usable {
        annotations::PAGE.open();
    }
    is_usable
}

/// Installs the handler, with the settings in force.
///
/// # Safety
/// By one thread at a time, after [`configure`].
pub unsafe fn enable() {
    let size = altstack::size();
    if let Some(base) = altstack::map(size) {
        // SAFETY: a fresh mapping, kept for good.
        unsafe {
            if !altstack::enable(base, size) {
                altstack::unmap(base, size);
            }
        }
    }
    interpose::prepare(install as *const () as usize);
    exits::prepare(install as *const () as usize);
    ACTIVE.store(true, Ordering::Relaxed);
    // SAFETY: `on_signal` keeps to what is allowed in signal handlers.
    unsafe { chain::install(&action()) };
    interpose::forget_handed();
    demand::open(true);
}

/// Takes the handler away again.
///
/// # Safety
/// By one thread at a time.
pub unsafe fn disable() {
    demand::open(false);
    ACTIVE.store(false, Ordering::Relaxed);
    // SAFETY: as the caller promises.
    unsafe { chain::uninstall(&action()) };
}

/// What is installed for each signal.
pub fn action() -> SigAction {
    SigAction {
        handler: on_signal as *const () as usize,
        flags: HANDLER_FLAGS,
        restorer: coldframe_restorer as *const () as usize,
        mask: ALL,
    }
}

/// The handler.
unsafe extern "C" fn on_signal(signal: i32, info: *const u8, context: *const u8) {
    // SAFETY: the kernel's arguments, or those of a handler that calls us as a plain function; both are checked.
    unsafe {
        if !answer(signal, info) {
            die(signal, info, context, &interpose::heir(signal), true);
        }
    }
}

/// Whether the signal is no crash but a question of `coldframe dump`. One that somebody still waits for is answered by a
/// dump.
///
/// # Safety
/// For handlers, with their arguments.
pub unsafe fn answer(signal: i32, info: *const u8) -> bool {
    if signal != QUESTION_SIGNAL {
        return false;
    }
    // SAFETY: unreadable arguments are an answer.
    let (copy, _) = unsafe { copy_info(signal, info) };
    let Some(question) = Question::in_siginfo(&copy) else {
        return false;
    };
    if is_active() && question.is_fresh(clock(1) / 1_000_000_000) {
        // Who asked learns of a failure by waiting in vain.
        // SAFETY: no path.
        let _ = unsafe { capture_on_demand(Occasion::Request, &copy, core::ptr::null()) };
    }
    true
}

/// The same where the program chose the default action itself; `is_crash` is whether there is something to capture.
///
/// # Safety
/// For handlers, with their arguments.
pub unsafe fn on_default(signal: i32, info: *const u8, context: *const u8, is_crash: bool) {
    // SAFETY: as the caller promises.
    unsafe { die(signal, info, context, &disposition::DEFAULT, is_crash) }
}

/// Captures a crash, and lets happen what would have happened.
unsafe fn die(signal: i32, info: *const u8, context: *const u8, previous: &SigAction, is_crash: bool) {
    // The kernel has blocked all signals already, but a program's own handler may have called us as a plain function.
    let mask = set_signal_mask(ALL);
    // SAFETY: unreadable arguments are an answer.
    let (copy, genuine) = unsafe { copy_info(signal, info) };
    let word = |at: usize| {
        copy.get(at..at + 4)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, i32::from_le_bytes)
    };
    if !(genuine && chain::is_shielded(word(8), word(16), previous)) {
        // SAFETY: all signals are blocked.
        unsafe {
            // One that was disabled may still be called, by a handler that found it.
            if is_crash && is_active() {
                capture_once(signal, &copy, context);
            }
            chain::resume(signal, genuine.then_some(&copy), previous);
        }
    }
    set_signal_mask(mask);
}

/// Captures, and comes back to a handler of the program's that is about to run or has run.
///
/// # Safety
/// For handlers, with their arguments.
pub unsafe fn capture_and_return(signal: i32, info: *const u8, context: *const u8) {
    let mask = set_signal_mask(ALL);
    // SAFETY: all signals are blocked; unreadable arguments are an answer.
    unsafe {
        let (copy, _) = copy_info(signal, info);
        capture_once(signal, &copy, context);
    }
    set_signal_mask(mask);
}

/// The siginfo, and whether it is one for this signal: a handler that calls us as a plain function may pass none.
unsafe fn copy_info(signal: i32, info: *const u8) -> ([u8; SIGINFO_SIZE], bool) {
    let mut copy = [0u8; SIGINFO_SIZE];
    // SAFETY: `copy` is as long as said.
    let readable = unsafe { read_memory(info as usize, copy.as_mut_ptr(), SIGINFO_SIZE) };
    let is_genuine = readable && copy.starts_with(&signal.to_le_bytes());
    (copy, is_genuine)
}

/// # Safety
/// With all signals blocked.
unsafe fn capture_once(signal: i32, info: &[u8; SIGINFO_SIZE], context: *const u8) {
    if gate::enter() {
        // SAFETY: this thread owns the gate and all signals are blocked.
        unsafe { capture(signal, info, context) };
        gate::leave();
    }
}

/// Fills the request, runs the helper, and writes the record if that fails.
///
/// # Safety
/// For the owner of the gate, with all signals blocked.
unsafe fn capture(signal: i32, info: &[u8; SIGINFO_SIZE], context: *const u8) {
    // SAFETY: the request is the gate owner's.
    let request = unsafe { &mut *REQUEST.get() };
    // SAFETY: as the caller promises.
    unsafe { describe(request, signal, info, context) };
    // SAFETY: this thread owns the gate and all signals are blocked.
    if let Err((failure, detail)) = unsafe { run(request, core::ptr::null()) } {
        // SAFETY: this thread owns the gate.
        unsafe { record::write(request, failure, detail) };
    }
}

/// Runs the helper on the request.
///
/// # Safety
/// As [`capture`].
unsafe fn run(request: &CrashRequest, output: *const u8) -> Result<(), (HelperFailure, i32)> {
    // SAFETY: prctl takes no pointer here; the helper reads the request while this thread waits. Yama then admits our
    // own descendants, of which the helper is one; whether the process is dumpable stays its own choice.
    unsafe {
        syscall!(PRCTL, PR_SET_PTRACER, request.pid, 0, 0, 0);
        let deadline = clock(1) + spawn::HELPER_DEADLINE_NS;
        let mut means = Means::All;
        let outcome = loop {
            let outcome = spawn::run_helper(request, means, output, deadline);
            means = match (means, outcome) {
                // A sandbox kills who makes a call it does not know, and ptrace is the one that many leave out.
                (Means::All, Err((HelperFailure::Killed, signal::SYS))) => Means::Files,
                (Means::All | Means::Files, Err((HelperFailure::Exited, NOT_PERMITTED))) if serve::is_wanted() => {
                    Means::Served
                }
                _ => break outcome,
            };
        };
        syscall!(PRCTL, PR_SET_PTRACER, 0, 0, 0, 0);
        outcome
    }
}

/// Captures a process that goes on, and waits until that is done. `info` is the siginfo of who asked for it, or zeros.
/// `output` is the path for the dump, zero-terminated; null lets the helper choose one, and print the report.
///
/// # Errors
/// Why nothing was captured, with the errno, exit status or signal that belongs to it; `None` where a crash is being
/// captured.
///
/// # Safety
/// `output` must be null or zero-terminated.
pub unsafe fn capture_on_demand(
    occasion: Occasion,
    info: &[u8; SIGINFO_SIZE],
    output: *const u8,
) -> Result<(), Option<(HelperFailure, i32)>> {
    let mask = set_signal_mask(ALL);
    let outcome = if gate::enter() {
        // SAFETY: this thread owns the gate and all signals are blocked; a null context is left out.
        let outcome = unsafe {
            let request = &mut *REQUEST.get();
            describe(request, 0, info, core::ptr::null());
            request.occasion = occasion as u32;
            run(request, output)
        };
        gate::release();
        outcome.map_err(Some)
    } else {
        Err(None)
    };
    set_signal_mask(mask);
    outcome
}

/// # Safety
/// `context` must be the third argument of a signal handler; an unreadable one is left out.
unsafe fn describe(request: &mut CrashRequest, signal: i32, info: &[u8; SIGINFO_SIZE], context: *const u8) {
    *request = CrashRequest::zeroed();
    request.realtime_ns = clock(0);
    request.monotonic_ns = clock(1);
    request.version = VERSION;
    request.size = size_of::<CrashRequest>() as u32;
    (request.pid, request.tid) = identity();
    request.signal = signal;
    request.siginfo = *info;
    // SAFETY: the ucontext field is larger than what the kernel fills.
    unsafe { read_memory(context as usize, request.ucontext.as_mut_ptr(), KERNEL_UCONTEXT_SIZE) };
    request.altstack_base = request.context_word(UC_STACK_OFFSET).unwrap_or(0);
    request.altstack_flags = request.context_word(UC_STACK_OFFSET + 8).unwrap_or(0) & 0xffff_ffff;
    request.altstack_size = request.context_word(UC_STACK_OFFSET + 16).unwrap_or(0);
    // SAFETY: `fs_base` is live.
    unsafe { syscall!(ARCH_PRCTL, ARCH_GET_FS, &raw mut request.fs_base) };
    request.page_address = &raw const annotations::PAGE as u64;
    let program = settings::current().program.get().unwrap_or_default();
    for (slot, byte) in request.program.iter_mut().zip(program) {
        *slot = *byte;
    }
    request.magic = REQUEST_MAGIC;
}

const _: () = assert!(SS_DISABLE == 2 && size_of::<Stack>() == 24);

unsafe extern "C" {
    fn coldframe_restorer();
}

// x86_64 demands a restorer: what the handler returns to. rt_sigreturn is call 15. The unwind table is glibc's
// (sysdeps/unix/sysv/linux/x86_64/libc_sigaction.c): rsp points at the ucontext, and each register is found at its
// place there, so that the stack of a thread inside the handler can be walked. The nop is for unwinders that look
// up the return address minus one.
macro_rules! saved {
    ($register:literal, $low:literal, $high:literal) => {
        // DW_CFA_expression register, 3 bytes: DW_OP_breg7 (rsp) with the offset in two bytes of SLEB128.
        concat!(".cfi_escape 0x10, ", $register, ", 3, 0x77, ", $low, ", ", $high)
    };
}
global_asm!(
    ".text",
    ".balign 16",
    ".cfi_startproc",
    ".cfi_signal_frame",
    // DW_CFA_def_cfa_expression: the saved rsp, at offset 160.
    ".cfi_escape 0x0f, 4, 0x77, 0xa0, 0x01, 0x06",
    saved!(8, 0xa8, 0x00),
    saved!(9, 0xb0, 0x00),
    saved!(10, 0xb8, 0x00),
    saved!(11, 0xc0, 0x00),
    saved!(12, 0xc8, 0x00),
    saved!(13, 0xd0, 0x00),
    saved!(14, 0xd8, 0x00),
    saved!(15, 0xe0, 0x00),
    saved!(5, 0xe8, 0x00),
    saved!(4, 0xf0, 0x00),
    saved!(6, 0xf8, 0x00),
    saved!(3, 0x80, 0x01),
    saved!(1, 0x88, 0x01),
    saved!(0, 0x90, 0x01),
    saved!(2, 0x98, 0x01),
    saved!(7, 0xa0, 0x01),
    saved!(16, 0xa8, 0x01),
    "nop",
    ".hidden coldframe_restorer",
    ".globl coldframe_restorer",
    ".type coldframe_restorer, @function",
    "coldframe_restorer:",
    "mov eax, 15",
    "syscall",
    ".cfi_endproc",
    ".size coldframe_restorer, . - coldframe_restorer",
);
