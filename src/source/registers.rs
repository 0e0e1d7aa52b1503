//! The registers of a thread.

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
    /// The lower halves of the vector registers, which hold floating-point numbers. No dump of ours has them: they also
    /// hold pieces of strings that were copied, which may be secret.
    pub vectors: Option<Vectors>,
}

/// xmm0 to xmm15.
pub type Vectors = [u128; 16];

/// Where an FXSAVE area has xmm0 (Intel SDM, volume 1, section 10.5.1).
const XMM: usize = 160;

impl Registers {
    /// How many registers are kept.
    pub const COUNT: usize = 17;
    /// DWARF number of the frame pointer.
    pub const RBP: usize = 6;
    /// DWARF number of the stack pointer.
    pub const RSP: usize = 7;
    /// DWARF number of the program counter.
    pub const RIP: usize = 16;
    /// DWARF number of xmm0; the others follow.
    pub const XMM0: usize = 17;
    /// Their names, by DWARF number.
    pub const NAMES: [&'static str; Registers::COUNT] = [
        "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
        "rip",
    ];

    /// The vector registers in an FXSAVE area, as the kernel and minidumps have it.
    pub fn vectors_in(fxsave: &[u8]) -> Option<Vectors> {
        let bytes = fxsave.get(XMM..)?.first_chunk::<{ 16 * size_of::<u128>() }>()?;
        let mut vectors = Vectors::default();
        for (vector, bytes) in vectors.iter_mut().zip(bytes.as_chunks::<16>().0) {
            *vector = u128::from_le_bytes(*bytes);
        }
        Some(vectors)
    }

    /// The program counter.
    pub fn pc(&self) -> Addr {
        Addr(self.dwarf[Self::RIP])
    }

    /// The stack pointer.
    pub fn sp(&self) -> Addr {
        Addr(self.dwarf[Self::RSP])
    }
}
