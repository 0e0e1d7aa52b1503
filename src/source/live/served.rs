//! A process that tells of itself: the thread that crashed hands out what nobody else may read.

use std::io::{Error, ErrorKind, Result};
use std::os::fd::RawFd;

use coldframe_handler::wire;
use nix::sys::socket::{MsgFlags, recv, send};

use crate::addr::Addr;

/// The most bytes of a file that are asked for: more than `/proc/PID/maps` has of any program.
const MAX_FILE: usize = 64 << 20;

/// The socket at whose other end the thread answers ([`wire::Ask`]). It ends with this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served(RawFd);

impl Served {
    /// Questions go to this descriptor.
    #[must_use]
    pub fn new(socket: RawFd) -> Served {
        Served(socket)
    }

    /// Reads memory, all of `buf` or nothing.
    ///
    /// # Errors
    /// Where it cannot be read, or nobody answers.
    pub fn read(self, start: Addr, buf: &mut [u8]) -> Result<()> {
        let mut at = start;
        for part in buf.chunks_mut(wire::Ask::MAX_BYTES) {
            let answer = self.ask(wire::Served::Memory, part.len(), at.0)?;
            if answer.len() != part.len() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            part.copy_from_slice(&answer);
            at = at.add(part.len() as u64);
        }
        Ok(())
    }

    /// The content of a file below /proc, or what a link there says; what could be had of it.
    #[must_use]
    pub fn text(self, what: wire::Served) -> String {
        let mut bytes = Vec::new();
        while let Ok(part) = self.ask(what, wire::Ask::MAX_BYTES, bytes.len() as u64) {
            bytes.extend_from_slice(&part);
            if part.is_empty() || what == wire::Served::Executable || bytes.len() >= MAX_FILE {
                break;
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn ask(self, what: wire::Served, size: usize, at: u64) -> Result<Vec<u8>> {
        let ask = wire::Ask {
            what: what as u32,
            size: size as u32,
            at,
        };
        send(self.0, &ask.to_bytes(), MsgFlags::MSG_NOSIGNAL)?;
        let mut answer = vec![0; size + 1];
        let length = recv(self.0, &mut answer, MsgFlags::empty())?;
        if length == 0 || answer.first() != Some(&1) {
            return Err(Error::from_raw_os_error(libc::EFAULT));
        }
        answer.truncate(length);
        answer.remove(0);
        Ok(answer)
    }
}
