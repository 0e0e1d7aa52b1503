//! The instruction that faulted, and what of it explains the fault.

use crate::addr::Addr;
use crate::machine::{self, is_canonical};
use crate::report::model::{AccessKind, Instruction, MemoryAccess, Register};
use crate::source::{Crash, Memory, Registers};

/// Signals that come from an instruction, and leave the program counter at it. (SIGTRAP leaves it behind.)
const FAULTS: [i32; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];

/// The instruction that `crash` was raised for; `None` for a signal that was sent.
pub fn faulting_instruction(memory: &dyn Memory, crash: &Crash, registers: &Registers) -> Option<Instruction> {
    if crash.code <= 0 || !FAULTS.contains(&crash.signal) {
        return None;
    }
    let pc = registers.pc();
    let decoded = machine::Instruction::read(memory, registers);
    let access = match crash.signal {
        libc::SIGSEGV | libc::SIGBUS => faulting_access(crash, pc, decoded.as_ref()),
        _ => None,
    };
    let numbers = match (&access, &decoded) {
        (Some((_, numbers)), _) => numbers.clone(),
        (None, Some(decoded)) => decoded.reads.clone(),
        (None, None) => Vec::new(),
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // Where nothing may be executed, what lies there is no instruction.
    let is_wild = access.as_ref().is_some_and(|(_, numbers)| numbers.is_empty())
        && access.as_ref().and_then(|(access, _)| access.address) == Some(pc.into());
    let decoded = decoded.filter(|_| !is_wild);
    Some(Instruction {
        address: pc.into(),
        text: decoded.as_ref().map(|decoded| decoded.text.clone()),
        bytes: decoded.as_ref().map(|decoded| hex(&decoded.bytes)),
        access: access.map(|(access, _)| access),
        registers: numbers
            .into_iter()
            .filter_map(|number| register(registers, number))
            .collect(),
    })
}

/// The general registers and the base of the thread's own data.
pub fn all_registers(registers: &Registers) -> Vec<Register> {
    let general = (0..Registers::COUNT).filter_map(|number| register(registers, number));
    let own = registers.fs_base.map(|base| Register {
        name: "fs_base".to_string(),
        value: Addr(base).into(),
    });
    general.chain(own).collect()
}

fn register(registers: &Registers, number: usize) -> Option<Register> {
    Some(Register {
        name: (*Registers::NAMES.get(number)?).to_string(),
        value: Addr(*registers.dwarf.get(number)?).into(),
    })
}

/// The access that faulted, and the registers of its address.
fn faulting_access(
    crash: &Crash,
    pc: Addr,
    instruction: Option<&machine::Instruction>,
) -> Option<(MemoryAccess, Vec<usize>)> {
    let has_address = crash.code != libc::SI_KERNEL;
    let execute = |target: Addr, numbers: &[usize]| {
        let access = MemoryAccess {
            kind: AccessKind::Execute,
            address: Some(target.into()),
            explains_fault: Some(true),
            ..MemoryAccess::default()
        };
        Some((access, numbers.to_vec()))
    };
    if has_address && crash.address == pc {
        return execute(pc, &[]);
    }
    let instruction = instruction?;
    let accesses = &instruction.accesses;
    let found = match has_address {
        true => accesses.iter().find(|access| access.covers(crash.address)),
        false => accesses
            .iter()
            .find(|access| access.address.is_some_and(|at| !is_canonical(at))),
    };
    // A call to such an address faults where it is made.
    if let (None, false, Some(target)) = (found, has_address, instruction.target)
        && !is_canonical(target)
    {
        return execute(target, &instruction.reads);
    }
    let access = found.or(accesses.first())?;
    let explains_fault = match (found, has_address, access.address) {
        (Some(_), ..) => Some(true),
        (None, true, Some(_)) => Some(false),
        _ => None,
    };
    let shown = MemoryAccess {
        kind: match access.kind {
            machine::AccessKind::Read => AccessKind::Read,
            machine::AccessKind::Write => AccessKind::Write,
            machine::AccessKind::ReadWrite => AccessKind::ReadWrite,
        },
        operand: Some(access.operand.clone()),
        displacement: (!access.registers.is_empty()).then_some(access.displacement),
        address: access.address.map(Into::into),
        size: access.len.filter(|_| !access.is_masked),
        explains_fault,
    };
    Some((shown, access.registers.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::fake::FakeMemory;

    const PC: u64 = 0x40_0000;
    const RDI: usize = 5;

    fn fault(code: &[u8], signal: i32, si_code: i32, address: u64, rdi: u64) -> Option<Instruction> {
        let mut registers = Registers::default();
        registers.dwarf[Registers::RIP] = PC;
        registers.dwarf[RDI] = rdi;
        let mut code = code.to_vec();
        code.resize(15, 0x90);
        let memory = FakeMemory::new().with(Addr(PC), code);
        let crash = Crash {
            tid: 1,
            signal,
            code: si_code,
            address: Addr(address),
            sender: None,
        };
        faulting_instruction(&memory, &crash, &registers)
    }

    /// What is said of a fault.
    fn said(instruction: Option<Instruction>) -> String {
        let Some(instruction) = instruction else {
            return "nothing".to_string();
        };
        let registers: Vec<String> = instruction
            .registers
            .iter()
            .map(|register| format!("{}={}", register.name, register.value))
            .collect();
        let access = instruction.access.map(|access| {
            let address = access.address.map(|address| address.to_string());
            format!(
                "{:?} {} {:?}",
                access.kind,
                address.unwrap_or_default(),
                access.explains_fault
            )
        });
        format!(
            "{}; {}; {}",
            instruction.text.unwrap_or_default(),
            access.unwrap_or_default(),
            registers.join(" ")
        )
    }

    #[test]
    fn what_explains_a_fault() {
        let load = b"\x48\x8b\x47\x18";
        let wild = 0xdead_beef_dead_beef_u64;
        let segv = |code: &[u8], si_code, address, rdi| said(fault(code, libc::SIGSEGV, si_code, address, rdi));
        assert_eq!(
            segv(load, 1, 0x18, 0),
            "mov rax, [rdi+0x18]; Read 0x18 Some(true); rdi=0x0"
        );
        assert_eq!(
            segv(load, 1, 0x5000, 0),
            "mov rax, [rdi+0x18]; Read 0x18 Some(false); rdi=0x0"
        );
        assert_eq!(
            segv(load, libc::SI_KERNEL, 0, wild),
            "mov rax, [rdi+0x18]; Read 0xdeadbeefdeadbf07 Some(true); rdi=0xdeadbeefdeadbeef"
        );
        // A privileged instruction with a harmless operand.
        assert_eq!(
            segv(load, libc::SI_KERNEL, 0, 0x10),
            "mov rax, [rdi+0x18]; Read 0x28 None; rdi=0x10"
        );
        let call = b"\xff\xd7";
        assert_eq!(
            segv(call, libc::SI_KERNEL, 0, wild),
            "call rdi; Execute 0xdeadbeefdeadbeef Some(true); rdi=0xdeadbeefdeadbeef"
        );
        assert_eq!(segv(load, 2, PC, 0), "; Execute 0x400000 Some(true); ");
    }

    #[test]
    fn other_signals() {
        assert_eq!(
            said(fault(b"\x48\xf7\xff", libc::SIGFPE, 1, PC, 0)),
            "idiv rdi; ; rax=0x0 rdx=0x0 rdi=0x0"
        );
        assert_eq!(said(fault(b"\x0f\x0b", libc::SIGILL, 2, PC, 0)), "ud2; ; ");
        assert_eq!(said(fault(b"\x0f\x05", libc::SIGABRT, -6, 0, 0)), "nothing");
        assert_eq!(said(fault(b"\x0f\x05", libc::SIGSEGV, 0, 0, 0)), "nothing");
    }
}
