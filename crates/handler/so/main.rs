//! Root of `libcoldframe_handler.so`: the modules of the package, the constructor, and every symbol the library
//! exports. Exports live here and not in the modules so that they never leak into the `coldframe` binary.
#![no_std]
#![allow(dead_code, unreachable_pub, reason = "the modules also serve the rlib, whose interface is wider")]

#[path = "../src/altstack.rs"]
pub mod altstack;
#[path = "../src/chain.rs"]
pub mod chain;
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

/// Runs at load time. glibc passes argc, argv and envp, musl passes nothing.
#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn(usize, *const *const u8, *const *const u8) = constructor;

extern "C" fn constructor(_argc: usize, _argv: *const *const u8, envp: *const *const u8) {
    // SAFETY: called once by the loader, before any other thread runs code of this library.
    unsafe { handler::install(envp) }
}

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
