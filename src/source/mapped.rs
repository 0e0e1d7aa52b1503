//! Files as memory.

// The one place where a file is mapped; everything else sees a slice.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::sync::OnceLock;

use memmap2::Mmap;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Maps a whole file, read-only.
///
/// # Errors
/// Those of mmap(2); an empty file cannot be mapped.
pub fn map_file(file: &File) -> io::Result<Mmap> {
    // SAFETY: the mapping is private and read-only, and its bytes are treated as hostile anyway, so a
    // change by another process is no worse than a different file: every reader checks each offset
    // against the slice. A file that is cut short while mapped ends this process by SIGBUS, in words
    // where the program asked for that (`end_where_a_file_is_cut`).
    unsafe { Mmap::map(file) }
}

/// What to say, and the exit code.
static END: OnceLock<(&'static str, i32)> = OnceLock::new();

/// From now on a read of a mapped file whose bytes are gone, as it was cut short or its disk failed (SIGBUS with
/// BUS_ADRERR, mmap(2)), ends this process with `message` on standard error and this exit code. Zeros in place of what is
/// gone would let the analysis go on, and be wrong.
///
/// For programs, not for libraries: the signal belongs to the whole process.
pub fn end_where_a_file_is_cut(message: &'static str, code: i32) {
    if END.set((message, code)).is_err() {
        return;
    }
    // The default action comes back with the first signal: a second one is no loop.
    let flags = SaFlags::SA_RESETHAND;
    let action = SigAction::new(SigHandler::SigAction(on_bus_error), flags, SigSet::empty());
    // SAFETY: the handler does nothing but what signal-safety(7) allows. Where it cannot be installed, the
    // default action stays.
    let _ = unsafe { sigaction(Signal::SIGBUS, &action) };
}

extern "C" fn on_bus_error(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes a siginfo to a handler that was installed with SA_SIGINFO, as nix does.
    let code = unsafe { (*info).si_code };
    match END.get() {
        // SAFETY: write(2) and _exit(2) are async-signal-safe, and the text is a static.
        Some((message, exit)) if code == libc::BUS_ADRERR => unsafe {
            libc::write(libc::STDERR_FILENO, message.as_ptr().cast(), message.len());
            libc::_exit(*exit);
        },
        // SAFETY: raise(3) is async-signal-safe; the signal is delivered, with its default action, on return.
        _ => unsafe {
            libc::raise(signal);
        },
    }
}
