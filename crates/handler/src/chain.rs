//! What happens after the capture: exactly what would have happened without us.
//!
//! The disposition that was there before is restored and the original siginfo queued again to the same thread. When
//! the handler returns, the kernel delivers it: a previous handler (faulthandler) sees the true code, address and
//! registers, a core dump and the wait status come out as they would have.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::disposition::{DEFAULT, SharedAction};
use crate::sys::{SA_RESTART, SIG_DFL, SIG_IGN, SigAction, disposition, identity, set_disposition, signal};
use crate::syscall;
use crate::wire::{QUESTION_SIGNAL, SIGINFO_SIZE};

/// The signals that are captured, all of which end a process by default.
pub const SIGNALS: [i32; 7] = [
    signal::SEGV,
    signal::BUS,
    signal::FPE,
    signal::ILL,
    signal::ABRT,
    signal::TRAP,
    signal::SYS,
];

/// What one signal had when the handler was installed.
struct Found {
    /// The first time: nobody there calls ours.
    first: SharedAction,
    /// The last time. Where ours was installed again over a handler that came later, that one may call ours.
    last: SharedAction,
    is_installed: AtomicBool,
}

/// In the order of [`SIGNALS`]. Written by [`install`] alone: where a handler that came later calls ours, in another
/// thread and meanwhile, that one reads it.
static FOUND: [Found; SIGNALS.len()] = [const {
    Found {
        first: SharedAction::new(&DEFAULT),
        last: SharedAction::new(&DEFAULT),
        is_installed: AtomicBool::new(false),
    }
}; SIGNALS.len()];

/// Installs `action` for each signal, except for those the program's parent chose to ignore: a handler would make them
/// fatal, and the choice would be lost to the programs this one starts.
///
/// # Safety
/// `action` must be fit for signals, and the caller the only one who installs.
pub unsafe fn install(action: &SigAction) {
    for (slot, signal) in FOUND.iter().zip(SIGNALS) {
        let found = disposition(signal);
        if found.handler == action.handler {
            continue;
        }
        if !slot.is_installed.load(Ordering::Relaxed) || found.handler == SIG_DFL {
            slot.first.store(&found);
        }
        slot.last.store(&found);
        let mut action = *action;
        if signal == QUESTION_SIGNAL {
            // The program goes on after it.
            action.flags |= u64::from(SA_RESTART);
        }
        if found.handler != SIG_IGN {
            slot.is_installed.store(true, Ordering::Relaxed);
            // SAFETY: as the caller promises.
            unsafe { set_disposition(signal, &action) };
        }
    }
}

/// Puts back what was found at install. A handler that came later stays; it may call ours.
///
/// # Safety
/// As for [`install`].
pub unsafe fn uninstall(action: &SigAction) {
    for (slot, signal) in FOUND.iter().zip(SIGNALS) {
        if disposition(signal).handler == action.handler {
            let (first, last) = (slot.first.load(), slot.last.load());
            // SAFETY: it was in force before.
            unsafe { set_disposition(signal, &last) };
            slot.is_installed
                .store(last.handler != first.handler, Ordering::Relaxed);
        }
    }
}

/// The dispositions found at install, the first time and the last.
pub fn found(signal: i32) -> (SigAction, SigAction) {
    let index = SIGNALS.iter().position(|&known| known == signal);
    let slot = index.and_then(|index| FOUND.get(index));
    slot.map_or((DEFAULT, DEFAULT), |slot| (slot.first.load(), slot.last.load()))
}

/// The last of them.
pub fn previous(signal: i32) -> SigAction {
    found(signal).1
}

/// Whether the process would not even notice this signal without us: the kernel protects pid 1 of a pid namespace from
/// signals sent to it without a handler, but not from its own faults.
#[must_use]
pub fn is_shielded(code: i32, sender: i32, previous: &SigAction) -> bool {
    let (pid, _) = identity();
    pid == 1 && code <= 0 && sender != pid && previous.handler == SIG_DFL
}

/// Puts `previous`, what the program believes to be in force, into force and makes the signal come again once the
/// handler returns. `info` is the original siginfo, if there is one that can be trusted.
///
/// # Safety
/// For the handler only, with all signals blocked.
pub unsafe fn resume(signal: i32, info: Option<&[u8; SIGINFO_SIZE]>, previous: &SigAction) {
    let (pid, tid) = identity();
    if pid == 1 && previous.handler == SIG_DFL && !info.is_some_and(|info| faults_again(signal, code_of(info))) {
        // The kernel would drop a queued signal whose disposition is the default; a fault it does not spare pid 1. A
        // container's runtime expects this.
        // SAFETY: takes no pointer.
        unsafe { syscall!(EXIT_GROUP, 128 + signal) };
    }
    // SAFETY: it was in force before.
    unsafe { set_disposition(signal, previous) };
    if pid == 1 && previous.handler == SIG_DFL {
        return;
    }
    if let Some(info) = info {
        // Allowed for any code, the kernel's own included, when a thread sends to itself (kernel/signal.c,
        // do_rt_tgsigqueueinfo, since Linux 3.9).
        // SAFETY: `info` is 128 bytes of siginfo.
        if unsafe { syscall!(RT_TGSIGQUEUEINFO, pid, tid, signal, info.as_ptr()) } == 0 {
            return;
        }
        if faults_again(signal, code_of(info)) {
            return;
        }
    }
    // SAFETY: takes no pointer.
    unsafe { syscall!(TGKILL, pid, tid, signal) };
}

fn code_of(info: &[u8; SIGINFO_SIZE]) -> i32 {
    i32::from_le_bytes([info[8], info[9], info[10], info[11]])
}

/// Whether returning to the interrupted instruction raises the same signal again. Not so for SIGTRAP and SIGSYS, where
/// the instruction is over, nor for what someone sent (`SI_KERNEL` is 0x80 and may be an asynchronous error).
const fn faults_again(signal: i32, code: i32) -> bool {
    matches!(signal, signal::SEGV | signal::BUS | signal::FPE | signal::ILL) && code > 0 && code != 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_faults_of_the_processor_come_again() {
        assert!(faults_again(signal::SEGV, 1));
        assert!(!faults_again(signal::SEGV, 0), "sent by kill");
        assert!(!faults_again(signal::SEGV, 0x80));
        assert!(!faults_again(signal::ABRT, -6));
        assert!(!faults_again(signal::TRAP, 1));
    }
}
