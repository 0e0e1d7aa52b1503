//! What the signal handler knew about a crash: read by the helper from the process, and by `analyze` from a record.

use std::mem::size_of;

use coldframe_handler::wire::{CrashRequest, Occasion, Question, REQUEST_MAGIC, UC_GREGS_OFFSET, VERSION};
use thiserror::Error;

use super::{Crash, Registers};
use crate::addr::Addr;

/// Number of general registers, `rip` included.
pub const REGISTERS: usize = 17;

/// For each DWARF register number of x86_64 (psABI 1.0, figure 3.36) its index among the ucontext's registers
/// (glibc, sys/ucontext.h: REG_R8 is 0, REG_RIP is 16).
const DWARF_TO_GREG: [usize; REGISTERS] = [
    13, // 0 rax
    12, // 1 rdx
    14, // 2 rcx
    11, // 3 rbx
    9,  // 4 rsi
    8,  // 5 rdi
    10, // 6 rbp
    15, // 7 rsp
    0, 1, 2, 3, 4, 5, 6, 7,  // 8 to 15 r8 to r15
    16, // 16 rip
];

/// `uc_mcontext.fpregs` in the ucontext (glibc sysdeps/unix/sysv/linux/x86/sys/ucontext.h).
const UC_FPSTATE: usize = 224;

/// Who sent a signal that no fault raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Its process; 0 when it lies in another pid namespace.
    pub pid: i32,
    /// Its real user id.
    pub uid: u32,
}

/// The alternate signal stack that was in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlternateStack {
    /// Lowest address.
    pub base: u64,
    /// Size in bytes.
    pub size: u64,
}

/// A crash, as the handler saw it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The process, in its own pid namespace, which is the helper's too.
    pub pid: i32,
    /// The thread that received the signal.
    pub tid: i32,
    /// The signal's number.
    pub signal: i32,
    /// `si_code`: above 0 from the kernel, otherwise from a process.
    pub code: i32,
    /// The fault address, where the signal has one.
    pub address: Option<u64>,
    /// Who sent the signal, where someone did.
    pub sender: Option<Sender>,
    /// The general registers at the moment of the signal, by DWARF register number; 16 is `rip`.
    pub registers: [u64; REGISTERS],
    /// Why the process is captured.
    pub occasion: Occasion,
    /// Where the annotations of the process lie; 0 if unknown.
    pub page: u64,
    /// The alternate signal stack in force, if any.
    pub altstack: Option<AlternateStack>,
    /// The thread's FS segment base; 0 if unknown.
    pub fs_base: u64,
    /// When it happened, CLOCK_REALTIME in nanoseconds.
    pub realtime_ns: u64,
    /// When it happened, CLOCK_MONOTONIC in nanoseconds.
    pub monotonic_ns: u64,
    /// The program's file name.
    pub program: String,
    /// The `siginfo_t` as it was, 128 bytes.
    pub siginfo: Vec<u8>,
    /// The `ucontext_t` as it was, 968 bytes of which the kernel fills the first 304.
    pub ucontext: Vec<u8>,
}

/// Handler and reader are of different versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the crash request has version {version} and {size} bytes; this coldframe knows version {VERSION} with {} bytes", size_of::<CrashRequest>())]
pub struct OtherVersion {
    /// The request's version.
    pub version: u32,
    /// The request's size.
    pub size: u32,
}

impl Request {
    /// The question that the process answers by this dump, where `coldframe dump` asked it.
    #[must_use]
    pub fn question(&self) -> Option<Question> {
        (self.occasion == Occasion::Request)
            .then(|| Question::in_siginfo(&self.siginfo))
            .flatten()
    }

    /// Interprets the request in these bytes, such as those of a `.rec` file; `None` when there are not enough of them,
    /// or they begin no request.
    ///
    /// # Errors
    /// [`OtherVersion`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Result<Self, OtherVersion>> {
        let raw = CrashRequest::from_bytes(bytes.first_chunk()?);
        (raw.magic == REQUEST_MAGIC).then(|| Self::from_wire(&raw))
    }

    /// Interprets a request in its raw form.
    ///
    /// # Errors
    /// [`OtherVersion`].
    pub fn from_wire(raw: &CrashRequest) -> Result<Self, OtherVersion> {
        if raw.version != VERSION || raw.size as usize != size_of::<CrashRequest>() {
            return Err(OtherVersion {
                version: raw.version,
                size: raw.size,
            });
        }
        let int = |offset| raw.siginfo_int(offset).unwrap_or(0);
        let code = int(8);
        let from_kernel = code > 0;
        let address = u64::from(int(16) as u32) | (u64::from(int(20) as u32) << 32);
        Ok(Self {
            pid: raw.pid,
            tid: raw.tid,
            signal: raw.signal,
            code,
            // Of a signal that the kernel raised without a better reason, such as a non-canonical address, it means nothing.
            address: (from_kernel && code != libc::SI_KERNEL).then_some(address),
            sender: (!from_kernel).then_some(Sender {
                pid: int(16),
                uid: int(20) as u32,
            }),
            registers: DWARF_TO_GREG.map(|greg| raw.context_word(UC_GREGS_OFFSET + greg * 8).unwrap_or(0)),
            occasion: Occasion::from_number(raw.occasion),
            page: raw.page_address,
            altstack: (raw.altstack_flags & 2 == 0 && raw.altstack_size != 0).then_some(AlternateStack {
                base: raw.altstack_base,
                size: raw.altstack_size,
            }),
            fs_base: raw.fs_base,
            realtime_ns: raw.realtime_ns,
            monotonic_ns: raw.monotonic_ns,
            program: String::from_utf8_lossy(raw.program.split(|&byte| byte == 0).next().unwrap_or_default())
                .into_owned(),
            siginfo: raw.siginfo.to_vec(),
            ucontext: raw.ucontext.to_vec(),
        })
    }

    /// The signal and its thread.
    #[must_use]
    pub fn crash(&self) -> Crash {
        Crash {
            tid: self.tid.unsigned_abs(),
            signal: self.signal,
            code: self.code,
            address: Addr(self.address.unwrap_or(0)),
            sender: self.sender.as_ref().map(|sender| (sender.pid, sender.uid)),
        }
    }

    /// The crashed thread's registers at the signal.
    #[must_use]
    pub fn registers(&self) -> Registers {
        Registers {
            dwarf: self.registers,
            fs_base: Some(self.fs_base),
            vectors: None,
        }
    }

    /// Where in the process its vector registers of that moment are, in an FXSAVE area.
    #[must_use]
    pub fn vectors(&self) -> Option<Addr> {
        let word = self.ucontext.get(UC_FPSTATE..)?.first_chunk()?;
        Some(Addr(u64::from_le_bytes(*word))).filter(|at| !at.is_null())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> CrashRequest {
        let mut raw = CrashRequest::zeroed();
        raw.magic = REQUEST_MAGIC;
        raw.version = VERSION;
        raw.size = size_of::<CrashRequest>() as u32;
        raw.pid = std::process::id() as i32;
        raw.tid = 7;
        raw.signal = libc::SIGSEGV;
        raw.siginfo[8] = 1;
        raw.siginfo[16..24].copy_from_slice(&0x1234_5678_9abc_u64.to_le_bytes());
        for (index, chunk) in raw.ucontext[UC_GREGS_OFFSET..UC_GREGS_OFFSET + 17 * 8]
            .chunks_mut(8)
            .enumerate()
        {
            chunk.copy_from_slice(&(100 + index as u64).to_le_bytes());
        }
        raw
    }

    #[test]
    fn registers_come_in_dwarf_order() {
        let request = Request::from_wire(&sample()).expect("a valid request");
        let greg = |index: i32| 100 + index as u64;
        assert_eq!(request.registers[0], greg(libc::REG_RAX));
        assert_eq!(request.registers[3], greg(libc::REG_RBX));
        assert_eq!(request.registers[7], greg(libc::REG_RSP));
        assert_eq!(request.registers[8], greg(libc::REG_R8));
        assert_eq!(request.registers[15], greg(libc::REG_R15));
        assert_eq!(request.registers[16], greg(libc::REG_RIP));
        assert_eq!(request.address, Some(0x1234_5678_9abc));
        assert_eq!(request.sender, None);
    }

    #[test]
    fn a_sent_signal_has_a_sender_and_no_address() {
        let mut raw = sample();
        raw.siginfo[8] = 0;
        raw.siginfo[16..24].copy_from_slice(&[4, 0, 0, 0, 232, 3, 0, 0]);
        let request = Request::from_wire(&raw).expect("a valid request");
        assert_eq!(request.sender, Some(Sender { pid: 4, uid: 1000 }));
        assert_eq!(request.address, None);
    }

    #[test]
    fn another_version_is_refused() {
        let mut old = sample();
        old.version = 0;
        assert!(matches!(Request::from_wire(&old), Err(OtherVersion { version: 0, .. })));
        assert!(Request::from_bytes(&[0; 8]).is_none());
        assert!(Request::from_bytes(&[0; size_of::<CrashRequest>()]).is_none());
    }
}
