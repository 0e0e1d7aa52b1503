//! Plain data that crosses from the dying process to the helper and to `analyze`.
//!
//! Both sides are built from one source, but not always at one time: an old library may still be loaded when the
//! binary beside it was replaced. Hence magic, version and size at the front of each structure.

use core::mem::{offset_of, size_of};

/// First field of a [`CrashRequest`]: the bytes `CFREQST` and a zero.
pub const REQUEST_MAGIC: u64 = u64::from_le_bytes(*b"CFREQST\0");
/// First field of a [`FixedRecord`]: the bytes `CFRECRD` and a zero.
pub const RECORD_MAGIC: u64 = u64::from_le_bytes(*b"CFRECRD\0");
/// Counts changes to [`CrashRequest`] or [`FixedRecord`].
pub const VERSION: u32 = 4;

/// The helper's argument before the path of the dump, where the program chose one, zero-terminated.
pub const OUTPUT: &core::ffi::CStr = c"--output";

/// The helper's last argument where it must do without ptrace(2) and process_vm_readv(2), zero-terminated.
pub const WITHOUT_PTRACE: &core::ffi::CStr = c"--without-ptrace";

/// The helper's argument before the number of the socket over which the thread that crashed answers its questions
/// ([`Ask`]), zero-terminated.
pub const SERVED: &core::ffi::CStr = c"--served";

/// What a helper that may not look at the process asks of the thread that crashed: one message of a SOCK_SEQPACKET
/// socket, the numbers in little endian, one after the other. The answer is one message: a byte 1 and what was asked
/// for, or a byte 0 alone where that cannot be had. Memory comes whole or not at all; of a file the last part is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What is asked for: a [`Served`] as a number.
    pub what: u32,
    /// How many bytes, [`Ask::MAX_BYTES`] at most.
    pub size: u32,
    /// The address, or where in the file.
    pub at: u64,
}

/// What can be asked for.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// Memory.
    Memory = 0,
    /// `/proc/self/maps`.
    Maps = 1,
    /// `/proc/self/stat`, with the addresses that others are not told.
    Stat = 2,
    /// Where `/proc/self/exe` leads; its beginning alone.
    Executable = 3,
}

impl Ask {
    /// The most bytes of one answer.
    pub const MAX_BYTES: usize = 64 * 1024;
    /// Bytes of a message.
    pub const SIZE: usize = 16;

    /// The message.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        (u128::from(self.what) | u128::from(self.size) << 32 | u128::from(self.at) << 64).to_le_bytes()
    }

    /// What a message asks for.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let all = u128::from_le_bytes(bytes);
        Self {
            what: all as u32,
            size: (all >> 32) as u32,
            at: (all >> 64) as u64,
        }
    }
}

/// The signal by which `coldframe dump` asks the handler for a dump, where it may not look at the process itself:
/// SIGSYS, which is caught in any case and which nothing but a seccomp filter sends.
pub const QUESTION_SIGNAL: i32 = 31;
/// How long a question stays one, in seconds. A signal that was blocked meanwhile arrives when nobody waits any more.
pub const QUESTION_SECONDS: u16 = 15;
/// The symbol of the page that is read-only exactly while the handler takes questions, which /proc/PID/maps shows.
pub const DOOR: &str = "coldframe_door";

/// A question, as it travels in `si_value`: a mark, when it was asked (CLOCK_MONOTONIC, seconds) and a random number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question(pub u64);

impl Question {
    const MARK: u64 = 0xcf09;
    /// Byte offset of `si_value` in the siginfo (`_rt` of include/uapi/asm-generic/siginfo.h).
    const OFFSET: usize = 24;
    /// `si_code` of rt_sigqueueinfo(2).
    const SI_QUEUE: i32 = -1;

    /// One that is asked now.
    #[must_use]
    pub const fn new(seconds: u64, number: u32) -> Self {
        Self(Self::MARK << 48 | (seconds & 0xffff) << 32 | number as u64)
    }

    /// The question in a siginfo.
    #[must_use]
    pub fn in_siginfo(siginfo: &[u8]) -> Option<Self> {
        let int = |at: usize| Some(i32::from_le_bytes(siginfo.get(at..at + 4)?.try_into().ok()?));
        let value = siginfo.get(Self::OFFSET..Self::OFFSET + 8)?.try_into().ok()?;
        let question = Self(u64::from_le_bytes(value));
        let is_one = int(0)? == QUESTION_SIGNAL && int(8)? == Self::SI_QUEUE && question.0 >> 48 == Self::MARK;
        is_one.then_some(question)
    }

    /// The siginfo that asks it, but for the sender (`si_pid`, `si_uid`).
    #[must_use]
    pub fn to_siginfo(self, pid: i32, uid: u32) -> [u8; SIGINFO_SIZE] {
        let mut siginfo = [0; SIGINFO_SIZE];
        let parts = [
            (0, QUESTION_SIGNAL.to_le_bytes()),
            (8, Self::SI_QUEUE.to_le_bytes()),
            (16, pid.to_le_bytes()),
            (20, uid.to_le_bytes()),
            (Self::OFFSET, (self.0 as u32).to_le_bytes()),
            (Self::OFFSET + 4, ((self.0 >> 32) as u32).to_le_bytes()),
        ];
        for (at, bytes) in parts {
            for (slot, byte) in siginfo.iter_mut().skip(at).zip(bytes) {
                *slot = byte;
            }
        }
        siginfo
    }

    /// Whether somebody still waits for the answer, at this time of CLOCK_MONOTONIC.
    #[must_use]
    pub const fn is_fresh(self, seconds: u64) -> bool {
        (seconds as u16).wrapping_sub((self.0 >> 32) as u16) <= QUESTION_SECONDS
    }
}

/// Exit status of a helper that ended itself because its time was up.
pub const OUT_OF_TIME: i32 = 4;
/// Exit status of a helper that may not read the process.
pub const NOT_PERMITTED: i32 = 5;
/// Exit status of a helper for which too little memory is left.
pub const NO_ROOM: i32 = 6;

/// Size of the kernel's `siginfo_t` (`SI_MAX_SIZE`, include/uapi/asm-generic/siginfo.h).
pub const SIGINFO_SIZE: usize = 128;
/// Size of glibc's `ucontext_t` on x86_64 (sysdeps/unix/sysv/linux/x86/sys/ucontext.h), which minidump writers expect.
pub const UCONTEXT_SIZE: usize = 968;
/// How much of it the kernel fills on a signal frame: `struct ucontext` of include/uapi/asm-generic/ucontext.h. The
/// rest stays zero.
pub const KERNEL_UCONTEXT_SIZE: usize = 304;
/// Longest program name that is kept, with its terminating zero.
pub const PROGRAM_SIZE: usize = 64;

/// Byte offset of `uc_stack` in the ucontext: `ss_sp` (8 bytes), `ss_flags` (4, padded to 8), `ss_size` (8).
pub const UC_STACK_OFFSET: usize = 16;
/// Byte offset of the general registers in the ucontext, in the order of `REG_R8` ... `REG_RIP`.
pub const UC_GREGS_OFFSET: usize = 40;

/// What the handler knows about a crash. It lies in the library's own data; the helper reads it from the stopped
/// process at the address it was given. No vector register: they hold parts of texts, and nothing needs them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CrashRequest {
    /// [`REQUEST_MAGIC`].
    pub magic: u64,
    /// [`VERSION`].
    pub version: u32,
    /// Size of this structure in bytes.
    pub size: u32,
    /// The process, as seen in its own pid namespace.
    pub pid: i32,
    /// The thread that received the signal, likewise.
    pub tid: i32,
    /// The signal's number; 0 where there was none.
    pub signal: i32,
    /// Why: an [`Occasion`] as a number.
    pub occasion: u32,
    /// CLOCK_REALTIME at the start of the handler, in nanoseconds.
    pub realtime_ns: u64,
    /// CLOCK_MONOTONIC at the start of the handler, in nanoseconds.
    pub monotonic_ns: u64,
    /// Lowest address of the alternate signal stack in force when the signal came (`uc_stack.ss_sp`).
    pub altstack_base: u64,
    /// Its size in bytes.
    pub altstack_size: u64,
    /// Its `ss_flags` (1: the thread already ran on it, 2: none was set).
    pub altstack_flags: u64,
    /// The thread's FS segment base, which is its thread pointer; zero when the kernel would not tell.
    pub fs_base: u64,
    /// Where in the process its annotations lie (`annotations::Page`).
    pub page_address: u64,
    /// File name of the program, zero-terminated, from AT_EXECFN.
    pub program: [u8; PROGRAM_SIZE],
    /// The `siginfo_t` as the kernel passed it.
    pub siginfo: [u8; SIGINFO_SIZE],
    /// The `ucontext_t`: the registers at the moment of the signal.
    pub ucontext: [u8; UCONTEXT_SIZE],
}

const _: () = assert!(size_of::<CrashRequest>() == 1248);
const _: () = assert!(offset_of!(CrashRequest, siginfo) == 152);
const _: () = assert!(offset_of!(CrashRequest, ucontext) == 280);

impl CrashRequest {
    /// A request with every byte zero.
    #[must_use]
    pub const fn zeroed() -> Self {
        Self {
            magic: 0,
            version: 0,
            size: 0,
            pid: 0,
            tid: 0,
            signal: 0,
            occasion: 0,
            realtime_ns: 0,
            monotonic_ns: 0,
            altstack_base: 0,
            altstack_size: 0,
            altstack_flags: 0,
            fs_base: 0,
            page_address: 0,
            program: [0; PROGRAM_SIZE],
            siginfo: [0; SIGINFO_SIZE],
            ucontext: [0; UCONTEXT_SIZE],
        }
    }

    /// The request in these bytes, unchecked.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; size_of::<Self>()]) -> Self {
        // SAFETY: plain integers and byte arrays; any bytes of its size are one.
        unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() }
    }

    /// Eight bytes of the ucontext at a byte offset.
    #[must_use]
    pub fn context_word(&self, offset: usize) -> Option<u64> {
        let bytes = self.ucontext.get(offset..offset.checked_add(8)?)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    /// Four bytes of the siginfo at a byte offset, as `si_signo` (0), `si_code` (8) and `si_pid` (16) are.
    #[must_use]
    pub fn siginfo_int(&self, offset: usize) -> Option<i32> {
        let bytes = self.siginfo.get(offset..offset.checked_add(4)?)?;
        Some(i32::from_le_bytes(bytes.try_into().ok()?))
    }
}

/// Why a process is captured.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A deadly signal.
    Crash = 0,
    /// The program asked, or a signal that it chose for that arrived. It goes on.
    Request = 1,
    /// The program was not done in the time that it set itself.
    Timeout = 2,
    /// A Python exception that nobody catches. What becomes of the process is its own affair.
    Exception = 3,
}

impl Occasion {
    /// The occasion with this number; an unknown one counts as a request.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Crash,
            2 => Self::Timeout,
            3 => Self::Exception,
            _ => Self::Request,
        }
    }
}

/// How much of the crashed thread's stack a [`FixedRecord`] holds at most, in bytes.
pub const RECORD_STACK_SIZE: usize = 16 * 1024;
/// How much of /proc/self/maps a [`FixedRecord`] holds at most, in bytes.
pub const RECORD_MAPS_SIZE: usize = 64 * 1024;
/// Longest name of a supervisor's socket that is kept.
pub const SUPERVISOR_SIZE: usize = 32;
/// Extension of the files that hold a [`FixedRecord`].
pub const RECORD_EXTENSION: &str = "rec";

/// What the handler writes by itself when no helper could run: the whole content of a `.rec` file.
#[repr(C)]
pub struct FixedRecord {
    /// [`RECORD_MAGIC`].
    pub magic: u64,
    /// [`VERSION`].
    pub version: u32,
    /// Size of this structure, and so of the file, in bytes.
    pub size: u32,
    /// Why the helper did not run: a [`HelperFailure`] as a number.
    pub failure: u32,
    /// The errno value, exit status or signal that belongs to it.
    pub failure_detail: i32,
    /// Address of the first byte of `stack` in the process: the crashed thread's stack pointer.
    pub stack_address: u64,
    /// How many bytes of `stack` are valid.
    pub stack_size: u32,
    /// How many bytes of `maps` are valid.
    pub maps_size: u32,
    /// Name of the socket of the `coldframe run` that the process belongs to, padded with zeros; empty for none.
    pub supervisor: [u8; SUPERVISOR_SIZE],
    /// The request no helper took.
    pub request: CrashRequest,
    /// The crashed thread's stack, upwards from its stack pointer: the words that are addresses of something, and zeros
    /// for all others, since nobody redacts here. To walk the stack takes no more.
    pub stack: [u8; RECORD_STACK_SIZE],
    /// The beginning of /proc/self/maps.
    pub maps: [u8; RECORD_MAPS_SIZE],
}

const _: () = assert!(
    size_of::<FixedRecord>() == 40 + SUPERVISOR_SIZE + size_of::<CrashRequest>() + RECORD_STACK_SIZE + RECORD_MAPS_SIZE
);

/// Why no helper ran, or why it left nothing behind.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelperFailure {
    /// The helper's path is unknown: the library was not loaded by an absolute path.
    NoPath = 1,
    /// clone(2) failed; the detail is its errno.
    Clone = 2,
    /// execve(2) failed; the detail is its errno.
    Exec = 3,
    /// The helper exited with the status in the detail.
    Exited = 4,
    /// The helper was killed by the signal in the detail.
    Killed = 5,
    /// The helper did not finish in time and was killed.
    TimedOut = 6,
}

impl HelperFailure {
    /// The failure with this number, if it is one this version knows.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::NoPath,
            2 => Self::Clone,
            3 => Self::Exec,
            4 => Self::Exited,
            5 => Self::Killed,
            6 => Self::TimedOut,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The one place that compares our hand-written sizes with the libc crate's.
    #[test]
    fn sizes_and_offsets_are_those_of_libc() {
        assert_eq!(size_of::<libc::siginfo_t>(), SIGINFO_SIZE);
        assert_eq!(size_of::<libc::ucontext_t>(), UCONTEXT_SIZE);
        assert_eq!(offset_of!(libc::ucontext_t, uc_stack), UC_STACK_OFFSET);
        assert_eq!(offset_of!(libc::ucontext_t, uc_mcontext), UC_GREGS_OFFSET);
        assert_eq!(offset_of!(libc::ucontext_t, uc_sigmask) + 8, KERNEL_UCONTEXT_SIZE);
    }

    #[test]
    fn questions_for_memory_survive_the_round_trip() {
        let ask = Ask {
            what: Served::Stat as u32,
            size: 0x1_0000,
            at: 0x7fff_0123_4567_89ab,
        };
        assert_eq!(Ask::from_bytes(ask.to_bytes()), ask);
        assert_eq!(ask.to_bytes()[..6], [2, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn questions_are_told_from_other_signals() {
        let question = Question::new(0x1_fffe, 7);
        let siginfo = question.to_siginfo(12, 1000);
        assert_eq!(Question::in_siginfo(&siginfo), Some(question));
        assert!(
            question.is_fresh(0xfffe) && question.is_fresh(0x1_0003),
            "the seconds wrap around"
        );
        assert!(!question.is_fresh(0xfffd) && !question.is_fresh(0x1_0100));
        // Of a seccomp filter (SYS_SECCOMP is 1), another signal, another value, one that is cut off.
        for (at, byte) in [(8, 1), (0, 11), (31, 0)] {
            let mut other = siginfo;
            other[at] = byte;
            assert_eq!(Question::in_siginfo(&other), None);
        }
        assert_eq!(Question::in_siginfo(&siginfo[..28]), None);
        assert_eq!(QUESTION_SIGNAL, libc::SIGSYS);
    }

    #[test]
    fn failures_survive_the_round_trip() {
        for number in 1..=6 {
            assert_eq!(
                HelperFailure::from_number(number).map(|failure| failure as u32),
                Some(number)
            );
        }
        assert_eq!(HelperFailure::from_number(0), None);
    }
}
