//! System calls by number, and the kernel structures they take.
//!
//! Raw, because the library must not need a libc symbol, and because libc's wrappers set `errno`, which belongs to
//! the interrupted program. Numbers: arch/x86/entry/syscalls/syscall_64.tbl. Structures: include/uapi of Linux.

use core::arch::asm;
use core::cell::UnsafeCell;

/// Numbers of the system calls in use.
#[allow(missing_docs, reason = "each constant is the call of its name")]
pub mod nr {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const CLOSE: usize = 3;
    pub const FSTAT: usize = 5;
    pub const POLL: usize = 7;
    pub const MMAP: usize = 9;
    pub const MPROTECT: usize = 10;
    pub const MUNMAP: usize = 11;
    pub const RT_SIGACTION: usize = 13;
    pub const RT_SIGPROCMASK: usize = 14;
    pub const PREAD64: usize = 17;
    pub const SCHED_YIELD: usize = 24;
    pub const DUP2: usize = 33;
    pub const NANOSLEEP: usize = 35;
    pub const GETPID: usize = 39;
    pub const SENDMSG: usize = 46;
    pub const SOCKETPAIR: usize = 53;
    pub const CLONE: usize = 56;
    pub const EXECVE: usize = 59;
    pub const WAIT4: usize = 61;
    pub const KILL: usize = 62;
    pub const FCNTL: usize = 72;
    pub const MKDIR: usize = 83;
    pub const READLINK: usize = 89;
    pub const GETUID: usize = 102;
    pub const GETGID: usize = 104;
    pub const GETEUID: usize = 107;
    pub const GETEGID: usize = 108;
    pub const SETSID: usize = 112;
    pub const SIGALTSTACK: usize = 131;
    pub const PRCTL: usize = 157;
    pub const ARCH_PRCTL: usize = 158;
    pub const GETTID: usize = 186;
    pub const FUTEX: usize = 202;
    pub const TIMER_CREATE: usize = 222;
    pub const TIMER_SETTIME: usize = 223;
    pub const TIMER_DELETE: usize = 226;
    pub const CLOCK_GETTIME: usize = 228;
    pub const EXIT_GROUP: usize = 231;
    pub const TGKILL: usize = 234;
    pub const OPENAT: usize = 257;
    pub const RT_TGSIGQUEUEINFO: usize = 297;
    pub const PRLIMIT64: usize = 302;
    pub const CLOSE_RANGE: usize = 436;
}

/// Signal numbers of x86_64 (arch/x86/include/uapi/asm/signal.h).
#[allow(missing_docs, reason = "each constant is the signal of its name")]
pub mod signal {
    pub const ILL: i32 = 4;
    pub const TRAP: i32 = 5;
    pub const ABRT: i32 = 6;
    pub const BUS: i32 = 7;
    pub const FPE: i32 = 8;
    pub const KILL: i32 = 9;
    pub const SEGV: i32 = 11;
    pub const CHLD: i32 = 17;
    pub const SYS: i32 = 31;
}

/// Error numbers that are acted upon (include/uapi/asm-generic/errno-base.h and errno.h).
#[allow(missing_docs, reason = "each constant is the error of its name")]
pub mod errno {
    pub const ESRCH: isize = 3;
    pub const EINTR: isize = 4;
    pub const EAGAIN: isize = 11;
    pub const EBUSY: isize = 16;
    pub const EFAULT: isize = 14;
    pub const EINVAL: isize = 22;
    pub const EMFILE: isize = 24;
    pub const ENFILE: isize = 23;
    pub const ETIMEDOUT: isize = 110;
}

/// `SIG_DFL`.
pub const SIG_DFL: usize = 0;
/// `SIG_IGN`.
pub const SIG_IGN: usize = 1;
/// `SIG_ERR`.
pub const SIG_ERR: usize = usize::MAX;
/// Three arguments instead of one; the kernel passes three in any case.
pub const SA_SIGINFO: u32 = 4;
/// System calls go on after the handler.
pub const SA_RESTART: u32 = 0x1000_0000;
/// The handler is for one time.
pub const SA_RESETHAND: u32 = 0x8000_0000;
/// `SA_SIGINFO | SA_ONSTACK | SA_RESTORER`; the last says that `restorer` is set, which x86_64 demands.
pub const HANDLER_FLAGS: u64 = 0x4 | 0x0800_0000 | 0x0400_0000;
/// `ss_flags` of a thread without an alternate stack.
pub const SS_DISABLE: i32 = 2;
/// `ss_flags` of a thread that runs on its alternate stack now.
pub const SS_ONSTACK: i32 = 1;

/// `struct sigaction` as rt_sigaction(2) takes it, which is not libc's.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SigAction {
    /// The function, `SIG_DFL` or `SIG_IGN`.
    pub handler: usize,
    /// `SA_*`.
    pub flags: u64,
    /// Where the handler returns to.
    pub restorer: usize,
    /// Signals blocked meanwhile.
    pub mask: u64,
}

/// `stack_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Stack {
    /// Lowest address.
    pub base: usize,
    /// `SS_*`.
    pub flags: i32,
    /// Size in bytes.
    pub size: usize,
}

/// `struct timespec`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Timespec {
    /// Seconds.
    pub seconds: i64,
    /// Nanoseconds, below one second.
    pub nanoseconds: i64,
}

/// `struct pollfd`.
#[repr(C)]
pub struct PollFd {
    /// The descriptor.
    pub fd: i32,
    /// What to wait for.
    pub events: i16,
    /// What happened.
    pub revents: i16,
}

/// One system call. Returns the kernel's value: a negative errno on failure.
///
/// # Safety
/// The arguments must be what the call with this number expects; pointers among them must be valid for it.
#[inline]
pub unsafe fn call(number: usize, arguments: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = arguments;
    let result: isize;
    // SAFETY: the x86_64 system call convention clobbers rcx and r11 alone; the rest is the caller's promise.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") a, in("rsi") b, in("rdx") c,
             in("r10") d, in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// A system call written with the arguments it has; the others are zero.
#[macro_export]
macro_rules! syscall {
    ($number:ident $(, $argument:expr)* $(,)?) => {{
        let given: &[usize] = &[$($argument as usize),*];
        let mut arguments = [0usize; 6];
        for (slot, value) in arguments.iter_mut().zip(given) {
            *slot = *value;
        }
        $crate::sys::call($crate::sys::nr::$number, arguments)
    }};
}

/// Data of the library that a signal handler shares with normal code. The gate, the constructor or an atomic decides
/// who may touch it.
#[repr(C, align(16))]
pub struct Shared<T>(UnsafeCell<T>);

// SAFETY: access goes through `get`, whose callers state who excludes the others.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// Wraps an initial value.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Where the value lies.
    pub const fn get(&self) -> *mut T {
        self.0.get()
    }
}

/// This process and this thread. Asked from the kernel each time: a cached pid is wrong after fork and vfork.
#[must_use]
pub fn identity() -> (i32, i32) {
    // SAFETY: neither call takes a pointer.
    unsafe { (syscall!(GETPID) as i32, syscall!(GETTID) as i32) }
}

/// Real and effective user and group.
#[must_use]
pub fn users() -> [u32; 4] {
    // SAFETY: none takes a pointer.
    unsafe {
        [
            syscall!(GETUID) as u32,
            syscall!(GETEUID) as u32,
            syscall!(GETGID) as u32,
            syscall!(GETEGID) as u32,
        ]
    }
}

/// A clock in nanoseconds: 0 is CLOCK_REALTIME, 1 is CLOCK_MONOTONIC.
#[must_use]
pub fn clock(id: usize) -> u64 {
    let mut now = Timespec::default();
    // SAFETY: `now` is a live timespec.
    unsafe { syscall!(CLOCK_GETTIME, id, &raw mut now) };
    (now.seconds as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(now.nanoseconds as u64)
}

/// Sleeps for that many nanoseconds, below one second, or less when a signal comes.
pub fn sleep(nanoseconds: i64) {
    let time = Timespec {
        seconds: 0,
        nanoseconds,
    };
    // SAFETY: `time` is a live timespec; the remainder is not asked for.
    unsafe { syscall!(NANOSLEEP, &raw const time, 0) };
}

/// Replaces the signal mask of this thread and returns the one before. Bit n - 1 stands for signal n.
pub fn set_signal_mask(mask: u64) -> u64 {
    let mut old = 0u64;
    // SAFETY: both masks are live; 8 is the kernel's sigset size; 2 is SIG_SETMASK.
    unsafe { syscall!(RT_SIGPROCMASK, 2, &raw const mask, &raw mut old, 8) };
    old
}

/// The disposition of a signal; a failure reads as `SIG_IGN`, which makes callers leave it alone.
#[must_use]
pub fn disposition(signal: i32) -> SigAction {
    let mut action = SigAction {
        handler: SIG_IGN,
        flags: 0,
        restorer: 0,
        mask: 0,
    };
    // SAFETY: `action` has the kernel's layout and is live.
    unsafe { syscall!(RT_SIGACTION, signal, 0, &raw mut action, 8) };
    action
}

/// Sets the disposition of a signal.
///
/// # Safety
/// The handler and restorer of `action` must be functions fit for signals, or `SIG_DFL` or `SIG_IGN`.
pub unsafe fn set_disposition(signal: i32, action: &SigAction) -> isize {
    // SAFETY: `action` has the kernel's layout; what it points to is the caller's promise.
    unsafe { syscall!(RT_SIGACTION, signal, action as *const SigAction, 0, 8) }
}

/// Copies bytes that may not be there: an unmapped source is an answer (`false`), not a fault. Each page is asked for
/// first. process_vm_readv(2) would be one call, but sandboxes (systemd's `@system-service`) kill who makes it, and the
/// program would not die of its own signal any more.
///
/// # Safety
/// `destination` must be valid for writes of `size` bytes.
pub unsafe fn read_memory(source: usize, destination: *mut u8, size: usize) -> bool {
    let end = source.saturating_add(size);
    let mut page = source & !4095;
    while page < end {
        if !is_readable(page) {
            return false;
        }
        page = page.saturating_add(4096);
    }
    // SAFETY: every page of the source is readable; the destination is the caller's promise.
    unsafe { core::ptr::copy_nonoverlapping(source as *const u8, destination, size) };
    true
}

/// Whether eight bytes at an address can be read. rt_sigprocmask(2) copies the new mask in before it looks at `how`
/// (kernel/signal.c), so one with an impossible `how` changes nothing and says EFAULT or EINVAL.
#[must_use]
pub fn is_readable(address: usize) -> bool {
    // SAFETY: the kernel checks the address.
    unsafe { syscall!(RT_SIGPROCMASK, usize::MAX, address, 0, 8) == -errno::EINVAL }
}

/// FNV-1a, by words and turned, so that the upper bits are good, too.
pub fn hash(words: impl Iterator<Item = u64>) -> u64 {
    words.fold(0xcbf2_9ce4_8422_2325, |hash, word| {
        (hash ^ word).wrapping_mul(0x100_0000_01b3).rotate_left(23)
    })
}

/// Ends the process where it stands.
pub fn trap() -> ! {
    // SAFETY: ud2 raises SIGILL and does not come back.
    unsafe { asm!("ud2", options(noreturn)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::{offset_of, size_of};

    #[test]
    fn structures_are_those_of_libc() {
        assert_eq!(size_of::<Stack>(), size_of::<libc::stack_t>());
        assert_eq!(offset_of!(Stack, size), offset_of!(libc::stack_t, ss_size));
        assert_eq!(size_of::<Timespec>(), size_of::<libc::timespec>());
        assert_eq!(size_of::<PollFd>(), size_of::<libc::pollfd>());
        assert_eq!(offset_of!(PollFd, revents), offset_of!(libc::pollfd, revents));
        // The kernel's sigaction has no counterpart in libc: four words, mask last (include/linux/signal_types.h).
        assert_eq!(size_of::<SigAction>(), 32);
    }

    #[test]
    fn numbers_are_those_of_libc() {
        for (ours, theirs) in [
            (nr::RT_SIGACTION, libc::SYS_rt_sigaction),
            (nr::CLONE, libc::SYS_clone),
            (nr::EXECVE, libc::SYS_execve),
            (nr::WAIT4, libc::SYS_wait4),
            (nr::SIGALTSTACK, libc::SYS_sigaltstack),
            (nr::FUTEX, libc::SYS_futex),
            (nr::FSTAT, libc::SYS_fstat),
            (nr::DUP2, libc::SYS_dup2),
            (nr::TIMER_CREATE, libc::SYS_timer_create),
            (nr::TIMER_SETTIME, libc::SYS_timer_settime),
            (nr::TIMER_DELETE, libc::SYS_timer_delete),
            (nr::OPENAT, libc::SYS_openat),
            (nr::PREAD64, libc::SYS_pread64),
            (nr::READLINK, libc::SYS_readlink),
            (nr::FCNTL, libc::SYS_fcntl),
            (nr::SOCKETPAIR, libc::SYS_socketpair),
            (nr::SENDMSG, libc::SYS_sendmsg),
            (nr::GETUID, libc::SYS_getuid),
            (nr::GETEUID, libc::SYS_geteuid),
            (nr::GETGID, libc::SYS_getgid),
            (nr::GETEGID, libc::SYS_getegid),
            (nr::RT_TGSIGQUEUEINFO, libc::SYS_rt_tgsigqueueinfo),
            (nr::PRLIMIT64, libc::SYS_prlimit64),
            (nr::CLOSE_RANGE, libc::SYS_close_range),
        ] {
            assert_eq!(ours as i64, theirs);
        }
        assert_eq!(signal::SYS, libc::SIGSYS);
        assert_eq!(
            HANDLER_FLAGS,
            (libc::SA_SIGINFO | libc::SA_ONSTACK) as u64 | 0x0400_0000
        );
    }

    #[test]
    fn unreadable_memory_is_an_answer() {
        let mut word = [0u8; 8];
        let source = [7u8; 8];
        // SAFETY: `word` is 8 bytes long.
        unsafe {
            assert!(read_memory(source.as_ptr() as usize, word.as_mut_ptr(), 8));
            assert_eq!(word, source);
            assert!(!read_memory(16, word.as_mut_ptr(), 8));
            assert!(is_readable(source.as_ptr() as usize) && !is_readable(16));
        }
    }
}
