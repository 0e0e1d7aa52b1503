//! The general registers of a thread.

use crate::addr::Addr;

/// x86_64 registers by their DWARF numbers (System V psABI AMD64, figure 3.36): rax 0, rdx 1, rcx 2,
/// rbx 3, rsi 4, rdi 5, rbp 6, rsp 7, r8 to r15 as 8 to 15, and 16 for the return address, which is
/// the program counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Registers {
    /// The values, by DWARF number.
    pub dwarf: [u64; Registers::COUNT],
    /// `fs_base`: where the thread's control block lies, which glibc also uses as `pthread_self()`.
    pub fs_base: Option<u64>,
}

impl Registers {
    /// How many registers are kept.
    pub const COUNT: usize = 17;
    /// DWARF number of the frame pointer.
    pub const RBP: usize = 6;
    /// DWARF number of the stack pointer.
    pub const RSP: usize = 7;
    /// DWARF number of the program counter.
    pub const RIP: usize = 16;
    /// Their names, by DWARF number.
    pub const NAMES: [&'static str; Registers::COUNT] = [
        "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
        "rip",
    ];

    /// The program counter.
    pub fn pc(&self) -> Addr {
        Addr(self.dwarf[Self::RIP])
    }

    /// The stack pointer.
    pub fn sp(&self) -> Addr {
        Addr(self.dwarf[Self::RSP])
    }
}
