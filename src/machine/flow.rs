//! Where a register got its value: a look back over the code before an instruction.
//!
//! It follows straight lines only. Where another path joins (a jump leads in between, or a jump away stands there), and
//! where a call may have changed the register, nothing is said.

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, OpAccess, OpKind};

use super::x86_64::{HIGH_BYTES, dwarf_number, value};
use crate::addr::{Addr, AddrRange};
use crate::source::{Memory, MemoryExt, Registers};

/// The longest function that is decoded, in bytes.
const MAX_FUNCTION: u64 = 16 * 1024;
/// How often an address that was loaded is followed to where it was loaded from.
const MAX_DEPTH: u32 = 4;
/// How far before a call its arguments are looked for, in bytes; instructions have 15 at most.
const MAX_CALL: u64 = 96;
/// DWARF numbers of the registers that a call keeps (System V psABI AMD64, 3.2.1).
const KEPT: [usize; 7] = [3, Registers::RBP, Registers::RSP, 12, 13, 14, 15];
/// DWARF numbers of the registers of the first arguments, in order: rdi, rsi, rdx, rcx, r8, r9.
pub const ARGUMENTS: [usize; 6] = [5, 4, 1, 2, 8, 9];

/// Where a value is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It was loaded from there.
    Memory(Addr),
    /// It is what another register, or the same, held when the function began.
    Argument(usize),
}

/// Instructions that follow each other, up to one of interest.
pub struct Lines {
    instructions: Vec<Instruction>,
    /// Where jumps of them lead.
    targets: Vec<u64>,
    /// The instruction of interest is the one behind so many.
    end: usize,
    /// They begin where the function does.
    is_whole: bool,
}

impl Lines {
    /// The function whose code is in `range`, up to the instruction at `pc`.
    pub fn of_function(memory: &dyn Memory, range: AddrRange, pc: Addr) -> Option<Lines> {
        let len = range.end.0.checked_sub(range.start.0)?;
        if !range.contains(pc) || len > MAX_FUNCTION {
            return None;
        }
        let code = memory.read_vec(range.start, len as usize).ok()?;
        let instructions = decode(&code, range.start);
        let end = instructions.iter().position(|instruction| instruction.ip() == pc.0)?;
        Some(Lines::new(instructions, end, true))
    }

    /// What leads to the call that returns to `return_address`, and that call.
    pub fn before_call(memory: &dyn Memory, return_address: Addr) -> Option<Lines> {
        let start = return_address.sub(MAX_CALL);
        let code = memory.read_vec(start, MAX_CALL as usize).ok()?;
        // Decoding falls into step after a few instructions, wherever it begins.
        (0..16).find_map(|skipped| {
            let mut instructions = decode(code.get(skipped..)?, start.add(skipped as u64));
            let call = instructions.pop()?;
            let is_call = matches!(call.flow_control(), FlowControl::Call | FlowControl::IndirectCall);
            if !is_call || call.next_ip() != return_address.0 {
                return None;
            }
            let end = instructions.len();
            Some(Lines::new(instructions, end, false))
        })
    }

    fn new(instructions: Vec<Instruction>, end: usize, is_whole: bool) -> Lines {
        let jumps = instructions.iter().filter(|instruction| {
            matches!(
                instruction.flow_control(),
                FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch
            )
        });
        Lines {
            targets: jumps.map(Instruction::near_branch_target).collect(),
            instructions,
            end,
            is_whole,
        }
    }

    /// Where the value in a register (by DWARF number) at the instruction of interest is from.
    pub fn source(&self, memory: &dyn Memory, registers: &Registers, register: usize) -> Option<Source> {
        self.source_before(memory, registers, register, self.end, 0)
    }

    fn source_before(
        &self,
        memory: &dyn Memory,
        registers: &Registers,
        register: usize,
        end: usize,
        depth: u32,
    ) -> Option<Source> {
        let Some(index) = self.last_write(register, end)? else {
            return Some(Source::Argument(register));
        };
        let instruction = self.instructions.get(index)?;
        match (instruction.code(), instruction.op1_kind()) {
            (Code::Mov_r64_rm64, OpKind::Memory) => {
                let at = self.address(memory, registers, index, depth)?;
                Some(Source::Memory(at))
            }
            (Code::Mov_r64_rm64 | Code::Mov_rm64_r64, OpKind::Register)
                if instruction.op0_kind() == OpKind::Register =>
            {
                let from = dwarf_number(instruction.op1_register())?;
                self.source_before(memory, registers, from, index, depth)
            }
            _ => None,
        }
    }

    /// The value of a register before the instruction at `end`; `registers` are those at the instruction of interest.
    fn value(
        &self,
        memory: &dyn Memory,
        registers: &Registers,
        known: u32,
        register: usize,
        end: usize,
        depth: u32,
    ) -> Option<u64> {
        let now = registers
            .dwarf
            .get(register)
            .copied()
            .filter(|_| known & 1 << register != 0);
        // What has not changed since is what it is now.
        if now.is_some() && self.is_kept(register, end) {
            return now;
        }
        if depth > MAX_DEPTH {
            return None;
        }
        let index = self.last_write(register, end)??;
        let instruction = self.instructions.get(index)?;
        match (instruction.code(), instruction.op1_kind()) {
            (Code::Mov_r64_rm64, OpKind::Memory) => {
                let at = self.address_by(memory, registers, known, index, depth + 1)?;
                memory.read_u64(at).ok()
            }
            (Code::Lea_r64_m, _) => Some(self.address_by(memory, registers, known, index, depth + 1)?.0),
            (Code::Mov_r32_imm32 | Code::Mov_r64_imm64, _) => Some(instruction.immediate(1)),
            (Code::Mov_r32_rm32, OpKind::Memory) => {
                let at = self.address_by(memory, registers, known, index, depth + 1)?;
                memory.read_u32(at).ok().map(u64::from)
            }
            // A char, as a function with a format gets it.
            (Code::Movsx_r32_rm8, kind) => {
                let byte = match kind {
                    OpKind::Memory => {
                        let at = self.address_by(memory, registers, known, index, depth + 1)?;
                        memory.read_array::<1>(at).ok()?[0]
                    }
                    _ if HIGH_BYTES.contains(&instruction.op1_register()) => return None,
                    _ => {
                        let from = dwarf_number(instruction.op1_register())?;
                        self.value(memory, registers, known, from, index, depth + 1)? as u8
                    }
                };
                Some(u64::from(i32::from(byte.cast_signed()).cast_unsigned()))
            }
            (Code::Mov_r64_rm64 | Code::Mov_rm64_r64, OpKind::Register)
                if instruction.op0_kind() == OpKind::Register =>
            {
                let from = dwarf_number(instruction.op1_register())?;
                self.value(memory, registers, known, from, index, depth + 1)
            }
            _ => None,
        }
    }

    /// The arguments of the call, as far as they can be told from what the caller's `registers` are after it; of them
    /// those are known whose bits are set in `known`.
    pub fn arguments(&self, memory: &dyn Memory, registers: &Registers, known: u32) -> [Option<u64>; 6] {
        // The call itself has changed what it does not keep.
        let kept = KEPT.iter().fold(0, |mask, &register| mask | 1 << register) & known;
        ARGUMENTS.map(|register| {
            self.last_write(register, self.end)??;
            self.value(memory, registers, kept, register, self.end, 0)
        })
    }

    /// Where the memory operand of an instruction lies.
    fn address(&self, memory: &dyn Memory, registers: &Registers, index: usize, depth: u32) -> Option<Addr> {
        self.address_by(memory, registers, u32::MAX, index, depth)
    }

    fn address_by(
        &self,
        memory: &dyn Memory,
        registers: &Registers,
        known: u32,
        index: usize,
        depth: u32,
    ) -> Option<Addr> {
        let instruction = self.instructions.get(index)?;
        let address = instruction.virtual_address(1, 0, |register, _, _| match dwarf_number(register) {
            Some(number) if register.is_gpr64() => self.value(memory, registers, known, number, index, depth),
            Some(_) => None,
            None => value(register, registers),
        });
        address.map(Addr)
    }

    /// The instruction before the one at `end` that wrote to a register last; the inner `None` where none has since the
    /// function began, the outer where it cannot be told.
    fn last_write(&self, register: usize, end: usize) -> Option<Option<usize>> {
        for index in (0..end).rev() {
            // Who jumps to the next instruction has not run this one.
            let next = self.instructions.get(index + 1).map(Instruction::ip);
            if next.is_some_and(|next| self.targets.contains(&next)) {
                return None;
            }
            let instruction = self.instructions.get(index)?;
            match instruction.flow_control() {
                FlowControl::Next | FlowControl::ConditionalBranch => {}
                FlowControl::Call | FlowControl::IndirectCall if KEPT.contains(&register) => continue,
                _ => return None,
            }
            if writes(instruction, register) {
                return Some(Some(index));
            }
        }
        self.is_whole.then_some(None)
    }

    /// Whether a register is not written from the instruction at `from` on, up to the one of interest.
    fn is_kept(&self, register: usize, from: usize) -> bool {
        let between = self.instructions.get(from..self.end).unwrap_or_default();
        between.iter().all(|instruction| match instruction.flow_control() {
            FlowControl::Call | FlowControl::IndirectCall => KEPT.contains(&register),
            _ => !writes(instruction, register),
        })
    }
}

fn writes(instruction: &Instruction, register: usize) -> bool {
    let mut factory = InstructionInfoFactory::new();
    factory.info(instruction).used_registers().iter().any(|used| {
        let is_written = matches!(
            used.access(),
            OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
        );
        is_written && dwarf_number(used.register()) == Some(register)
    })
}

fn decode(code: &[u8], at: Addr) -> Vec<Instruction> {
    let decoder = Decoder::with_ip(64, code, at.0, DecoderOptions::NONE);
    decoder
        .into_iter()
        .take_while(|instruction| !instruction.is_invalid())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::fake::FakeMemory;

    const START: u64 = 0x1000;
    const RAX: usize = 0;

    fn lines(code: &[u8], at: u64) -> (FakeMemory, Option<Lines>) {
        let memory = FakeMemory::new()
            .with(Addr(START), code.to_vec())
            .with(Addr(0x7ff0 - 0x18), 0x5000_u64.to_le_bytes().to_vec());
        let range = AddrRange::new(Addr(START), code.len() as u64);
        let lines = Lines::of_function(&memory, range, Addr(START + at));
        (memory, lines)
    }

    fn registers() -> Registers {
        let mut registers = Registers::default();
        registers.dwarf[Registers::RBP] = 0x7ff0;
        registers
    }

    #[test]
    fn a_register_that_was_loaded() {
        // push rbp; mov rbp, rsp; mov rax, [rbp-0x18]; mov rax, [rax+8]; mov edx, [rax]
        let code = b"\x55\x48\x89\xe5\x48\x8b\x45\xe8\x48\x8b\x40\x08\x8b\x10";
        let (memory, whole) = lines(code, 12);
        let source = whole.and_then(|lines| lines.source(&memory, &registers(), RAX));
        assert_eq!(source, Some(Source::Memory(Addr(0x5008))));
        let (memory, first) = lines(code, 8);
        let source = first.and_then(|lines| lines.source(&memory, &registers(), RAX));
        assert_eq!(source, Some(Source::Memory(Addr(0x7ff0 - 0x18))));
    }

    #[test]
    fn an_argument_and_what_a_call_changed() {
        // mov rax, rdi; mov rdx, [rax]
        let (memory, moved) = lines(b"\x48\x89\xf8\x48\x8b\x10", 3);
        let source = moved.and_then(|lines| lines.source(&memory, &registers(), RAX));
        assert_eq!(source, Some(Source::Argument(5)));
        // call; mov rdx, [rax]
        let (memory, called) = lines(b"\xe8\0\0\0\0\x48\x8b\x10", 5);
        assert_eq!(called.and_then(|lines| lines.source(&memory, &registers(), RAX)), None);
    }

    #[test]
    fn where_paths_join_nothing_is_said() {
        // test rdi, rdi; je +3; mov rax, rdi; mov rdx, [rax]
        let (memory, joined) = lines(b"\x48\x85\xff\x74\x03\x48\x89\xf8\x48\x8b\x10", 8);
        assert_eq!(joined.and_then(|lines| lines.source(&memory, &registers(), RAX)), None);
    }

    #[test]
    fn what_was_passed_at_a_call() {
        // nops; lea rdi, [rip+0x10]; mov rsi, rbx; call
        let mut code = vec![0x90; 96];
        code.extend(b"\x48\x8d\x3d\x10\0\0\0\x48\x89\xde\xe8\0\0\0\0");
        let end = START + code.len() as u64;
        let memory = FakeMemory::new().with(Addr(START), code);
        let mut registers = Registers::default();
        registers.dwarf[3] = 0x6000;
        let lines = Lines::before_call(&memory, Addr(end)).expect("a call");
        let [first, second, third, ..] = lines.arguments(&memory, &registers, 1 << 3);
        assert_eq!((first, second, third), (Some(end - 8 + 0x10), Some(0x6000), None));
    }
}
