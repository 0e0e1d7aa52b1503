//! What a thread is doing, in a few words.

use crate::addr::{Addr, AddrRange};
use crate::report::model::Frame;
use crate::source::{MemoryExt, Target, Thread};

/// How many native frames, from the innermost, are looked at.
const MAX_FRAMES: usize = 16;

/// CPython's own functions that wait, and what for: a name, or with `*` at the end the beginning of names.
const WAITS: &[(&str, &str)] = &[
    ("take_gil", "waiting for the GIL"),
    ("PyThread_acquire_lock*", "waiting for a lock"),
    ("_PyMutex_Lock*", "waiting for a lock"),
    ("PyMutex_Lock*", "waiting for a lock"),
    ("_PyParkingLot_Park", "waiting for a lock"),
    ("_PySemaphore_*", "waiting for a lock"),
    ("clock_nanosleep", "sleeping"),
    ("nanosleep", "sleeping"),
    ("time_sleep", "sleeping"),
    ("pysleep", "sleeping"),
    ("PyThread_hang_thread", "stopped: Python is shutting down"),
];

/// Functions of the C library that wait, for where CPython's own have no names.
const SYSTEM_CALLS: &[&str] = &[
    "accept",
    "accept4",
    "connect",
    "epoll_pwait",
    "epoll_wait",
    "pause",
    "poll",
    "ppoll",
    "pselect",
    "pselect64",
    "read",
    "recv",
    "recvfrom",
    "recvmsg",
    "select",
    "sem_clockwait",
    "sem_timedwait",
    "sem_wait",
    "send",
    "sendto",
    "sigwaitinfo",
    "wait4",
    "waitid",
    "waitpid",
    "write",
];

/// The state of a thread that did not crash; `frames` innermost first.
pub fn thread_state(target: &dyn Target, thread: &Thread, gil: Option<AddrRange>, frames: &[Frame]) -> Option<String> {
    if gil.is_some_and(|gil| waits_for(target, thread, gil)) {
        return Some("waiting for the GIL".to_string());
    }
    let names: Vec<&str> = frames
        .iter()
        .map_while(|frame| match frame {
            Frame::Native(native) => Some(native.function.as_deref().unwrap_or_default()),
            _ => None,
        })
        .take(MAX_FRAMES)
        .map(plain)
        .collect();
    let wait = WAITS
        .iter()
        .find(|(pattern, _)| names.iter().any(|name| matches(name, pattern)));
    if let Some((_, words)) = wait {
        return Some(words.to_string());
    }
    let call = names
        .iter()
        .take(4)
        .find_map(|name| SYSTEM_CALLS.iter().find(|call| *call == name));
    call.map(|call| format!("in {call}"))
}

/// Whether a thread stands in a futex system call on an address in `range`.
fn waits_for(target: &dyn Target, thread: &Thread, range: AddrRange) -> bool {
    system_call(target, thread).is_some_and(|[futex, ..]| range.contains(Addr(futex)))
}

/// The first four arguments of the system call that a thread is in, which the kernel leaves in rdi, rsi, rdx and r10. It
/// stands behind `syscall`; at it, where it was stopped twice and is about to go in again.
pub fn system_call(target: &dyn Target, thread: &Thread) -> Option<[u64; 4]> {
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    /// DWARF numbers.
    const ARGUMENTS: [usize; 4] = [5, 4, 1, 10];
    let registers = thread.registers.as_ref()?;
    let is_call = |at: Addr| target.memory().read_array::<2>(at) == Ok(SYSCALL);
    (is_call(registers.pc().sub(2)) || is_call(registers.pc())).then(|| ARGUMENTS.map(|number| registers.dwarf[number]))
}

/// Whether one of the innermost native frames is of a function whose name has this beginning.
pub fn is_inside(frames: &[Frame], beginning: &str) -> bool {
    let natives = frames.iter().map_while(|frame| match frame {
        Frame::Native(native) => Some(native.function.as_deref().unwrap_or_default()),
        _ => None,
    });
    natives
        .take(MAX_FRAMES)
        .any(|name| plain(name).trim_start_matches('_').starts_with(beginning))
}

/// Without what linkers and compilers add: `select@@GLIBC_2.2.5`, `take_gil.constprop.0`, and glibc's `_time64` and
/// `__GI_`, the name by which it calls a function of its own.
fn plain(name: &str) -> &str {
    let name = name.strip_prefix("__GI_").unwrap_or(name);
    let end = name.find(['@', '.']).unwrap_or(name.len());
    let name = match name[..end].strip_prefix("__") {
        Some(name) => name.trim_start_matches("libc_"),
        None => &name[..end],
    };
    name.strip_suffix("_time64").unwrap_or(name)
}

fn matches(name: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::NativeFrame;
    use crate::source::fake::FakeTarget;

    fn state(names: &[&str]) -> Option<String> {
        let frame = |name: &&str| {
            Frame::Native(NativeFrame {
                function: Some(name.to_string()),
                ..NativeFrame::default()
            })
        };
        let frames: Vec<Frame> = names.iter().map(frame).collect();
        thread_state(&FakeTarget::default(), &Thread::default(), None, &frames)
    }

    #[test]
    fn by_names_of_functions() {
        assert_eq!(state(&["__poll", "poll_poll"]).as_deref(), Some("in poll"));
        assert_eq!(state(&["__GI___clock_nanosleep"]).as_deref(), Some("sleeping"));
        let sleep = ["__select", "pysleep.constprop.0", "time_sleep"];
        assert_eq!(state(&sleep).as_deref(), Some("sleeping"));
        let gil = [
            "__futex_abstimed_wait_common",
            "pthread_cond_timedwait@@GLIBC_2.3.2",
            "take_gil",
        ];
        assert_eq!(state(&gil).as_deref(), Some("waiting for the GIL"));
        assert_eq!(state(&["list_sort"]), None);
    }
}
