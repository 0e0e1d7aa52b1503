//! How to step from a frame to its caller: a value made from call frame information (DWARF 5,
//! section 6.4), and its application.

use std::rc::Rc;

use crate::addr::Addr;
use crate::source::{Memory, MemoryExt, Registers};

use super::expression;

/// Where the canonical frame address is.
#[derive(Clone, Debug)]
pub(super) enum Cfa {
    /// A register plus an offset.
    Register { register: u8, offset: i64 },
    /// What a DWARF expression computes.
    Expression(Rc<[u8]>),
}

/// Where the caller's value of a register is (DWARF 5, section 6.4.1).
#[derive(Clone, Debug, Default)]
pub(super) enum Saved {
    /// Still in the register.
    #[default]
    Same,
    /// Lost. For the return address: there is no caller.
    Undefined,
    /// In memory, at the CFA plus this.
    At(i64),
    /// It is the CFA plus this.
    Value(i64),
    /// In another register.
    In(u8),
    /// In memory, at the address that a DWARF expression computes.
    AtExpression(Rc<[u8]>),
    /// What a DWARF expression computes.
    ValueExpression(Rc<[u8]>),
}

/// One row of an unwind table.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub cfa: Cfa,
    /// By DWARF number.
    pub registers: [Saved; Registers::COUNT],
    /// The function is a signal trampoline (augmentation `S`).
    pub is_signal_trampoline: bool,
}

/// A caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stepped {
    /// The CFA of the frame stepped from.
    pub cfa: Addr,
    /// The caller's registers; `None` where the entry says that there is no caller.
    pub registers: Option<Registers>,
}

impl Rule {
    /// The CFA of a frame with these registers; `None` where it cannot be computed.
    pub fn cfa(&self, memory: &dyn Memory, registers: &Registers) -> Option<Addr> {
        match &self.cfa {
            Cfa::Register { register, offset } => {
                let value = *registers.dwarf.get(usize::from(*register))?;
                Some(Addr(value.wrapping_add_signed(*offset)))
            }
            Cfa::Expression(code) => expression::evaluate(memory, registers, code, None).map(Addr),
        }
    }

    /// Steps to the caller, whose stack pointer is the CFA unless the entry says otherwise (as that of
    /// a signal trampoline does).
    ///
    /// `None` where the CFA or the return address cannot be read. Another register that cannot be
    /// read keeps its value: it may not matter.
    pub fn step(&self, memory: &dyn Memory, registers: &Registers) -> Option<Stepped> {
        let cfa = self.cfa(memory, registers)?;
        if matches!(self.registers[Registers::RIP], Saved::Undefined) {
            return Some(Stepped { cfa, registers: None });
        }
        let mut caller = *registers;
        caller.dwarf[Registers::RSP] = cfa.0;
        let block = self.read_saved_block(memory, cfa);
        for (number, saved) in self.registers.iter().enumerate() {
            let found = match saved {
                Saved::Same | Saved::Undefined => continue,
                Saved::At(offset) => block.word(*offset).or_else(|| {
                    let at = Addr(cfa.0.wrapping_add_signed(*offset));
                    memory.read_u64(at).ok()
                }),
                Saved::Value(offset) => Some(cfa.0.wrapping_add_signed(*offset)),
                Saved::In(other) => registers.dwarf.get(usize::from(*other)).copied(),
                Saved::AtExpression(code) => expression::evaluate(memory, registers, code, Some(cfa))
                    .and_then(|at| memory.read_u64(Addr(at)).ok()),
                Saved::ValueExpression(code) => expression::evaluate(memory, registers, code, Some(cfa)),
            };
            match found {
                Some(value) => caller.dwarf[number] = value,
                None if number == Registers::RIP => return None,
                None => {}
            }
        }
        if matches!(self.registers[Registers::RIP], Saved::Same) {
            // No place for the return address: not a function's row.
            return None;
        }
        Some(Stepped {
            cfa,
            registers: Some(caller),
        })
    }

    /// The saved registers, in one read: compilers push them side by side, below the return address.
    fn read_saved_block(&self, memory: &dyn Memory, cfa: Addr) -> Block {
        let mut block = Block::EMPTY;
        let mut slots = 0u32;
        for saved in &self.registers {
            if let Saved::At(offset) = saved
                && offset % 8 == 0
                && (-8 * Block::WORDS as i64..=-8).contains(offset)
            {
                slots |= 1 << (-offset / 8 - 1);
            }
        }
        // The run of slots from the CFA downwards that holds no other word.
        block.words = slots.trailing_ones() as usize;
        if block.words == 0 {
            return block;
        }
        let Some(bytes) = block.bytes.get_mut(..block.words * 8) else {
            return Block::EMPTY;
        };
        if memory.read(cfa.sub(bytes.len() as u64), bytes).is_err() {
            return Block::EMPTY;
        }
        block
    }
}

/// The words just below a CFA.
struct Block {
    bytes: [u8; 8 * Block::WORDS],
    words: usize,
}

impl Block {
    /// All registers that a function saves, and then some.
    const WORDS: usize = 8;
    const EMPTY: Block = Block {
        bytes: [0; 8 * Block::WORDS],
        words: 0,
    };

    fn word(&self, offset: i64) -> Option<u64> {
        let index = (self.words as i64).checked_add(offset.checked_div_euclid(8)?)?;
        if offset >= 0 || offset % 8 != 0 || index < 0 {
            return None;
        }
        let at = usize::try_from(index).ok()? * 8;
        let word = self.bytes.get(at..)?.first_chunk()?;
        Some(u64::from_le_bytes(*word))
    }
}
