//! Ends the helper when its time is up, whatever it is doing: a file system may hang, a symbol table be endless.
//!
//! The handler outside waits a little longer and kills; but then the file that was being written stays behind.
#![allow(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use coldframe_handler::wire::OUT_OF_TIME;

/// The file that is not complete yet.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Ends this process after `lifetime`.
pub(super) fn start(lifetime: Duration) {
    // Without a thread the handler's own deadline has to do.
    let _ = thread::Builder::new().name("watchdog".into()).spawn(move || {
        thread::sleep(lifetime);
        // Not waited for: who holds it may be what hangs.
        if let Ok(mut unfinished) = UNFINISHED.try_lock()
            && let Some(path) = unfinished.take()
        {
            let _ = fs::remove_file(path);
        }
        // SAFETY: ends the process without running what others registered for its end.
        unsafe { libc::_exit(OUT_OF_TIME) }
    });
}

/// Names the file that is to be removed if time runs out; `None` once it is complete.
pub(super) fn set_unfinished(path: Option<&Path>) {
    if let Ok(mut unfinished) = UNFINISHED.lock() {
        *unfinished = path.map(Path::to_path_buf);
    }
}
