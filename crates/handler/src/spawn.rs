//! Starts the helper from the signal handler and waits for it.
//!
//! clone(CLONE_VM|CLONE_VFORK) and execve: no page tables are copied (fork takes 350 ms at 16 GiB), no atfork handler
//! runs (they take the malloc lock, which the crashed thread may hold), and strict overcommit does not matter.
//!
//! Between this process and the helper stands a keeper, a child that never executes anything: its exit signal stays 0
//! (execve(2) would make it SIGCHLD), so a program that lives on sees no stray SIGCHLD and no child that it did not
//! start; only a wait with `__WALL` finds one. It also means that the status arrives where SIGCHLD is ignored.

use core::arch::asm;
use core::sync::atomic::{AtomicI32, Ordering};

use crate::serve::Socket;
use crate::settings::{self, Settings};
use crate::sys::{PollFd, SIG_DFL, Shared, SigAction, clock, errno, set_signal_mask, signal, sleep};
use crate::text::Text;
use crate::wire::{CrashRequest, HelperFailure, NOT_PERMITTED, OUTPUT, SERVED, WITHOUT_PTRACE};
use crate::{sys, syscall};

/// How long the helper may take, in nanoseconds. Its own watchdog is shorter.
pub const HELPER_DEADLINE_NS: u64 = 8_000_000_000;
/// How long a killed helper may take to disappear.
const KILL_GRACE_NS: u64 = 1_000_000_000;

const CLONE_VM: usize = 0x100;
const CLONE_PIDFD: usize = 0x1000;
const CLONE_VFORK: usize = 0x4000;
const PR_SET_PDEATHSIG: usize = 1;
const POLLIN: i16 = 1;
const WNOHANG: usize = 1;
/// `__WALL`: also children whose exit signal is not SIGCHLD.
const WALL: usize = 0x4000_0000;

/// Keeper and child run a handful of system calls on them; execve gives the child a stack of its own.
const CHILD_STACK_SIZE: usize = 16 * 1024;
static KEEPER_STACK: Shared<[u8; CHILD_STACK_SIZE]> = Shared::new([0; CHILD_STACK_SIZE]);
static CHILD_STACK: Shared<[u8; CHILD_STACK_SIZE]> = Shared::new([0; CHILD_STACK_SIZE]);

/// What keeper and child leave in the memory they share with this process: the child's pid, 0 before it exists; its
/// wait status, negative while there is none; errno of a clone or an execve that failed.
static CHILD: AtomicI32 = AtomicI32::new(0);
static STATUS: AtomicI32 = AtomicI32::new(-1);
static CLONE_ERROR: AtomicI32 = AtomicI32::new(0);
static EXEC_ERROR: AtomicI32 = AtomicI32::new(0);

/// The helper's arguments, built before the child starts.
struct Arguments {
    pid: Text<16>,
    tid: Text<16>,
    request: Text<24>,
    /// The helper's end of the socket by which it is served, or -1.
    served: i32,
    served_text: Text<16>,
    pointers: [*const u8; 10],
}

static ARGUMENTS: Shared<Arguments> = Shared::new(Arguments {
    pid: Text::new(),
    tid: Text::new(),
    request: Text::new(),
    served: -1,
    served_text: Text::new(),
    pointers: [core::ptr::null(); 10],
});

/// What the helper may use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// Everything.
    All,
    /// Files below /proc alone: a seccomp filter kills who calls ptrace(2) or process_vm_readv(2).
    Files,
    /// What this thread hands out ([`crate::serve`]).
    Served,
}

/// Runs `coldframe capture-helper PID TID ADDRESS` on this process and waits for it to end, until `deadline`
/// (CLOCK_MONOTONIC, nanoseconds). `output` is the path for the dump, zero-terminated, or null.
///
/// # Errors
/// Why the helper did not finish its work, with the errno, exit status or signal that belongs to it.
///
/// # Safety
/// Only the owner of the gate may call it, with all signals blocked: the child inherits that mask, and a fault in the
/// child must end the child rather than enter the handler again.
pub unsafe fn run_helper(
    request: *const CrashRequest,
    means: Means,
    output: *const u8,
    deadline: u64,
) -> Result<(), (HelperFailure, i32)> {
    // SAFETY: the arguments are the gate owner's.
    let (settings, arguments) = (settings::current(), unsafe { &mut *ARGUMENTS.get() });
    let Some(helper) = settings.helper.as_c_string() else {
        return Err((HelperFailure::NoPath, 0));
    };
    let socket = match means {
        Means::Served => Some(Socket::open().ok_or((HelperFailure::Exited, NOT_PERMITTED))?),
        Means::All | Means::Files => None,
    };
    arguments.served = socket.as_ref().map_or(-1, Socket::theirs);
    // SAFETY: the caller owns the gate, so the request is not written to.
    arguments.fill(helper, unsafe { &*request }, request as u64, means, output);
    CHILD.store(0, Ordering::Relaxed);
    STATUS.store(-1, Ordering::Relaxed);
    CLONE_ERROR.store(0, Ordering::Relaxed);
    EXEC_ERROR.store(0, Ordering::Relaxed);

    let mut pidfd: i32 = -1;
    let stack = KEEPER_STACK.get() as usize;
    // SAFETY: the keeper's stack is the gate owner's; `pidfd` is live.
    let mut keeper = unsafe { start(CLONE_VM | CLONE_PIDFD, stack, &raw mut pidfd, keep) };
    // No descriptor left, or a kernel before 5.2: then the keeper is waited for by asking again and again.
    if matches!(-keeper, errno::EMFILE | errno::ENFILE | errno::EINVAL) {
        pidfd = -1;
        // SAFETY: as above.
        keeper = unsafe { start(CLONE_VM, stack, &raw mut pidfd, keep) };
    }
    if keeper < 0 {
        return Err((HelperFailure::Clone, -keeper as i32));
    }
    let ended = wait(keeper as i32, pidfd, socket.as_ref(), deadline);
    if pidfd >= 0 {
        // SAFETY: a descriptor of ours.
        unsafe { syscall!(CLOSE, pidfd) };
    }
    let failure = |cell: &AtomicI32, kind| match cell.load(Ordering::Relaxed) {
        0 => Ok(()),
        error => Err((kind, error)),
    };
    failure(&CLONE_ERROR, HelperFailure::Clone)?;
    failure(&EXEC_ERROR, HelperFailure::Exec)?;
    if !ended {
        return Err((HelperFailure::TimedOut, 0));
    }
    let status = STATUS.load(Ordering::Acquire);
    match (status & 0x7f, (status >> 8) & 0xff) {
        // The keeper was killed before it could say.
        _ if status < 0 => Err((HelperFailure::Killed, signal::KILL)),
        (0, 0) => Ok(()),
        (0, code) => Err((HelperFailure::Exited, code)),
        (signal, _) => Err((HelperFailure::Killed, signal)),
    }
}

impl Arguments {
    fn fill(&mut self, helper: *const u8, request: &CrashRequest, address: u64, means: Means, output: *const u8) {
        self.pid.clear();
        self.pid.push_number(request.pid as u64, 10);
        self.tid.clear();
        self.tid.push_number(request.tid as u64, 10);
        self.request.clear();
        self.request.push(b"0x");
        self.request.push_number(address, 16);
        self.served_text.clear();
        self.served_text.push_number(self.served.max(0) as u64, 10);
        let text = |text: Option<*const u8>| text.unwrap_or(core::ptr::null());
        self.pointers = [
            helper,
            c"capture-helper".as_ptr().cast(),
            text(self.pid.as_c_string()),
            text(self.tid.as_c_string()),
            text(self.request.as_c_string()),
            core::ptr::null(),
            core::ptr::null(),
            core::ptr::null(),
            core::ptr::null(),
            core::ptr::null(),
        ];
        let options = [
            (means == Means::Files, WITHOUT_PTRACE.as_ptr().cast()),
            (means == Means::Served, SERVED.as_ptr().cast()),
            (means == Means::Served, text(self.served_text.as_c_string())),
            (!output.is_null(), OUTPUT.as_ptr().cast()),
            (!output.is_null(), output),
        ];
        let wanted = options.iter().filter(|(is_wanted, _)| *is_wanted);
        for (slot, (_, option)) in self.pointers.iter_mut().skip(5).zip(wanted) {
            *slot = *option;
        }
    }
}

/// clone(2) on a stack of [`CHILD_STACK_SIZE`] bytes at `stack`, to run `body`; in this thread it returns the child's
/// pid or a negative errno, with CLONE_VFORK once the child has passed execve or ended.
///
/// # Safety
/// The stack must be free for as long as the child shares this memory.
unsafe fn start(flags: usize, stack: usize, pidfd: *mut i32, body: unsafe extern "C" fn() -> !) -> isize {
    let result: isize;
    // SAFETY: the kernel starts the child on that stack with our registers; it calls `body` and never leaves it. Our
    // own stack is not touched by it. CLONE_PIDFD stores the descriptor where rdx points.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "call r9",
            "ud2",
            "2:",
            inlateout("rax") sys::nr::CLONE as isize => result,
            in("rdi") flags,
            in("rsi") stack + CHILD_STACK_SIZE,
            in("rdx") pidfd,
            in("r10") 0usize,
            in("r8") 0usize,
            in("r9") body,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// The keeper: starts the child, waits for it, and leaves its status in our memory.
unsafe extern "C" fn keep() -> ! {
    // SAFETY: the child's stack is the gate owner's, for whom this runs; the calls get live pointers.
    unsafe {
        // Whoever kills the program must not find a keeper left over.
        syscall!(PRCTL, PR_SET_PDEATHSIG, signal::KILL, 0, 0, 0);
        reset_dispositions();
        let flags = CLONE_VM | CLONE_VFORK | signal::CHLD as usize;
        let child = start(flags, CHILD_STACK.get() as usize, core::ptr::null_mut(), child);
        if child < 0 {
            CLONE_ERROR.store(-child as i32, Ordering::Relaxed);
            syscall!(EXIT_GROUP, 1);
        }
        CHILD.store(child as i32, Ordering::Release);
        let mut status = 0i32;
        while syscall!(WAIT4, child, &raw mut status, WALL, 0) == -errno::EINTR {}
        STATUS.store(status, Ordering::Release);
        syscall!(EXIT_GROUP, 0);
        sys::trap()
    }
}

/// Ignored signals stay ignored across execve; the helper wants none of that (SIGPIPE, SIGXFSZ), and the keeper needs
/// SIGCHLD at its default to learn its child's status.
unsafe fn reset_dispositions() {
    let default = SigAction {
        handler: SIG_DFL,
        flags: 0,
        restorer: 0,
        mask: 0,
    };
    for number in 1..=64 {
        // SAFETY: the default involves no handler.
        unsafe { sys::set_disposition(number, &default) };
    }
}

/// The child, in the memory of the crashed process but with its own descriptors, dispositions and mask.
unsafe extern "C" fn child() -> ! {
    // SAFETY: the arguments are not written to while the parent waits in vfork; each call is given live
    // pointers of the kernel's layout.
    unsafe {
        let (settings, arguments) = (settings::current(), &*ARGUMENTS.get());
        // Out of the foreground process group, so that ^C at the terminal does not end the helper.
        syscall!(SETSID);
        raise_limits();
        settings.report.take();
        close_all_but(arguments.served);
        set_signal_mask(0);
        let result = exec(settings, arguments);
        EXEC_ERROR.store(-result as i32, Ordering::Relaxed);
        syscall!(EXIT_GROUP, 127);
        sys::trap()
    }
}

/// Closes all descriptors but the standard ones and one more, which stays open through execve: sockets and pipes of the
/// program must not.
unsafe fn close_all_but(kept: i32) {
    const F_SETFD: usize = 2;
    let kept = if kept > 2 { kept as u32 } else { 2 };
    // SAFETY: takes no pointer. close_range is Linux 5.9.
    unsafe {
        let below = kept == 2 || kept == 3 || syscall!(CLOSE_RANGE, 3, kept - 1, 0) == 0;
        if !below || syscall!(CLOSE_RANGE, kept + 1, u32::MAX, 0) < 0 {
            for fd in (3..1024).filter(|&fd| fd != kept) {
                syscall!(CLOSE, fd);
            }
        }
        if kept > 2 {
            syscall!(FCNTL, kept, F_SETFD, 0);
        }
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
    const RLIMIT_NOFILE: usize = 7;
    const RLIMIT_AS: usize = 9;
    for resource in [RLIMIT_FSIZE, RLIMIT_NOFILE, RLIMIT_AS, RLIMIT_CORE] {
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

/// Waits for the keeper to end, answering questions meanwhile, and ends what has not when the deadline comes; `false` then.
fn wait(keeper: i32, pidfd: i32, socket: Option<&Socket>, deadline: u64) -> bool {
    if wait_until(keeper, pidfd, socket, deadline) {
        return true;
    }
    let child = CHILD.load(Ordering::Acquire);
    // SAFETY: takes no pointer. The keeper has not reaped the child yet, or it would have ended.
    unsafe {
        if child > 0 {
            syscall!(KILL, child, signal::KILL);
        }
        if !wait_until(keeper, pidfd, None, clock(1) + KILL_GRACE_NS) {
            syscall!(KILL, keeper, signal::KILL);
            wait_until(keeper, pidfd, None, clock(1) + KILL_GRACE_NS);
        }
    }
    false
}

/// Whether the keeper ends before the deadline.
fn wait_until(keeper: i32, pidfd: i32, mut socket: Option<&Socket>, deadline: u64) -> bool {
    loop {
        let now = clock(1);
        if (pidfd >= 0 || socket.is_some()) && now < deadline {
            // Without a pidfd the keeper is asked for below, again and again.
            let milliseconds = if pidfd >= 0 {
                (deadline - now) / 1_000_000 + 1
            } else {
                1
            };
            // One that is negative is passed over.
            let mut polls = [pidfd, socket.map_or(-1, Socket::ours)].map(|fd| PollFd {
                fd,
                events: POLLIN,
                revents: 0,
            });
            // SAFETY: two live pollfds.
            let ready = unsafe { syscall!(POLL, polls.as_mut_ptr(), 2, milliseconds) };
            if ready == -errno::EINTR {
                continue;
            }
            if let Some(asked) = socket.filter(|_| polls[1].revents != 0) {
                // SAFETY: this thread owns the gate.
                if !unsafe { asked.answer() } {
                    socket = None;
                }
                continue;
            }
        }
        let mut status = 0i32;
        // SAFETY: `status` is live; no rusage is asked for.
        let result = unsafe { syscall!(WAIT4, keeper, &raw mut status, WNOHANG | WALL, 0) };
        // An error: it was reaped by another thread, which waits for everything.
        if result == keeper as isize || (result < 0 && result != -errno::EINTR) {
            return true;
        }
        if now >= deadline {
            return false;
        }
        sleep(1_000_000);
    }
}
