//! Root of `libcoldframe_handler.so`: the modules of the package, the constructor, and every symbol the library
//! exports. Exports live here and not in the modules so that they never leak into the `coldframe` binary.
#![no_std]
#![allow(
    non_upper_case_globals,
    reason = "an exported variable is named as C would"
)]
#![allow(dead_code, unreachable_pub, reason = "the modules also serve the rlib, whose interface is wider")]

#[path = "../src/altstack.rs"]
pub mod altstack;
#[path = "../src/annotations.rs"]
pub mod annotations;
#[path = "../src/chain.rs"]
pub mod chain;
#[path = "../src/demand.rs"]
pub mod demand;
#[path = "../src/disposition.rs"]
pub mod disposition;
#[path = "../src/exits.rs"]
pub mod exits;
#[path = "../src/fault.rs"]
pub mod fault;
#[path = "../src/gate.rs"]
pub mod gate;
#[path = "../src/handler.rs"]
pub mod handler;
#[path = "../src/image.rs"]
pub mod image;
#[path = "../src/interpose.rs"]
pub mod interpose;
#[path = "../src/record.rs"]
pub mod record;
#[path = "../src/serve.rs"]
pub mod serve;
#[path = "../src/settings.rs"]
pub mod settings;
#[path = "../src/spawn.rs"]
pub mod spawn;
#[path = "../src/sys.rs"]
pub mod sys;
#[path = "../src/text.rs"]
pub mod text;
#[path = "../src/threads.rs"]
pub mod threads;
#[path = "../src/wire.rs"]
pub mod wire;

use core::arch::global_asm;
use core::ffi::{c_int, c_void};
use core::sync::atomic::Ordering;

/// Runs at load time. glibc passes argc, argv and envp, musl passes nothing.
#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn(usize, *const *const u8, *const *const u8) = constructor;

extern "C" fn constructor(_argc: usize, _argv: *const *const u8, envp: *const *const u8) {
    demand::hang(&coldframe_door);
    // SAFETY: called once by the loader, before any other thread runs code of this library.
    unsafe { handler::install(envp) }
}

/// The page by which `coldframe dump` knows that this process answers: `wire::DOOR`, see [`demand`].
#[unsafe(no_mangle)]
#[used]
pub static coldframe_door: sys::Shared<demand::Door> = sys::Shared::new(demand::Door::new());

/// Interposes `pthread_create(3)` so that every thread gets an alternate signal stack.
///
/// # Safety
/// The same as for `pthread_create(3)`, to which all four arguments go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_create(
    thread: *mut c_void,
    attributes: *const c_void,
    start: threads::Start,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: the caller keeps the contract of pthread_create(3).
    unsafe { threads::create(thread, attributes, start, argument) }
}

/// Interposes `sigaction(3)`: see [`interpose`].
///
/// # Safety
/// The same as for `sigaction(3)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sigaction(
    signal: c_int,
    new: *const interpose::LibcAction,
    old: *mut interpose::LibcAction,
) -> c_int {
    // SAFETY: the caller keeps the contract of sigaction(3).
    unsafe { interpose::change(signal, new, old) }
}

/// Interposes `signal(3)`: see [`interpose`].
///
/// # Safety
/// The same as for `signal(3)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn signal(number: c_int, handler: usize) -> usize {
    // SAFETY: the caller keeps the contract of signal(3).
    unsafe { interpose::change_simple(number, handler) }
}

/// Interposes `exit(3)`: see [`exits`].
///
/// # Safety
/// The same as for `exit(3)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn exit(status: c_int) -> ! {
    // SAFETY: the caller keeps the contract of exit(3).
    unsafe { exits::exit(status) }
}

/// Interposes `_exit(2)`: see [`exits`].
#[unsafe(no_mangle)]
pub extern "C" fn _exit(status: c_int) -> ! {
    exits::exit_now(status)
}

/// Where the annotations of this process lie. The helper looks it up by this name where no request tells it.
#[unsafe(no_mangle)]
#[used]
pub static coldframe_page: &annotations::Page = &annotations::PAGE;

/// Keeps a note; a null value removes it. Returns 1, or 0 where there was no room or the key is unusable.
///
/// # Safety
/// Key and value must be null or as long as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn coldframe_annotate(key: *const u8, key_size: usize, value: *const u8, value_size: usize) -> c_int {
    // SAFETY: as the caller promises.
    let (key, value) = unsafe { (bytes(key, key_size), bytes(value, value_size)) };
    c_int::from(annotations::PAGE.annotate(key.unwrap_or_default(), value))
}

/// Keeps a breadcrumb. Returns 1, or 0 where that was not possible.
///
/// # Safety
/// The text must be null or as long as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn coldframe_breadcrumb(text: *const u8, size: usize) -> c_int {
    // SAFETY: as the caller promises.
    c_int::from(annotations::PAGE.breadcrumb(unsafe { bytes(text, size) }.unwrap_or_default()))
}

/// How many of the newest breadcrumbs a dump has; 0 for all that are kept.
#[unsafe(no_mangle)]
pub extern "C" fn coldframe_breadcrumbs_wanted(count: u32) {
    annotations::PAGE.wanted.store(count, Ordering::Relaxed);
}

unsafe fn bytes<'a>(start: *const u8, size: usize) -> Option<&'a [u8]> {
    // SAFETY: as the callers promise.
    (!start.is_null()).then(|| unsafe { core::slice::from_raw_parts(start, size) })
}

/// Reads the settings from an environment block that the caller made: `NAME=VALUE` strings and a null pointer. `report` is
/// a descriptor for reports that no supervisor takes, or -1. Returns 1, or 0 where they do not allow a capture.
///
/// # Safety
/// `envp` must be null or a valid environment block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn coldframe_configure(envp: *const *const u8, report: c_int) -> c_int {
    // SAFETY: as the caller promises.
    c_int::from(unsafe { handler::configure(envp, report) })
}

/// Installs the handler. After [`coldframe_configure`].
///
/// # Safety
/// By one thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn coldframe_enable() {
    // SAFETY: as the caller promises.
    unsafe { handler::enable() }
}

/// Takes the handler away.
///
/// # Safety
/// By one thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn coldframe_disable() {
    // SAFETY: as the caller promises.
    unsafe { handler::disable() }
}

/// Whether the process is captured when it crashes: 1 or 0.
#[unsafe(no_mangle)]
pub extern "C" fn coldframe_is_enabled() -> c_int {
    c_int::from(handler::is_active())
}

/// Captures the process, which goes on, into the file of that path, or where the settings say for null. Returns 0; -1
/// where a crash is being captured; else the number of a `wire::HelperFailure`.
///
/// # Safety
/// `path` must be null or zero-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn coldframe_dump(path: *const u8) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { dump_on_demand(wire::Occasion::Request, path) }
}

/// A dump for an exception that is being handled because nobody catches it; where and what is printed is as at a crash.
/// Returns what [`coldframe_dump`] does.
#[unsafe(no_mangle)]
pub extern "C" fn coldframe_dump_exception() -> c_int {
    // SAFETY: no path.
    unsafe { dump_on_demand(wire::Occasion::Exception, core::ptr::null()) }
}

/// # Safety
/// `path` must be null or zero-terminated.
unsafe fn dump_on_demand(occasion: wire::Occasion, path: *const u8) -> c_int {
    // SAFETY: as the caller promises.
    match unsafe { handler::capture_on_demand(occasion, &demand::NOBODY, path) } {
        Ok(()) => 0,
        Err(None) => -1,
        Err(Some((failure, _))) => failure as c_int,
    }
}

/// A dump whenever the signal arrives: see [`demand::register`].
#[unsafe(no_mangle)]
pub extern "C" fn coldframe_register(signal: c_int, chain: c_int) -> c_int {
    demand::register(signal, chain != 0)
}

/// Undoes [`coldframe_register`]: 1, or 0 where there was nothing to undo.
#[unsafe(no_mangle)]
pub extern "C" fn coldframe_unregister(signal: c_int) -> c_int {
    demand::unregister(signal)
}

/// A dump after a time: see [`demand::dump_later`].
#[unsafe(no_mangle)]
pub extern "C" fn coldframe_dump_later(milliseconds: u64, exit: c_int) -> c_int {
    demand::dump_later(milliseconds, exit != 0)
}

/// Undoes [`coldframe_dump_later`].
#[unsafe(no_mangle)]
pub extern "C" fn coldframe_cancel_dump_later() {
    demand::cancel_dump_later();
}

/// Gives the calling thread an alternate stack, where it has none that is large enough. Returns its address for
/// [`coldframe_thread_end`], or 0.
#[unsafe(no_mangle)]
pub extern "C" fn coldframe_thread_begin() -> usize {
    let size = altstack::size();
    let Some(base) = altstack::take(size) else {
        return 0;
    };
    // SAFETY: a stack that nobody uses.
    unsafe {
        if altstack::enable(base, size) {
            return base;
        }
        altstack::give_back(base, size);
    }
    0
}

/// Takes the stack of [`coldframe_thread_begin`] away again.
///
/// # Safety
/// By the same thread, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn coldframe_thread_end(base: usize) {
    if base != 0 && altstack::disable(base) {
        // SAFETY: it came from the pool and is out of force.
        unsafe { altstack::give_back(base, altstack::size()) };
    }
}

// What the compiler may call for copies and fills. Local to the library: libc's would be one more symbol to bind, and
// under AddressSanitizer they are interceptors that check shadow memory, in a process whose memory may be broken.
global_asm!(
    ".hidden memcpy",
    ".globl memcpy",
    "memcpy:",
    "mov rax, rdi",
    "mov rcx, rdx",
    "rep movsb",
    "ret",
    ".hidden memset",
    ".globl memset",
    "memset:",
    "mov r8, rdi",
    "mov eax, esi",
    "mov rcx, rdx",
    "rep stosb",
    "mov rax, r8",
    "ret",
    ".hidden memcmp",
    ".globl memcmp",
    ".hidden bcmp",
    ".globl bcmp",
    "memcmp:",
    "bcmp:",
    "xor eax, eax",
    "mov rcx, rdx",
    "cmp rcx, rcx",
    "repe cmpsb",
    "je 2f",
    "movzx eax, byte ptr [rdi - 1]",
    "movzx ecx, byte ptr [rsi - 1]",
    "sub eax, ecx",
    "2:",
    "ret",
    ".hidden strlen",
    ".globl strlen",
    "strlen:",
    "mov rax, -1",
    "3:",
    "inc rax",
    "cmp byte ptr [rdi + rax], 0",
    "jne 3b",
    "ret",
);

/// Nothing in the library panics by design; a fault with all signals blocked ends the process at once, which is
/// the status it was dying with anyway.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    sys::trap()
}
