//! The memory of another process.

use std::cell::OnceCell;
use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

use super::Access;
use super::served::Served;
use crate::addr::Addr;
use crate::source::page_cache::PageSource;

/// Reads by process_vm_readv(2), from `/proc/PID/mem` where that call is denied, or asks the process itself.
pub struct ProcessMemory {
    tid: Pid,
    path: PathBuf,
    /// Set once process_vm_readv has been denied; `None` inside where the file cannot be opened either.
    file: OnceCell<Option<File>>,
    served: Option<Served>,
}

impl ProcessMemory {
    /// The memory that thread `tid` sees; `path` is its `mem` file below /proc.
    pub fn new(tid: u32, path: PathBuf, access: Access) -> ProcessMemory {
        let file = OnceCell::new();
        if access == Access::Files {
            let _ = file.set(File::open(&path).ok());
        }
        ProcessMemory {
            tid: Pid::from_raw(tid.cast_signed()),
            path,
            file,
            served: access.served(),
        }
    }

    fn read_file(&self, start: Addr, buf: &mut [u8]) -> usize {
        let Some(file) = self.file.get_or_init(|| File::open(&self.path).ok()) else {
            return 0;
        };
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, start.add(done as u64).0) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        done
    }
}

impl PageSource for ProcessMemory {
    fn read_pages(&self, start: Addr, buf: &mut [u8]) -> usize {
        if let Some(served) = self.served {
            // All at once, or up to the first hole.
            return match served.read(start, buf) {
                Ok(()) => buf.len(),
                Err(_) => {
                    let pages = buf.chunks_mut(4096).zip(0u64..);
                    let whole = pages.map_while(|(page, number)| served.read(start.add(number * 4096), page).ok());
                    whole.count() * 4096
                }
            };
        }
        if self.file.get().is_some() {
            return self.read_file(start, buf);
        }
        let Ok(base) = usize::try_from(start.0) else { return 0 };
        // One vector a page: the call stops between vectors, so the pages before a hole still count.
        let remote: Vec<RemoteIoVec> = (0..buf.len())
            .step_by(4096)
            .map(|offset| RemoteIoVec {
                base: base.wrapping_add(offset),
                len: (buf.len() - offset).min(4096),
            })
            .collect();
        match process_vm_readv(self.tid, &mut [IoSliceMut::new(buf)], &remote) {
            Ok(count) => count,
            Err(Errno::EPERM | Errno::ENOSYS | Errno::EACCES) => self.read_file(start, buf),
            Err(_) => 0,
        }
    }
}
