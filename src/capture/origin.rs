//! What this process inherited, noted before Rust's runtime changes it.
//!
//! The runtime ignores SIGPIPE and opens /dev/null in place of closed standard descriptors (library/std/src/sys/pal/
//! unix/mod.rs, `init`). The command must start as it would have without us, so both are noted by a constructor, which
//! runs earlier.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);
static CLOSED: AtomicU8 = AtomicU8::new(0);

// SAFETY: the loader calls each word of .init_array as a function; this one touches atomics and makes system calls.
#[used]
#[unsafe(link_section = ".init_array")]
static NOTE_ORIGIN: extern "C" fn() = note_origin;

extern "C" fn note_origin() {
    // SAFETY: a query into a live structure, which is plain data.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGPIPE, std::ptr::null(), &raw mut action) == 0 {
            PIPE_IGNORED.store(action.sa_sigaction == libc::SIG_IGN, Ordering::Relaxed);
        }
        let closed = (0..3)
            .filter(|&fd| libc::fcntl(fd, libc::F_GETFD) < 0)
            .fold(0u8, |bits, fd| bits | (1 << fd));
        CLOSED.store(closed, Ordering::Relaxed);
    }
}

/// Whether SIGPIPE was ignored when the process started.
pub(super) fn pipe_was_ignored() -> bool {
    PIPE_IGNORED.load(Ordering::Relaxed)
}

/// The standard descriptors that were closed when the process started.
pub(super) fn closed_descriptors() -> impl Iterator<Item = i32> {
    let closed = CLOSED.load(Ordering::Relaxed);
    (0..3).filter(move |fd| closed & (1 << fd) != 0)
}
