//! Decoding for x86_64, by iced-x86.

use std::fmt::Write;

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Formatter, InstructionInfoFactory, IntelFormatter, Mnemonic, OpAccess,
    OpKind, Register, UsedMemory,
};

use super::{Access, AccessKind, Instruction, features};
use crate::addr::Addr;
use crate::source::{Memory, MemoryExt, Registers};

/// The longest instruction (Intel SDM, volume 2, section 2.3.11).
pub const MAX_LEN: usize = 15;
/// Registers that are the second byte of another.
pub(super) const HIGH_BYTES: [Register; 4] = [Register::AH, Register::BH, Register::CH, Register::DH];
/// DWARF number of the count register of repeated instructions.
const RCX: usize = 2;

pub fn decode(code: &[u8], memory: &dyn Memory, registers: &Registers) -> Option<Instruction> {
    let pc = registers.pc();
    let instruction = Decoder::with_ip(64, code, pc.0, DecoderOptions::NONE).decode();
    if instruction.code() == Code::INVALID {
        return None;
    }
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(&instruction);
    let repeats = instruction.has_rep_prefix() || instruction.has_repne_prefix();
    // Of such ones iced does not say how much they access.
    let left = repeats.then(|| registers.dwarf[RCX].saturating_mul(instruction.memory_size().size() as u64));
    let accesses: Vec<Access> = info
        .used_memory()
        .iter()
        .filter_map(|used| access(used, registers, left))
        .map(|access| Access {
            is_masked: instruction.has_op_mask(),
            ..access
        })
        .collect();
    let mut reads: Vec<usize> = info
        .used_registers()
        .iter()
        .filter(|used| {
            matches!(
                used.access(),
                OpAccess::Read | OpAccess::CondRead | OpAccess::ReadWrite | OpAccess::ReadCondWrite
            )
        })
        .filter_map(|used| dwarf_number(used.register()))
        .collect();
    if reads.iter().any(|&number| number != Registers::RSP) && instruction.is_stack_instruction() {
        // A call uses it, too, but what matters is its operand.
        reads.retain(|&number| number != Registers::RSP);
    }
    reads.sort_unstable();
    reads.dedup();
    Some(Instruction {
        bytes: code.get(..instruction.len())?.to_vec(),
        text: text(&instruction),
        target: target(&instruction, &accesses, memory, registers),
        divisor: divisor(&instruction, &accesses, memory, registers),
        accesses,
        reads,
        repeats,
        needs: features::needed(&instruction),
    })
}

fn text(instruction: &iced_x86::Instruction) -> String {
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_space_after_operand_separator(true);
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_small_hex_numbers_in_decimal(false);
    options.set_branch_leading_zeros(false);
    let mut text = String::new();
    formatter.format(instruction, &mut text);
    text
}

/// `None` for an operand whose address alone is used (`lea`, `nop`).
fn access(used: &UsedMemory, registers: &Registers, left: Option<u64>) -> Option<Access> {
    let kind = match used.access() {
        OpAccess::Read | OpAccess::CondRead => AccessKind::Read,
        OpAccess::Write | OpAccess::CondWrite => AccessKind::Write,
        OpAccess::ReadWrite | OpAccess::ReadCondWrite => AccessKind::ReadWrite,
        OpAccess::None | OpAccess::NoMemAccess => return None,
    };
    let size = used.memory_size().size() as u64;
    Some(Access {
        kind,
        operand: operand(used),
        address: used
            .virtual_address(0, |register, _, _| value(register, registers))
            .map(Addr),
        len: left.or((size > 0).then_some(size)),
        is_masked: false,
        registers: [used.base(), used.index()]
            .into_iter()
            .filter_map(dwarf_number)
            .collect(),
        displacement: used.displacement().cast_signed(),
    })
}

fn operand(used: &UsedMemory) -> String {
    let name = |register: Register| format!("{register:?}").to_lowercase();
    let mut text = match used.segment() {
        segment @ (Register::FS | Register::GS) => format!("{}:[", name(segment)),
        _ => "[".to_string(),
    };
    let start = text.len();
    if used.base() != Register::None {
        text.push_str(&name(used.base()));
    }
    if used.index() != Register::None {
        let sign = if text.len() > start { "+" } else { "" };
        // Writing to a string cannot fail.
        let _ = match used.scale() {
            1 => write!(text, "{sign}{}", name(used.index())),
            scale => write!(text, "{sign}{}*{scale}", name(used.index())),
        };
    }
    let displacement = used.displacement();
    let _ = match displacement.cast_signed() {
        _ if text.len() == start => write!(text, "{displacement:#x}"),
        0 => Ok(()),
        signed if signed < 0 => write!(text, "-{:#x}", signed.unsigned_abs()),
        _ => write!(text, "+{displacement:#x}"),
    };
    text.push(']');
    text
}

/// Of a register as an address uses it.
pub(super) fn value(register: Register, registers: &Registers) -> Option<u64> {
    match register {
        Register::FS => return registers.fs_base,
        // In 64-bit mode their bases count as 0 (Intel SDM, volume 1, section 3.4.4).
        Register::CS | Register::DS | Register::ES | Register::SS => return Some(0),
        _ => {}
    }
    let whole = *registers.dwarf.get(dwarf_number(register)?)?;
    Some(if register.is_gpr32() {
        whole & 0xffff_ffff
    } else {
        whole
    })
}

/// Of the general register that this is, or is a part of.
pub(super) fn dwarf_number(register: Register) -> Option<usize> {
    if !register.is_gpr() {
        return None;
    }
    let name = format!("{:?}", register.full_register()).to_lowercase();
    Registers::NAMES.iter().position(|known| *known == name)
}

fn target(
    instruction: &iced_x86::Instruction,
    accesses: &[Access],
    memory: &dyn Memory,
    registers: &Registers,
) -> Option<Addr> {
    let in_memory = |access: Option<&Access>| memory.read_addr(access?.address?).ok();
    match instruction.flow_control() {
        FlowControl::IndirectBranch | FlowControl::IndirectCall => match instruction.op0_kind() {
            OpKind::Register => value(instruction.op0_register(), registers).map(Addr),
            OpKind::Memory => in_memory(accesses.iter().find(|access| access.kind == AccessKind::Read)),
            _ => None,
        },
        FlowControl::Return => in_memory(accesses.first()),
        _ => None,
    }
}

/// The operand of `div` and `idiv`, as many bytes as it has.
fn divisor(
    instruction: &iced_x86::Instruction,
    accesses: &[Access],
    memory: &dyn Memory,
    registers: &Registers,
) -> Option<u64> {
    if !matches!(instruction.mnemonic(), Mnemonic::Div | Mnemonic::Idiv) {
        return None;
    }
    let register = instruction.op0_register();
    let (bytes, len) = match instruction.op0_kind() {
        // The second byte of a register (`ah`) is not told.
        OpKind::Register if !HIGH_BYTES.contains(&register) => {
            let whole = registers.dwarf.get(dwarf_number(register)?)?;
            (whole.to_le_bytes().to_vec(), register.size())
        }
        OpKind::Memory => {
            let len = instruction.memory_size().size();
            (memory.read_vec(accesses.first()?.address?, len).ok()?, len)
        }
        _ => return None,
    };
    let digits = bytes.get(..len)?.iter().rev();
    Some(digits.fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::fake::FakeMemory;

    const RDI: usize = 5;
    const RAX: usize = 0;

    fn registers() -> Registers {
        let mut registers = Registers::default();
        registers.dwarf[Registers::RIP] = 0x1000;
        registers.dwarf[Registers::RSP] = 0x7000;
        registers.dwarf[RDI] = 0x40;
        registers.dwarf[RAX] = 0xffff_ffff_0000_0002;
        registers.dwarf[RCX] = 3;
        registers.fs_base = Some(0x9000);
        registers
    }

    fn read(code: &[u8]) -> Instruction {
        let memory = FakeMemory::new()
            .with(Addr(0x1000), code.to_vec())
            .with(Addr(0x7000), 0xdead_u64.to_le_bytes().to_vec());
        // The page ends with the code, as far as this memory goes.
        let found = (1..=code.len()).rev().find_map(|len| {
            let code = memory.read_vec(Addr(0x1000), len).ok()?;
            decode(&code, &memory, &registers())
        });
        found.expect("an instruction")
    }

    /// Text, and of each access: kind, operand, address, length, registers.
    fn shown(code: &[u8]) -> (String, Vec<String>) {
        let instruction = read(code);
        let access = |access: &Access| {
            let names: Vec<&str> = access
                .registers
                .iter()
                .map(|&number| Registers::NAMES[number])
                .collect();
            format!(
                "{:?} {} at {:?} len {:?} by {}",
                access.kind,
                access.operand,
                access.address.map(|address| address.0),
                access.len,
                names.join(" ")
            )
        };
        (
            instruction.text.clone(),
            instruction.accesses.iter().map(access).collect(),
        )
    }

    #[test]
    fn operands_in_memory() {
        let cases: &[(&[u8], &str, &[&str])] = &[
            (
                b"\x48\x8b\x47\x18",
                "mov rax, [rdi+0x18]",
                &["Read [rdi+0x18] at Some(88) len Some(8) by rdi"],
            ),
            (
                b"\x89\x57\xf0",
                "mov [rdi-0x10], edx",
                &["Write [rdi-0x10] at Some(48) len Some(4) by rdi"],
            ),
            (
                b"\x48\x83\x07\x01",
                "add qword ptr [rdi], 0x1",
                &["ReadWrite [rdi] at Some(64) len Some(8) by rdi"],
            ),
            (
                b"\x8b\x04\x8f",
                "mov eax, [rdi+rcx*4]",
                &["Read [rdi+rcx*4] at Some(76) len Some(4) by rdi rcx"],
            ),
            (
                b"\x67\x8b\x00",
                "mov eax, [eax]",
                &["Read [eax] at Some(2) len Some(4) by rax"],
            ),
            (
                b"\x64\x48\x8b\x04\x25\x28\x00\x00\x00",
                "mov rax, fs:[0x28]",
                &["Read fs:[0x28] at Some(36904) len Some(8) by "],
            ),
            (
                b"\x48\x8b\x05\x10\x00\x00\x00",
                "mov rax, [0x1017]",
                &["Read [0x1017] at Some(4119) len Some(8) by "],
            ),
            (
                b"\x57",
                "push rdi",
                &["Write [rsp-0x8] at Some(28664) len Some(8) by rsp"],
            ),
            (b"\x48\x8d\x47\x18", "lea rax, [rdi+0x18]", &[]),
            (
                b"\xf3\xaa",
                "rep stosb [rdi]",
                &["Write [rdi] at Some(64) len Some(3) by rdi"],
            ),
        ];
        for (code, text, accesses) in cases {
            let (found, list) = shown(code);
            assert_eq!(
                (&*found, &*list),
                (*text, &accesses.iter().map(ToString::to_string).collect::<Vec<_>>()[..])
            );
        }
    }

    #[test]
    fn where_it_goes_and_what_it_reads() {
        assert_eq!(read(b"\xff\xd7").target, Some(Addr(0x40)));
        assert_eq!(read(b"\xc3").target, Some(Addr(0xdead)));
        assert_eq!(read(b"\xe8\x00\x00\x00\x00").target, None);
        // idiv rcx: the divisor, and both halves of what is divided.
        assert_eq!(read(b"\x48\xf7\xf9").reads, [0, 1, RCX]);
    }

    #[test]
    fn what_it_divides_by() {
        // idiv rcx, div cl, idiv byte ptr [rsp], idiv edi, div ah
        let codes: [&[u8]; 5] = [b"\x48\xf7\xf9", b"\xf6\xf1", b"\xf6\x3c\x24", b"\xf7\xff", b"\xf6\xf4"];
        let divisors = codes.map(|code| read(code).divisor);
        assert_eq!(divisors, [Some(3), Some(3), Some(0xad), Some(0x40), None]);
        assert_eq!(read(b"\xff\xd7").divisor, None);
    }

    #[test]
    fn what_is_no_instruction() {
        let memory = FakeMemory::new().with(Addr(0x1000), vec![0x06, 0x06]);
        assert_eq!(Instruction::read(&memory, &registers()), None);
        assert_eq!(Instruction::read(&FakeMemory::new(), &registers()), None);
    }
}
