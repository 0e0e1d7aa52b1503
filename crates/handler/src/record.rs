//! The last resort: a file written by the dying process itself, when no helper could.

use crate::settings;
use crate::sys::{Shared, is_readable, read_memory};
use crate::syscall;
use crate::text::Text;
use crate::wire::{
    CrashRequest, FixedRecord, HelperFailure, RECORD_EXTENSION, RECORD_MAGIC, RECORD_MAPS_SIZE, RECORD_STACK_SIZE,
    SUPERVISOR_SIZE, UC_GREGS_OFFSET, VERSION,
};

/// Index of `REG_RSP` among the general registers of a ucontext.
const REG_RSP: usize = 15;

const AT_FDCWD: isize = -100;
const O_WRONLY_CREAT_EXCL: usize = 0o1 | 0o100 | 0o200;
const O_NOFOLLOW: usize = 0o400_000;
const O_CLOEXEC: usize = 0o2_000_000;

static RECORD: Shared<FixedRecord> = Shared::new(FixedRecord {
    magic: 0,
    version: 0,
    size: 0,
    failure: 0,
    failure_detail: 0,
    stack_address: 0,
    stack_size: 0,
    maps_size: 0,
    supervisor: [0; SUPERVISOR_SIZE],
    request: CrashRequest::zeroed(),
    stack: [0; RECORD_STACK_SIZE],
    maps: [0; RECORD_MAPS_SIZE],
});

static PATH: Shared<Text<4096>> = Shared::new(Text::new());

/// Writes `FOLDER/PROGRAM-PID-STARTTIME.rec`. Nothing can be said to anyone when that fails too.
///
/// # Safety
/// Only the owner of the gate may call it.
pub unsafe fn write(request: &CrashRequest, failure: HelperFailure, detail: i32) {
    // SAFETY: the record is the gate owner's.
    let (record, settings) = (unsafe { &mut *RECORD.get() }, settings::current());
    let Some(folder) = settings.folder.as_c_string() else {
        return;
    };
    record.magic = RECORD_MAGIC;
    record.version = VERSION;
    record.size = size_of::<FixedRecord>() as u32;
    record.failure = failure as u32;
    record.failure_detail = detail;
    record.request = *request;
    for (slot, byte) in record
        .supervisor
        .iter_mut()
        .zip(settings.supervisor.get().unwrap_or_default())
    {
        *slot = *byte;
    }
    record.stack_address = request.context_word(UC_GREGS_OFFSET + REG_RSP * 8).unwrap_or(0);
    record.stack_size = copy_stack(record.stack_address as usize, &mut record.stack);
    let _descriptors = MoreDescriptors::allow();
    record.maps_size = read_file(c"/proc/self/maps".as_ptr().cast(), 0, &mut record.maps) as u32;

    // SAFETY: the gate owner's. Not on the stack: an alternate one may be small.
    let path = unsafe { &mut *PATH.get() };
    path.clear();
    path.push(settings.folder.get().unwrap_or_default());
    path.push(b"/");
    path.push(settings.program.get().unwrap_or(b"unknown"));
    path.push(b"-");
    path.push_number(request.pid as u64, 10);
    path.push(b"-");
    path.push_number(start_time(), 10);
    path.push(b".");
    path.push(RECORD_EXTENSION.as_bytes());
    let Some(path) = path.as_c_string() else {
        return;
    };

    let flags = O_WRONLY_CREAT_EXCL | O_NOFOLLOW | O_CLOEXEC;
    // SAFETY: both paths are zero-terminated; the record is plain bytes of the size given.
    unsafe {
        // The folder is made by whoever writes into it first. If it is there already, all the better.
        syscall!(MKDIR, folder, 0o755);
        let fd = syscall!(OPENAT, AT_FDCWD, path, flags, 0o600);
        if fd < 0 {
            return;
        }
        let mut written = 0;
        while written < size_of::<FixedRecord>() {
            let from = (&raw const *record).cast::<u8>().add(written);
            let count = syscall!(WRITE, fd, from, size_of::<FixedRecord>() - written);
            if count <= 0 {
                break;
            }
            written += count as usize;
        }
        syscall!(CLOSE, fd);
    }
}

/// Lifts a limit of descriptors that is used up, until dropped.
pub struct MoreDescriptors([u64; 2]);

const RLIMIT_NOFILE: usize = 7;

impl MoreDescriptors {
    /// Lifts it.
    #[must_use]
    pub fn allow() -> Self {
        let mut limit = [0u64; 2];
        // SAFETY: `limit` is a struct rlimit64: soft, then hard.
        unsafe {
            if syscall!(PRLIMIT64, 0, RLIMIT_NOFILE, 0, limit.as_mut_ptr()) == 0 {
                let raised = [limit[1], limit[1]];
                syscall!(PRLIMIT64, 0, RLIMIT_NOFILE, raised.as_ptr(), 0);
            }
        }
        Self(limit)
    }
}

impl Drop for MoreDescriptors {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { syscall!(PRLIMIT64, 0, RLIMIT_NOFILE, self.0.as_ptr(), 0) };
    }
}

/// Copies upwards from the stack pointer, page by page, as far as memory is mapped, and leaves what is an address alone:
/// texts, and whatever else may be secret, are none.
fn copy_stack(from: usize, stack: &mut [u8; RECORD_STACK_SIZE]) -> u32 {
    let mut copied = 0;
    while copied < stack.len() {
        let source = from.wrapping_add(copied);
        let size = (4096 - source % 4096).min(stack.len() - copied);
        let Some(rest) = stack.get_mut(copied..) else {
            break;
        };
        // SAFETY: `rest` is at least `size` long.
        if !unsafe { read_memory(source, rest.as_mut_ptr(), size) } {
            break;
        }
        copied += size;
    }
    // A stack pointer that is no multiple of 8 leaves parts of words at both ends.
    let skew = from.wrapping_neg() % 8;
    let (first, rest) = stack.split_at_mut(skew);
    first.fill(0);
    let (words, last) = rest.as_chunks_mut::<8>();
    last.fill(0);
    for word in words {
        if !is_readable(usize::from_le_bytes(*word)) {
            *word = [0; 8];
        }
    }
    copied as u32
}

/// Reads a file from an offset on and returns how many bytes it got.
pub fn read_file(path: *const u8, offset: u64, buffer: &mut [u8]) -> usize {
    let mut length = 0;
    // SAFETY: the path is zero-terminated; each read stays within the buffer.
    unsafe {
        let fd = syscall!(OPENAT, AT_FDCWD, path, O_CLOEXEC, 0);
        if fd < 0 {
            return 0;
        }
        while let Some(rest) = buffer.get_mut(length..)
            && !rest.is_empty()
        {
            let count = syscall!(PREAD64, fd, rest.as_mut_ptr(), rest.len(), offset + length as u64);
            if count <= 0 {
                break;
            }
            length += count as usize;
        }
        syscall!(CLOSE, fd);
    }
    length
}

/// When the process started, in clock ticks since boot: field 22 of /proc/self/stat (proc_pid_stat(5)); 0 if unknown.
fn start_time() -> u64 {
    let mut buffer = [0u8; 512];
    let length = read_file(c"/proc/self/stat".as_ptr().cast(), 0, &mut buffer);
    parse_start_time(buffer.get(..length).unwrap_or_default())
}

fn parse_start_time(stat: &[u8]) -> u64 {
    // The name, field 2, may itself hold spaces and parentheses: count from the last one. Field 3 follows it.
    let Some(end) = stat.iter().rposition(|&byte| byte == b')') else {
        return 0;
    };
    let field = stat
        .get(end + 1..)
        .unwrap_or_default()
        .split(|&byte| byte == b' ')
        .nth(20)
        .unwrap_or_default();
    field
        .iter()
        .fold(0, |value, &byte| value * 10 + u64::from(byte.wrapping_sub(b'0') % 10))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn start_time_is_field_22() {
        let stat = b"7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 424242 20\n";
        assert_eq!(parse_start_time(stat), 424_242);
        assert_eq!(parse_start_time(b""), 0);
        assert_ne!(start_time(), 0);
    }

    #[test]
    fn the_stack_is_copied_as_far_as_it_is_mapped() {
        // Not from this stack, on which the copy lies.
        static TEXT: [u8; 8] = *b"password";
        let markers = std::boxed::Box::new([&raw const TEXT as u64, u64::from_le_bytes(TEXT), 0x1234]);
        let mut stack = [0u8; RECORD_STACK_SIZE];
        assert!(copy_stack(&raw const *markers as usize, &mut stack) > 24);
        assert_eq!(stack[..8], markers[0].to_le_bytes());
        assert_eq!(stack[8..24], [0; 16], "no addresses");
        assert!(copy_stack(&raw const *markers as usize + 3, &mut stack) > 0);
        assert_eq!(stack[..21], [0; 21], "the first address is cut off");
        assert_eq!(copy_stack(64, &mut stack), 0);
    }
}
