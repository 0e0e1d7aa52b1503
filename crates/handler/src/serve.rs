//! Hands out the memory of a process that nobody else may look at.
//!
//! Where ptrace(2), process_vm_readv(2) and /proc/PID/mem are all denied, the thread that crashed, which waits for the
//! helper anyway, answers its questions ([`Ask`]). The kernel copies the bytes (sendmsg(2)), so that an address that
//! is not there, or goes away under the copy, is an error and no fault. A socket and no pipe: one message is one answer, whole
//! or not there, and a helper that ended is no SIGPIPE.

use crate::record::{MoreDescriptors, read_file};
use crate::settings;
use crate::sys::{Shared, users};
use crate::syscall;
use crate::wire::{Ask, Served};

const AF_UNIX: usize = 1;
const SOCK_SEQPACKET: usize = 5;
const SOCK_CLOEXEC: usize = 0o2_000_000;
const MSG_DONTWAIT: usize = 0x40;
const MSG_NOSIGNAL: usize = 0x4000;
const PR_GET_DUMPABLE: usize = 3;

/// What was read of a file.
static FILE: Shared<[u8; Ask::MAX_BYTES]> = Shared::new([0; Ask::MAX_BYTES]);

/// `struct iovec`.
#[repr(C)]
struct Part {
    base: usize,
    size: usize,
}

/// `struct msghdr`, for a connected socket and without control data.
#[repr(C)]
struct Message {
    name: [usize; 2],
    parts: *const Part,
    count: usize,
    control: [usize; 2],
    flags: usize,
}

/// Whether a helper that may not look at this process is to be told all the same. A process that made itself not dumpable
/// wants nobody to; one that lost that when it changed its user or group (prctl(2), PR_SET_DUMPABLE) said nothing.
#[must_use]
pub fn is_wanted() -> bool {
    // SAFETY: takes no pointer.
    let is_dumpable = unsafe { syscall!(PRCTL, PR_GET_DUMPABLE, 0, 0, 0, 0) } == 1;
    is_dumpable || users() != settings::current().users
}

/// The socket: our end, and the helper's.
pub struct Socket {
    ours: i32,
    theirs: i32,
}

impl Socket {
    /// A new one; `None` where there is none to be had beyond the standard descriptors.
    #[must_use]
    pub fn open() -> Option<Self> {
        let _descriptors = MoreDescriptors::allow();
        let mut pair = [0i32; 2];
        let kind = SOCK_SEQPACKET | SOCK_CLOEXEC;
        // SAFETY: `pair` takes two descriptors.
        if unsafe { syscall!(SOCKETPAIR, AF_UNIX, kind, 0, pair.as_mut_ptr()) } < 0 {
            return None;
        }
        let [ours, theirs] = pair;
        let socket = Self { ours, theirs };
        (ours > 2 && theirs > 2).then_some(socket)
    }

    /// Our end, which can be read when the helper asks.
    #[must_use]
    pub const fn ours(&self) -> i32 {
        self.ours
    }

    /// The helper's end.
    #[must_use]
    pub const fn theirs(&self) -> i32 {
        self.theirs
    }

    /// Answers one question; `false` where there is none that can be answered, and will be none.
    ///
    /// # Safety
    /// Only the owner of the gate may call it.
    pub unsafe fn answer(&self) -> bool {
        let mut bytes = [0u8; Ask::SIZE];
        // SAFETY: the buffer is as long as said.
        let count = unsafe { syscall!(READ, self.ours, bytes.as_mut_ptr(), Ask::SIZE) };
        if count != Ask::SIZE as isize {
            return false;
        }
        let ask = Ask::from_bytes(bytes);
        let size = (ask.size as usize).min(Ask::MAX_BYTES);
        // SAFETY: the buffer is the gate owner's.
        let buffer = unsafe { &mut *FILE.get() };
        let path = |path: &core::ffi::CStr| path.as_ptr().cast();
        // By thread: /proc/self shows nothing once the main thread has ended.
        let read = match ask.what {
            what if what == Served::Memory as u32 => return self.send(ask.at as usize, size) || self.refuse(),
            what if what == Served::Maps as u32 => read_file(path(c"/proc/thread-self/maps"), ask.at, buffer),
            what if what == Served::Stat as u32 => read_file(path(c"/proc/thread-self/stat"), ask.at, buffer),
            what if what == Served::Executable as u32 => {
                let link = path(c"/proc/thread-self/exe");
                // SAFETY: the path is zero-terminated, the buffer as long as said.
                unsafe { syscall!(READLINK, link, buffer.as_mut_ptr(), buffer.len()) }.max(0) as usize
            }
            _ => return self.refuse(),
        };
        self.send(buffer.as_ptr() as usize, read.min(size))
    }

    /// Sends what lies at an address; `false` where it cannot be read.
    fn send(&self, address: usize, size: usize) -> bool {
        let parts = [
            Part {
                base: [1u8].as_ptr() as usize,
                size: 1,
            },
            Part { base: address, size },
        ];
        self.send_parts(&parts)
    }

    fn refuse(&self) -> bool {
        self.send_parts(&[Part {
            base: [0u8].as_ptr() as usize,
            size: 1,
        }])
    }

    fn send_parts(&self, parts: &[Part]) -> bool {
        let message = Message {
            name: [0; 2],
            parts: parts.as_ptr(),
            count: parts.len(),
            control: [0; 2],
            flags: 0,
        };
        // SAFETY: the message is live; the kernel checks the addresses in it.
        unsafe { syscall!(SENDMSG, self.ours, &raw const message, MSG_DONTWAIT | MSG_NOSIGNAL) > 0 }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: descriptors of ours.
        unsafe {
            syscall!(CLOSE, self.ours);
            syscall!(CLOSE, self.theirs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_with_memory_files_and_refusals() {
        assert_eq!(size_of::<Message>(), size_of::<libc::msghdr>());
        assert_eq!(size_of::<Part>(), size_of::<libc::iovec>());
        static TEXT: [u8; 8] = *b"password";
        let socket = Socket::open().unwrap();
        let mut answer = [0u8; 64];
        let mut ask = |what: u32, at: usize, size: u32| {
            let bytes = Ask {
                what,
                size,
                at: at as u64,
            }
            .to_bytes();
            // SAFETY: both buffers are as long as said.
            unsafe {
                syscall!(WRITE, socket.theirs, bytes.as_ptr(), bytes.len());
                assert!(socket.answer());
                let count = syscall!(READ, socket.theirs, answer.as_mut_ptr(), answer.len());
                (count, answer)
            }
        };
        let (count, answer) = ask(Served::Memory as u32, TEXT.as_ptr() as usize, 8);
        assert_eq!((count, &answer[..9]), (9, &b"\x01password"[..]));
        for (what, at) in [(Served::Memory as u32, 16), (77, TEXT.as_ptr() as usize)] {
            let (count, answer) = ask(what, at, 8);
            assert_eq!((count, answer[0]), (1, 0));
        }
        let (count, _) = ask(Served::Maps as u32, 0, 50);
        assert_eq!(count, 51);
        let (count, answer) = ask(Served::Executable as u32, 0, 50);
        assert!(count > 1 && answer[..2] == *b"\x01/", "{count}");
        let (count, _) = ask(Served::Maps as u32, 1 << 40, 50);
        assert_eq!(count, 1, "the end of the file");
        assert!(is_wanted(), "this process is dumpable");
    }
}
