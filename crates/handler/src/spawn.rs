//! Starts the helper from the signal handler and waits for it.
//!
//! clone(CLONE_VM|CLONE_VFORK) and execve: no page tables are copied (fork takes 350 ms at 16 GiB), no atfork handler
//! runs (they take the malloc lock, which the crashed thread may hold), and strict overcommit does not matter.

use core::arch::asm;
use core::sync::atomic::{AtomicI32, Ordering};

use crate::settings::{SETTINGS, Settings};
use crate::sys::{PollFd, SIG_DFL, Shared, SigAction, clock, errno, set_signal_mask, signal, sleep};
use crate::text::Text;
use crate::wire::{CrashRequest, HelperFailure};
use crate::{sys, syscall};

/// How long the helper may take, in nanoseconds. Its own watchdog is shorter.
pub const HELPER_DEADLINE_NS: u64 = 10_000_000_000;
/// How long a killed helper may take to disappear.
const KILL_GRACE_NS: u64 = 1_000_000_000;

const CLONE_VM: usize = 0x100;
const CLONE_PIDFD: usize = 0x1000;
const CLONE_VFORK: usize = 0x4000;
const POLLIN: i16 = 1;
const WNOHANG: usize = 1;
/// `__WALL`: also children whose exit signal is not SIGCHLD.
const WALL: usize = 0x4000_0000;

/// The child runs a handful of system calls on it, then execve gives it a stack of its own.
const CHILD_STACK_SIZE: usize = 16 * 1024;
static CHILD_STACK: Shared<[u8; CHILD_STACK_SIZE]> = Shared::new([0; CHILD_STACK_SIZE]);

/// Set by the child when execve fails; it writes into our memory, since vfork shares it.
static EXEC_ERROR: AtomicI32 = AtomicI32::new(0);

/// The helper's arguments, built before the child starts.
struct Arguments {
    pid: Text<16>,
    tid: Text<16>,
    request: Text<24>,
    pointers: [*const u8; 6],
}

static ARGUMENTS: Shared<Arguments> = Shared::new(Arguments {
    pid: Text::new(),
    tid: Text::new(),
    request: Text::new(),
    pointers: [core::ptr::null(); 6],
});

/// Runs `coldframe capture-helper PID TID ADDRESS` on this process and waits for it to end.
///
/// # Errors
/// Why the helper did not finish its work, with the errno, exit status or signal that belongs to it.
///
/// # Safety
/// Only the owner of the gate may call it, with all signals blocked: the child inherits that mask, and a fault in the
/// child must end the child rather than enter the handler again.
pub unsafe fn run_helper(request: *const CrashRequest) -> Result<(), (HelperFailure, i32)> {
    // SAFETY: settings are read-only by now; the arguments are the gate owner's.
    let (settings, arguments) = unsafe { (&*SETTINGS.get(), &mut *ARGUMENTS.get()) };
    let Some(helper) = settings.helper.as_c_string() else {
        return Err((HelperFailure::NoPath, 0));
    };
    // SAFETY: the caller owns the gate, so the request is not written to.
    arguments.fill(helper, unsafe { &*request }, request as u64);
    EXEC_ERROR.store(0, Ordering::Relaxed);

    let mut pidfd: i32 = -1;
    // SAFETY: the child stack is the gate owner's; `pidfd` is live.
    let mut child = unsafe { start(CLONE_PIDFD, &raw mut pidfd) };
    // No descriptor left, or a kernel before 5.2: then the child is waited for by asking again and again.
    if matches!(-child, errno::EMFILE | errno::ENFILE | errno::EINVAL) {
        pidfd = -1;
        // SAFETY: as above.
        child = unsafe { start(0, &raw mut pidfd) };
    }
    if child < 0 {
        return Err((HelperFailure::Clone, -child as i32));
    }
    let outcome = wait(child as i32, pidfd);
    if pidfd >= 0 {
        // SAFETY: a descriptor of ours.
        unsafe { syscall!(CLOSE, pidfd) };
    }
    match EXEC_ERROR.load(Ordering::Relaxed) {
        0 => outcome,
        error => Err((HelperFailure::Exec, error)),
    }
}

impl Arguments {
    fn fill(&mut self, helper: *const u8, request: &CrashRequest, address: u64) {
        self.pid.clear();
        self.pid.push_number(request.pid as u64, 10);
        self.tid.clear();
        self.tid.push_number(request.tid as u64, 10);
        self.request.clear();
        self.request.push(b"0x");
        self.request.push_number(address, 16);
        let text = |text: Option<*const u8>| text.unwrap_or(core::ptr::null());
        self.pointers = [
            helper,
            c"capture-helper".as_ptr().cast(),
            text(self.pid.as_c_string()),
            text(self.tid.as_c_string()),
            text(self.request.as_c_string()),
            core::ptr::null(),
        ];
    }
}

/// clone(2); in this thread it returns the child's pid or a negative errno, once the child has passed execve or ended.
///
/// # Safety
/// The child stack must be free.
unsafe fn start(extra_flags: usize, pidfd: *mut i32) -> isize {
    let flags = CLONE_VM | CLONE_VFORK | extra_flags | signal::CHLD as usize;
    let top = CHILD_STACK.get() as usize + CHILD_STACK_SIZE;
    let result: isize;
    // SAFETY: the kernel starts the child on `top` with our registers; it calls `child` and never leaves it. Our own
    // stack is not touched by it. CLONE_PIDFD stores the descriptor where rdx points.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "call {child}",
            "ud2",
            "2:",
            child = sym child,
            inlateout("rax") sys::nr::CLONE as isize => result,
            in("rdi") flags,
            in("rsi") top,
            in("rdx") pidfd,
            in("r10") 0usize,
            in("r8") 0usize,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// The child, in the memory of the crashed process but with its own descriptors, dispositions and mask.
unsafe extern "C" fn child() -> ! {
    // SAFETY: settings and arguments are not written to while the parent waits in vfork; each call is given live
    // pointers of the kernel's layout.
    unsafe {
        let (settings, arguments) = (&*SETTINGS.get(), &*ARGUMENTS.get());
        // Out of the foreground process group, so that ^C at the terminal does not end the helper.
        syscall!(SETSID);
        // Ignored signals stay ignored across execve; the helper wants none of that (SIGCHLD, SIGPIPE, SIGXFSZ).
        let default = SigAction {
            handler: SIG_DFL,
            flags: 0,
            restorer: 0,
            mask: 0,
        };
        for number in 1..=64 {
            sys::set_disposition(number, &default);
        }
        raise_limits();
        // Sockets and pipes must not stay open through the helper. close_range is Linux 5.9.
        if syscall!(CLOSE_RANGE, 3, u32::MAX, 0) < 0 {
            for fd in 3..1024 {
                syscall!(CLOSE, fd);
            }
        }
        set_signal_mask(0);
        let result = exec(settings, arguments);
        EXEC_ERROR.store(-result as i32, Ordering::Relaxed);
        syscall!(EXIT_GROUP, 127);
        sys::trap()
    }
}

unsafe fn exec(settings: &Settings, arguments: &Arguments) -> isize {
    let Some(path) = settings.helper.as_c_string() else {
        return -errno::EINVAL;
    };
    // SAFETY: path, arguments and environment are zero-terminated and in our own data.
    unsafe { syscall!(EXECVE, path, arguments.pointers.as_ptr(), settings.environment()) }
}

/// A limit that the program set for itself must not keep the helper from starting or from writing its file.
unsafe fn raise_limits() {
    const RLIMIT_FSIZE: usize = 1;
    const RLIMIT_CORE: usize = 4;
    const RLIMIT_AS: usize = 9;
    for resource in [RLIMIT_FSIZE, RLIMIT_AS, RLIMIT_CORE] {
        let mut limit = [0u64; 2];
        // SAFETY: `limit` is a struct rlimit64: soft, then hard.
        unsafe {
            if syscall!(PRLIMIT64, 0, resource, 0, limit.as_mut_ptr()) == 0 {
                // A core of the helper would only confuse.
                limit[0] = if resource == RLIMIT_CORE { 0 } else { limit[1] };
                syscall!(PRLIMIT64, 0, resource, limit.as_ptr(), 0);
            }
        }
    }
}

fn wait(child: i32, pidfd: i32) -> Result<(), (HelperFailure, i32)> {
    if let Some(status) = wait_until(child, pidfd, clock(1) + HELPER_DEADLINE_NS) {
        return match (status & 0x7f, (status >> 8) & 0xff) {
            (0, 0) => Ok(()),
            (0, code) => Err((HelperFailure::Exited, code)),
            (signal, _) => Err((HelperFailure::Killed, signal)),
        };
    }
    // SAFETY: the child is not reaped yet as far as we know; takes no pointer.
    unsafe { syscall!(KILL, child, signal::KILL) };
    wait_until(child, pidfd, clock(1) + KILL_GRACE_NS);
    Err((HelperFailure::TimedOut, 0))
}

/// The wait status of the child, or `None` when the deadline comes first.
fn wait_until(child: i32, pidfd: i32, deadline: u64) -> Option<i32> {
    loop {
        let now = clock(1);
        if pidfd >= 0 && now < deadline {
            let milliseconds = (deadline - now) / 1_000_000 + 1;
            let mut poll = PollFd {
                fd: pidfd,
                events: POLLIN,
                revents: 0,
            };
            // SAFETY: one live pollfd.
            let ready = unsafe { syscall!(POLL, &raw mut poll, 1, milliseconds) };
            if ready == -errno::EINTR {
                continue;
            }
        }
        let mut status = 0i32;
        // SAFETY: `status` is live; no rusage is asked for.
        let result = unsafe { syscall!(WAIT4, child, &raw mut status, WNOHANG | WALL, 0) };
        if result == child as isize {
            return Some(status);
        }
        // Reaped by the kernel (SIGCHLD is ignored) or by another thread: it has ended, how is not known.
        if result < 0 && result != -errno::EINTR {
            return Some(0);
        }
        if now >= deadline {
            return None;
        }
        sleep(1_000_000);
    }
}
