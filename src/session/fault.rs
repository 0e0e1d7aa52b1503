//! What first interrupted a thread with a fatal signal, where handlers that ran before ours raised it again.

use libc::{BUS_ADRERR, SI_KERNEL, SI_TKILL, SI_USER};

use crate::addr::Addr;
use crate::report::signals::{FPE_INTDIV, ILL_ILLOPN, SEGV_ACCERR, SEGV_MAPERR};
use crate::source::streams::NativeStep;
use crate::source::{Crash, MemoryExt, Registers, Target};
use crate::unwind::{self, SignalFrame, SignalInfo, Trap};

/// Signals that end a process with a fault of its own.
const FATAL: [i32; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGABRT,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// DWARF numbers of the registers for the first arguments of a system call.
const RDI: usize = 5;
const RSI: usize = 4;
const RDX: usize = 1;

/// What first interrupted a thread.
pub struct FirstFault {
    /// The index of the frame in which it was handled.
    pub index: usize,
    /// The signal.
    pub crash: Crash,
    /// The registers at the instruction that it interrupted.
    pub registers: Registers,
}

/// The outermost frame in which a fatal signal interrupted the thread. `last` is the one that our handler got.
pub fn first_fault(target: &dyn Target, last: &Crash, native: &[NativeStep]) -> Option<FirstFault> {
    let trampolines = native.iter().enumerate().filter(|(_, step)| step.is_signal_trampoline);
    trampolines.rev().find_map(|(index, step)| {
        let frame = unwind::interrupted(target.memory(), step)?;
        let crash = match frame.info.filter(|info| is_consistent(target, last, info, &frame)) {
            Some(info) => Some(Crash {
                tid: last.tid,
                signal: info.signo,
                code: info.code,
                address: info.address,
                sender: info.sender,
            }),
            None => without_info(target, last, &frame),
        };
        Some(FirstFault {
            index,
            crash: crash?,
            registers: frame.registers,
        })
    })
}

/// Whether a siginfo goes with what the processor said. Where the handler did not ask for one, it is older contents of
/// that stack, which may look like one: faulthandler's is from malloc.
fn is_consistent(target: &dyn Target, last: &Crash, info: &SignalInfo, frame: &SignalFrame) -> bool {
    let (trap, pc) = (frame.trap, frame.registers.pc());
    match (info.signo, trap.number) {
        (signo, _) if !FATAL.contains(&signo) => false,
        _ if info.code <= 0 => {
            let sent = Crash {
                signal: info.signo,
                ..last.clone()
            };
            info.signo == last.signal || raised_itself(target, &sent, &frame.registers).is_some()
        }
        _ if info.code == SI_KERNEL => info.address.is_null(),
        (libc::SIGSEGV | libc::SIGBUS, Trap::PAGE_FAULT) => info.address == trap.address,
        (libc::SIGFPE, Trap::DIVIDE | Trap::X87 | Trap::SIMD) => info.address == pc,
        (libc::SIGILL, Trap::OPCODE) => info.address == pc,
        (libc::SIGTRAP, Trap::DEBUG | Trap::BREAKPOINT) => true,
        (libc::SIGSYS, _) => info.address == pc,
        (libc::SIGBUS, Trap::ALIGNMENT | Trap::MACHINE_CHECK) => true,
        _ => false,
    }
}

/// faulthandler does not ask for a siginfo, and raises the same signal again. What the processor said is there
/// all the same; and a thread that had raised the signal itself stands behind that system call.
fn without_info(target: &dyn Target, last: &Crash, frame: &SignalFrame) -> Option<Crash> {
    let trap = frame.trap;
    let pc = frame.registers.pc();
    let (code, address) = match (last.signal, trap.number) {
        (libc::SIGSEGV, Trap::PAGE_FAULT) => (access_code(target, trap)?, trap.address),
        (libc::SIGBUS, Trap::PAGE_FAULT) => (BUS_ADRERR, trap.address),
        (libc::SIGSEGV, Trap::PROTECTION) => (SI_KERNEL, Addr::NULL),
        (libc::SIGILL, Trap::OPCODE) => (ILL_ILLOPN, pc),
        // 0 is also what stands there when there was no exception.
        (libc::SIGFPE, Trap::DIVIDE) if is_division(target, pc) => (FPE_INTDIV, pc),
        _ => {
            let code = raised_itself(target, last, &frame.registers)?;
            return Some(Crash { code, ..last.clone() });
        }
    };
    Some(Crash {
        code,
        address,
        sender: None,
        ..last.clone()
    })
}

/// The error code does not tell a page that may not be accessed from one that is not there.
fn access_code(target: &dyn Target, trap: Trap) -> Option<i32> {
    let mappings = target.mappings();
    if trap.error & 1 == 1 {
        return Some(SEGV_ACCERR);
    }
    if mappings.is_empty() {
        return None;
    }
    let is_mapped = mappings.iter().any(|mapping| mapping.range.contains(trap.address));
    Some(if is_mapped { SEGV_ACCERR } else { SEGV_MAPERR })
}

/// `div` and `idiv`: F6 or F7 with 6 or 7 in the middle bits of ModRM, after prefixes (Intel SDM, volume 2).
fn is_division(target: &dyn Target, pc: Addr) -> bool {
    let Ok(bytes) = target.memory().read_array::<4>(pc) else {
        return false;
    };
    let is_prefix = |byte: u8| byte == 0x66 || (0x40..=0x4f).contains(&byte);
    let opcode = bytes.iter().position(|&byte| !is_prefix(byte));
    let at = |index: usize| bytes.get(index).copied().unwrap_or_default();
    opcode.is_some_and(|index| matches!(at(index), 0xf6 | 0xf7) && (at(index + 1) >> 3) & 7 >= 6)
}

/// The code of a signal that the thread sent to itself: it stands behind `syscall`, with the arguments of
/// tgkill(tgid, tid, signal) or kill(pid, signal), which the kernel leaves in their registers.
fn raised_itself(target: &dyn Target, last: &Crash, registers: &Registers) -> Option<i32> {
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    let argument = |number: usize| registers.dwarf.get(number).map(|&word| word as i32);
    let (first, second, third) = (argument(RDI), argument(RSI), argument(RDX));
    let code = target.memory().read_array::<2>(registers.pc().sub(2));
    if code != Ok(SYSCALL) {
        return None;
    }
    if second == Some(last.tid.cast_signed()) && third == Some(last.signal) {
        Some(SI_TKILL)
    } else if first == Some(target.context().process.pid.cast_signed()) && second == Some(last.signal) {
        Some(SI_USER)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::fake::{FakeMemory, FakeTarget};
    use crate::source::maps::parse_maps;

    const CODE: u64 = 0x40_0000;

    fn target(code: &[u8]) -> FakeTarget {
        let mut target = FakeTarget {
            memory: FakeMemory::new().with(Addr(CODE), code.to_vec()),
            ..FakeTarget::default()
        };
        target.facts.mappings = parse_maps("10000-20000 ---p 0 00:00 0\n");
        target.facts.context.process.pid = 7;
        target
    }

    fn raised(signal: i32) -> Crash {
        Crash {
            tid: 8,
            signal,
            code: -6,
            address: Addr::NULL,
            sender: Some((7, 0)),
        }
    }

    /// What is made of a signal frame without siginfo, with the pc behind the first two bytes of code.
    fn origin(signal: i32, trap: (u64, u64, u64), code: &[u8], arguments: [u64; 3]) -> Option<Crash> {
        let mut registers = Registers::default();
        registers.dwarf[Registers::RIP] = CODE + 2;
        for (number, value) in [RDI, RSI, RDX].into_iter().zip(arguments) {
            registers.dwarf[number] = value;
        }
        let frame = SignalFrame {
            registers,
            info: None,
            trap: Trap {
                number: trap.0,
                error: trap.1,
                address: Addr(trap.2),
            },
        };
        without_info(&target(code), &raised(signal), &frame)
    }

    #[test]
    fn the_processor_says_what_the_fault_was() {
        let fault = |signal, trap, code: &[u8]| origin(signal, trap, code, [0; 3]).map(|c| (c.code, c.address.0));
        let none = [0x90; 8];
        assert_eq!(fault(libc::SIGSEGV, (14, 4, 0x10), &none), Some((SEGV_MAPERR, 0x10)));
        assert_eq!(
            fault(libc::SIGSEGV, (14, 4, 0x1_2345), &none),
            Some((SEGV_ACCERR, 0x1_2345))
        );
        assert_eq!(fault(libc::SIGSEGV, (14, 7, 0x10), &none), Some((SEGV_ACCERR, 0x10)));
        assert_eq!(fault(libc::SIGSEGV, (13, 0, 0x999), &none), Some((SI_KERNEL, 0)));
        assert_eq!(fault(libc::SIGBUS, (14, 4, 0x5000), &none), Some((BUS_ADRERR, 0x5000)));
        assert_eq!(fault(libc::SIGILL, (6, 0, 0), &none), Some((ILL_ILLOPN, CODE + 2)));
        // cqo; idiv rcx
        let division = [0x48, 0x99, 0x48, 0xf7, 0xf9, 0x90];
        assert_eq!(fault(libc::SIGFPE, (0, 0, 0), &division), Some((FPE_INTDIV, CODE + 2)));
        assert_eq!(fault(libc::SIGFPE, (0, 0, 0), &none), None);
        assert_eq!(fault(libc::SIGSEGV, (0, 0, 0), &none), None);
    }

    #[test]
    fn old_stack_contents_are_no_siginfo() {
        let page_fault = |info: SignalInfo| {
            let frame = SignalFrame {
                registers: Registers::default(),
                info: Some(info),
                trap: Trap {
                    number: Trap::PAGE_FAULT,
                    error: 4,
                    address: Addr(0x10),
                },
            };
            is_consistent(&target(&[]), &raised(libc::SIGSEGV), &info, &frame)
        };
        let info = |signo, code, address| SignalInfo {
            signo,
            code,
            address: Addr(address),
            sender: None,
        };
        assert!(page_fault(info(libc::SIGSEGV, 1, 0x10)));
        assert!(page_fault(info(libc::SIGSEGV, -6, 0)));
        assert!(page_fault(info(libc::SIGSEGV, SI_KERNEL, 0)));
        assert!(!page_fault(info(libc::SIGSEGV, 1, 0x18)));
        assert!(!page_fault(info(libc::SIGILL, 4, 0x10)));
        assert!(!page_fault(info(libc::SIGABRT, -6, 0)));
    }

    #[test]
    fn a_thread_that_raised_the_signal_itself_stands_behind_the_call() {
        let abort = |code: &[u8], arguments| origin(libc::SIGABRT, (0, 0, 0), code, arguments);
        let syscall = [0x0f, 0x05, 0x90, 0x90, 0x90, 0x90];
        assert_eq!(abort(&syscall, [7, 8, 6]), Some(raised(libc::SIGABRT)));
        assert_eq!(abort(&syscall, [7, 6, 0]).map(|crash| crash.code), Some(SI_USER));
        assert_eq!(abort(&syscall, [7, 8, 11]), None);
        assert_eq!(abort(&[0x90; 8], [7, 8, 6]), None);
    }
}
