//! What the handler tells the helper about a crash, read from the crashed process and checked.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::size_of;
use std::os::unix::fs::FileExt;

use coldframe_handler::wire::{
    CrashRequest, FPSTATE_SIZE, REQUEST_MAGIC, UC_GREGS_OFFSET, VERSION,
};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use thiserror::Error;

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

/// `si_code` of signals the kernel raised without a better reason, such as a non-canonical address: `si_addr` is not
/// meaningful then.
const SI_KERNEL: i32 = 0x80;

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
    /// The FXSAVE area, 512 bytes, or empty.
    pub fpstate: Vec<u8>,
    /// Where the whole floating point state lies in the process; 0 if unknown.
    pub fpstate_address: u64,
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

/// Why a request cannot be used.
#[derive(Debug, Error)]
pub enum RequestError {
    /// The process's memory cannot be read: it chose not to be dumpable, or has another user.
    #[error("cannot read {size} bytes at {address:#x} of process {pid}: {source}")]
    Unreadable {
        /// The process.
        pid: i32,
        /// Where the request should lie.
        address: u64,
        /// How much was wanted.
        size: usize,
        /// What the system said.
        source: io::Error,
    },
    /// There is no request at that address.
    #[error("no crash request at {address:#x} of process {pid}: it begins with {magic:#x}")]
    BadMagic {
        /// The process.
        pid: i32,
        /// Where the request should lie.
        address: u64,
        /// What lies there.
        magic: u64,
    },
    /// Handler and helper are of different versions.
    #[error("the crash request has version {version} and {size} bytes; this helper knows version {VERSION} with {} bytes", size_of::<CrashRequest>())]
    BadVersion {
        /// The request's version.
        version: u32,
        /// The request's size.
        size: u32,
    },
    /// The request is not about the process and thread that the handler named.
    #[error("the crash request is about process {pid} thread {tid}")]
    OtherThread {
        /// The process it is about.
        pid: i32,
        /// The thread it is about.
        tid: i32,
    },
}

impl Request {
    /// Reads the request at `address` of process `pid`.
    ///
    /// # Errors
    /// When it cannot be read or does not belong to `pid`, `tid` and this version.
    pub fn read(pid: i32, tid: i32, address: u64) -> Result<Self, RequestError> {
        let mut bytes = [0u8; size_of::<CrashRequest>()];
        read_memory(pid, address, &mut bytes).map_err(|source| RequestError::Unreadable {
            pid,
            address,
            size: bytes.len(),
            source,
        })?;
        let raw = from_bytes(&bytes);
        if raw.magic != REQUEST_MAGIC {
            return Err(RequestError::BadMagic {
                pid,
                address,
                magic: raw.magic,
            });
        }
        if (raw.pid, raw.tid) != (pid, tid) {
            return Err(RequestError::OtherThread {
                pid: raw.pid,
                tid: raw.tid,
            });
        }
        Self::from_wire(&raw)
    }

    /// Interprets a request that was read elsewhere, such as the one in a `.rec` file; `None` when there are not enough
    /// bytes, or none that begin a request.
    ///
    /// # Errors
    /// [`RequestError::BadVersion`] when it is of another version.
    pub fn from_bytes(bytes: &[u8]) -> Option<Result<Self, RequestError>> {
        let raw = from_bytes(bytes.first_chunk()?);
        (raw.magic == REQUEST_MAGIC).then(|| Self::from_wire(&raw))
    }

    /// Interprets a request in its raw form.
    ///
    /// # Errors
    /// [`RequestError::BadVersion`] when it is of another version.
    pub fn from_wire(raw: &CrashRequest) -> Result<Self, RequestError> {
        if raw.version != VERSION || raw.size as usize != size_of::<CrashRequest>() {
            return Err(RequestError::BadVersion {
                version: raw.version,
                size: raw.size,
            });
        }
        let int = |offset| raw.siginfo_int(offset).unwrap_or(0);
        let code = int(8);
        let from_kernel = code > 0;
        let address = u64::from(int(16) as u32) | (u64::from(int(20) as u32) << 32);
        let fpstate_size = (raw.fpstate_size as usize).min(FPSTATE_SIZE);
        Ok(Self {
            pid: raw.pid,
            tid: raw.tid,
            signal: raw.signal,
            code,
            address: (from_kernel && code != SI_KERNEL).then_some(address),
            sender: (!from_kernel).then_some(Sender {
                pid: int(16),
                uid: int(20) as u32,
            }),
            registers: DWARF_TO_GREG
                .map(|greg| raw.context_word(UC_GREGS_OFFSET + greg * 8).unwrap_or(0)),
            fpstate: raw.fpstate[..fpstate_size].to_vec(),
            fpstate_address: raw.fpstate_address,
            altstack: (raw.altstack_flags & 2 == 0 && raw.altstack_size != 0).then_some(
                AlternateStack {
                    base: raw.altstack_base,
                    size: raw.altstack_size,
                },
            ),
            fs_base: raw.fs_base,
            realtime_ns: raw.realtime_ns,
            monotonic_ns: raw.monotonic_ns,
            program: String::from_utf8_lossy(
                raw.program
                    .split(|&byte| byte == 0)
                    .next()
                    .unwrap_or_default(),
            )
            .into_owned(),
            siginfo: raw.siginfo.to_vec(),
            ucontext: raw.ucontext.to_vec(),
        })
    }
}

fn from_bytes(bytes: &[u8; size_of::<CrashRequest>()]) -> CrashRequest {
    // SAFETY: CrashRequest is plain integers and byte arrays; any bytes of its size are one.
    unsafe { bytes.as_ptr().cast::<CrashRequest>().read_unaligned() }
}

/// process_vm_readv(2), and /proc/PID/mem where a container filters that call.
fn read_memory(pid: i32, address: u64, buffer: &mut [u8]) -> io::Result<()> {
    let size = buffer.len();
    let remote = RemoteIoVec {
        base: address as usize,
        len: size,
    };
    match process_vm_readv(
        Pid::from_raw(pid),
        &mut [IoSliceMut::new(buffer)],
        &[remote],
    ) {
        Ok(count) if count == size => Ok(()),
        _ => File::open(format!("/proc/{pid}/mem"))?.read_exact_at(buffer, address),
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
    fn requests_are_checked() {
        let raw = sample();
        let address = &raw const raw as u64;
        assert!(Request::read(raw.pid, 7, address).is_ok());
        assert!(matches!(
            Request::read(raw.pid, 8, address),
            Err(RequestError::OtherThread { tid: 7, .. })
        ));
        assert!(matches!(
            Request::read(raw.pid, 7, address + 8),
            Err(RequestError::BadMagic { .. })
        ));
        assert!(matches!(
            Request::read(raw.pid, 7, 16),
            Err(RequestError::Unreadable { .. })
        ));
        let mut old = sample();
        old.version = 0;
        assert!(matches!(
            Request::from_wire(&old),
            Err(RequestError::BadVersion { version: 0, .. })
        ));
    }
}
