//! Machine code: what the instruction at an address does with memory.
//!
//! [`Instruction::read`] decodes the instruction that a thread stands at, by its registers; its [`Access`]es say which
//! operands are memory, and where. [`Lines`] looks back from there: where a register was loaded from, what was passed
//! at a call. What is particular to a processor is in files of their own (`x86_64`, `flow`, `features`).
//!
//! Invariant: no file is opened here, and nothing is known of signals, stacks or Python.

mod features;
mod flow;
mod x86_64;

use crate::addr::Addr;
use crate::source::{Memory, MemoryExt, Registers};

pub use flow::{ARGUMENTS, Lines, Source};

/// One decoded instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instruction {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// In Intel's syntax, numbers in hexadecimal: `mov rax, [rdi+0x18]`.
    pub text: String,
    /// Its accesses to memory, those of the stack included, in the order of its operands.
    pub accesses: Vec<Access>,
    /// The general registers whose values it uses, by DWARF number.
    pub reads: Vec<usize>,
    /// Where it goes on, if it takes that from a register or from memory: an indirect call or jump, or a return.
    pub target: Option<Addr>,
    /// Of a division of integers: what it divides by, without its sign.
    pub divisor: Option<u64>,
    /// It repeats itself over a block of memory.
    pub repeats: bool,
    /// What a processor must have for it, in the words that Linux has for that (`flags` in /proc/cpuinfo).
    pub needs: Vec<String>,
}

/// One operand in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// What happens to the memory.
    pub kind: AccessKind,
    /// What the address is made of: `[rdi+0x18]`.
    pub operand: String,
    /// The address; `None` where it depends on what is not known here (a vector register, `gs`).
    pub address: Option<Addr>,
    /// How many bytes; of one that repeats itself, all that is left to do. `None` where that is not fixed.
    pub len: Option<u64>,
    /// A mask register (AVX-512) chooses among these bytes: it may be fewer.
    pub is_masked: bool,
    /// The registers of the address, the base first, by DWARF number.
    pub registers: Vec<usize>,
    /// What is added to them.
    pub displacement: i64,
}

/// What an instruction does to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKind {
    /// It reads.
    Read,
    /// It writes.
    Write,
    /// It reads and writes back.
    ReadWrite,
}

impl Instruction {
    /// The instruction at the program counter of `registers`; `None` where its bytes are missing, or are none.
    pub fn read(memory: &dyn Memory, registers: &Registers) -> Option<Instruction> {
        x86_64::decode(&code_at(memory, registers.pc(), x86_64::MAX_LEN)?, memory, registers)
    }
}

impl Access {
    /// Whether a fault at `address` is one of this access.
    pub fn covers(&self, address: Addr) -> bool {
        let offset = self.address.map(|start| address.0.wrapping_sub(start.0));
        offset.is_some_and(|offset| offset < self.len.unwrap_or(1).max(1))
    }
}

/// Whether the processor takes this for an address: the upper bits are all alike (Intel SDM, volume 1, section 3.3.7.1).
pub fn is_canonical(address: Addr) -> bool {
    let signed = address.0.cast_signed();
    signed << 16 >> 16 == signed
}

/// Up to `max` bytes of code; fewer where the page ends and the next is missing.
fn code_at(memory: &dyn Memory, pc: Addr, max: usize) -> Option<Vec<u8>> {
    const PAGE: u64 = 4096;
    let to_end = (PAGE - pc.0 % PAGE) as usize;
    memory
        .read_vec(pc, max)
        .or_else(|_| memory.read_vec(pc, max.min(to_end)))
        .ok()
}
