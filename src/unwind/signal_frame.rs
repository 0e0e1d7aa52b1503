//! What the kernel leaves on the stack when it delivers a signal.
//!
//! `struct rt_sigframe` (Linux arch/x86/include/asm/sigframe.h): the return address `pretcode`, then
//! `struct ucontext`, then `siginfo_t`. When the handler has returned into the trampoline, the stack
//! pointer is that of the ucontext: which is the `sp` of the trampoline's frame.

use crate::addr::Addr;
use crate::source::streams::NativeStep;
use crate::source::{Memory, MemoryExt, Registers};

/// `uc_mcontext` in `struct ucontext`: after `uc_flags`, `uc_link` and `uc_stack`.
const MCONTEXT: u64 = 8 + 8 + 24;
/// The registers in `struct sigcontext` (Linux arch/x86/include/uapi/asm/sigcontext.h), by their DWARF
/// numbers: r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip.
const ORDER: [usize; Registers::COUNT] = [8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7, 16];
/// `err` in `struct sigcontext`, after the registers, the flags and the segments; `trapno`, `oldmask` and `cr2` follow.
const ERROR: u64 = 19 * 8;
/// Size of the kernel's `struct ucontext`: `uc_mcontext` has 256 bytes, `uc_sigmask` has 8. (The libc's
/// is larger.)
const UCONTEXT_SIZE: u64 = MCONTEXT + 256 + 8;
/// `_NSIG`.
const LAST_SIGNAL: i32 = 64;

/// What a signal interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalFrame {
    /// The registers at the interrupted instruction. `fs_base` is not among them.
    pub registers: Registers,
    /// The signal. `None` where the handler was installed without `SA_SIGINFO`: the kernel then does
    /// not fill it in.
    pub info: Option<SignalInfo>,
    /// The processor's exception; that of an earlier signal, or all zero, where a process sent this one.
    pub trap: Trap,
}

/// What `struct sigcontext` says of the processor's exception (Linux arch/x86/kernel/traps.c).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trap {
    /// Its number ([`Trap::PAGE_FAULT`], ...).
    pub number: u64,
    /// Its error code; bit 0 of a page fault's: the page was there, and did not allow the access.
    pub error: u64,
    /// The address of a page fault (`cr2`).
    pub address: Addr,
}

impl Trap {
    /// Division by zero, or an overflowing division.
    pub const DIVIDE: u64 = 0;
    /// A single step, or a hardware breakpoint.
    pub const DEBUG: u64 = 1;
    /// The instruction `int3`.
    pub const BREAKPOINT: u64 = 3;
    /// An undefined instruction.
    pub const OPCODE: u64 = 6;
    /// A general protection fault: an address that is not canonical, a privileged instruction.
    pub const PROTECTION: u64 = 13;
    /// A page fault.
    pub const PAGE_FAULT: u64 = 14;
    /// An x87 floating-point error.
    pub const X87: u64 = 16;
    /// A misaligned access.
    pub const ALIGNMENT: u64 = 17;
    /// Broken memory.
    pub const MACHINE_CHECK: u64 = 18;
    /// An SSE floating-point error.
    pub const SIMD: u64 = 19;
}

/// The start of a `siginfo_t` (sigaction(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalInfo {
    /// `si_signo`.
    pub signo: i32,
    /// `si_code`.
    pub code: i32,
    /// `si_addr`; null where a process sent the signal.
    pub address: Addr,
    /// `si_pid` and `si_uid`, where a process sent it (`si_code <= 0`).
    pub sender: Option<(i32, u32)>,
}

/// Reads what was interrupted, at a frame that is a signal trampoline; `None` at any other.
pub fn interrupted(memory: &dyn Memory, step: &NativeStep) -> Option<SignalFrame> {
    if !step.is_signal_trampoline {
        return None;
    }
    Some(SignalFrame {
        registers: saved_registers(memory, step.sp)?,
        info: signal_info(memory, step.sp.add(UCONTEXT_SIZE)),
        trap: trap(memory, step.sp).unwrap_or_default(),
    })
}

fn trap(memory: &dyn Memory, ucontext: Addr) -> Option<Trap> {
    let [error, number, _mask, address] = {
        let bytes = memory.read_array::<32>(ucontext.add(MCONTEXT + ERROR)).ok()?;
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        words
    };
    Some(Trap {
        number,
        error,
        address: Addr(address),
    })
}

/// The registers in the ucontext at `ucontext`.
pub(super) fn saved_registers(memory: &dyn Memory, ucontext: Addr) -> Option<Registers> {
    let bytes = memory
        .read_array::<{ 8 * Registers::COUNT }>(ucontext.add(MCONTEXT))
        .ok()?;
    let mut registers = Registers::default();
    for (number, word) in ORDER.into_iter().zip(bytes.as_chunks::<8>().0) {
        *registers.dwarf.get_mut(number)? = u64::from_le_bytes(*word);
    }
    Some(registers)
}

fn signal_info(memory: &dyn Memory, at: Addr) -> Option<SignalInfo> {
    let bytes = memory.read_array::<24>(at).ok()?;
    let word = |i: usize| bytes.as_chunks::<4>().0.get(i).copied().unwrap_or_default();
    let (signo, errno, code) = (
        i32::from_le_bytes(word(0)),
        i32::from_le_bytes(word(1)),
        i32::from_le_bytes(word(2)),
    );
    // What stands there without SA_SIGINFO is older stack contents. `si_errno` is 0 for every signal
    // but SIGSYS; codes are small, or SI_KERNEL (0x80), or negative for those a process sent.
    let credible =
        (1..=LAST_SIGNAL).contains(&signo) && (errno == 0 || signo == libc::SIGSYS) && (-64..=0x80).contains(&code);
    if !credible {
        return None;
    }
    let sent = code <= 0;
    Some(SignalInfo {
        signo,
        code,
        address: if sent {
            Addr::NULL
        } else {
            let [.., a, b, c, d, e, f, g, h] = bytes;
            Addr(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
        },
        sender: sent.then(|| (i32::from_le_bytes(word(4)), u32::from_le_bytes(word(5)))),
    })
}
