//! What the handler tells the helper about a crash, read from the crashed process and checked.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::size_of;
use std::os::unix::fs::FileExt;

use coldframe_handler::wire::{CrashRequest, REQUEST_MAGIC};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use thiserror::Error;

use crate::addr::Addr;
use crate::source::live::Access;
use crate::source::request::{OtherVersion, Request};

/// Why a request cannot be used.
#[derive(Debug, Error)]
pub enum RequestError {
    /// The process's memory cannot be read: it chose not to be dumpable, or has another user.
    #[error("cannot read {size} bytes at {address:#x} of process {pid}: {source}")]
    Unreadable {
        /// The process.
        pid: i32,
        /// Where the request should lie.
        address: u64,
        /// How much was wanted.
        size: usize,
        /// What the system said.
        source: io::Error,
    },
    /// There is no request at that address.
    #[error("no crash request at {address:#x} of process {pid}: it begins with {magic:#x}")]
    BadMagic {
        /// The process.
        pid: i32,
        /// Where the request should lie.
        address: u64,
        /// What lies there.
        magic: u64,
    },
    /// Handler and helper are of different versions.
    #[error(transparent)]
    Version(#[from] OtherVersion),
    /// The request is not about the process and thread that the handler named.
    #[error("the crash request is about process {pid} thread {tid}")]
    OtherThread {
        /// The process it is about.
        pid: i32,
        /// The thread it is about.
        tid: i32,
    },
}

/// Reads the request at `address` of process `pid`, by the means that `access` says.
///
/// # Errors
/// When it cannot be read or does not belong to `pid`, `tid` and this version.
pub fn read(pid: i32, tid: i32, address: u64, access: Access) -> Result<Request, RequestError> {
    let mut bytes = [0u8; size_of::<CrashRequest>()];
    // Of the thread: a main thread that has ended has no memory any more.
    let way = match access {
        Access::Any => {
            process_vm_readv_exact(tid, address, &mut bytes).or_else(|_| read_file(pid, tid, address, &mut bytes))
        }
        Access::Files => read_file(pid, tid, address, &mut bytes),
        Access::Served(served) => served.read(Addr(address), &mut bytes),
    };
    way.map_err(|source| RequestError::Unreadable {
        pid,
        address,
        size: bytes.len(),
        source,
    })?;
    let raw = CrashRequest::from_bytes(&bytes);
    if raw.magic != REQUEST_MAGIC {
        return Err(RequestError::BadMagic {
            pid,
            address,
            magic: raw.magic,
        });
    }
    if (raw.pid, raw.tid) != (pid, tid) {
        return Err(RequestError::OtherThread {
            pid: raw.pid,
            tid: raw.tid,
        });
    }
    Ok(Request::from_wire(&raw)?)
}

fn process_vm_readv_exact(tid: i32, address: u64, buffer: &mut [u8]) -> io::Result<()> {
    let size = buffer.len();
    let remote = RemoteIoVec {
        base: address as usize,
        len: size,
    };
    match process_vm_readv(Pid::from_raw(tid), &mut [IoSliceMut::new(buffer)], &[remote]) {
        Ok(count) if count == size => Ok(()),
        Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(error) => Err(error.into()),
    }
}

/// Where a container filters that call.
fn read_file(pid: i32, tid: i32, address: u64, buffer: &mut [u8]) -> io::Result<()> {
    File::open(format!("/proc/{pid}/task/{tid}/mem"))?.read_exact_at(buffer, address)
}

#[cfg(test)]
mod tests {
    use coldframe_handler::wire::VERSION;

    use super::*;

    #[test]
    fn requests_are_checked() {
        let mut raw = CrashRequest::zeroed();
        raw.magic = REQUEST_MAGIC;
        raw.version = VERSION;
        raw.size = size_of::<CrashRequest>() as u32;
        raw.pid = std::process::id() as i32;
        raw.tid = nix::unistd::gettid().as_raw();
        let tid = raw.tid;
        let address = &raw const raw as u64;
        for access in [Access::Any, Access::Files] {
            assert!(read(raw.pid, tid, address, access).is_ok());
        }
        raw.tid = 7;
        let address = &raw const raw as u64;
        let read = |address| read(raw.pid, tid, address, Access::Any);
        assert!(matches!(read(address), Err(RequestError::OtherThread { tid: 7, .. })));
        assert!(matches!(read(address + 8), Err(RequestError::BadMagic { .. })));
        assert!(matches!(read(16), Err(RequestError::Unreadable { .. })));
    }
}
