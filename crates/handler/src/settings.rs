//! What is fixed when the library is loaded: where the helper lies, the environment it gets, the dump folder.
//!
//! Copied, not referred to: programs overwrite their environment block (setproctitle does), and after a crash
//! nothing outside this library's own data can be relied upon.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::image;
use crate::sys::{Shared, users};
use crate::syscall;
use crate::text::Text;
use crate::wire::{PROGRAM_SIZE, SUPERVISOR_SIZE};

/// File name of the helper, which lies in the folder of this library.
pub const HELPER_NAME: &[u8] = b"coldframe";
/// The variable that turns the handler on; its value is the absolute path of the dump folder.
pub const FOLDER_VARIABLE: &[u8] = b"COLDFRAME_DIR=";

/// The variable that names the supervisor: `NAME:TOKEN` of its socket.
const SUPERVISOR_VARIABLE: &[u8] = b"COLDFRAME_SUPERVISOR=";

/// Names of programs separated by colons: those that are captured, and those that are not.
const ONLY_VARIABLE: &[u8] = b"COLDFRAME_ONLY=";
const IGNORE_VARIABLE: &[u8] = b"COLDFRAME_IGNORE=";

/// Whether a list names a program; a name that ends with `*` matches what begins so.
fn is_listed(program: &[u8], list: &[u8]) -> bool {
    list.split(|&byte| byte == b':')
        .any(|name| match name.strip_suffix(b"*") {
            Some(beginning) => program.starts_with(beginning),
            None => !name.is_empty() && name == program,
        })
}

/// Variables the helper gets, next to all whose name begins with `COLDFRAME_`. None can make it load code.
const PASSED_VARIABLES: [&[u8]; 8] = [
    b"HOME=",
    b"XDG_CACHE_HOME=",
    b"TMPDIR=",
    b"PATH=",
    b"NO_COLOR=",
    b"TERM=",
    b"LANG=",
    b"LC_ALL=",
];

const PATH_SIZE: usize = 4096;
const ENVIRONMENT_SIZE: usize = 16 * 1024;
const ENVIRONMENT_ENTRIES: usize = 64;
const AT_EXECFN: usize = 31;
const AT_SECURE: usize = 23;

/// The settings of this process.
pub struct Settings {
    /// Absolute path of the helper; empty when this library was not loaded by an absolute path.
    pub helper: Text<PATH_SIZE>,
    /// User and group when the library was loaded ([`users`]).
    pub users: [u32; 4],
    /// The dump folder.
    pub folder: Text<PATH_SIZE>,
    /// File name of the program.
    pub program: Text<PROGRAM_SIZE>,
    /// Name of the supervisor's socket; empty without one. Its token stays out of files.
    pub supervisor: Text<{ SUPERVISOR_SIZE + 1 }>,
    /// Where a report goes that no supervisor takes.
    pub report: ReportFile,
    strings: [u8; ENVIRONMENT_SIZE],
    strings_used: usize,
    entries: [*const u8; ENVIRONMENT_ENTRIES + 1],
    entries_used: usize,
}

/// Those in force and those that come next: a handler may read the ones while [`load`] writes the others.
static TABLE: [Shared<Settings>; 2] = [const { Shared::new(Settings::new()) }; 2];
static CURRENT: AtomicUsize = AtomicUsize::new(0);
static IS_LOADING: AtomicBool = AtomicBool::new(false);

/// The settings in force; empty ones before the first [`load`].
#[must_use]
pub fn current() -> &'static Settings {
    let index = CURRENT.load(Ordering::Acquire) & 1;
    // SAFETY: what is in force is not written to.
    unsafe { &*TABLE[index].get() }
}

/// Puts the settings of an environment in force. `false`, and no change, where it is none of [`Settings::load`], or where
/// another thread is at it.
///
/// # Safety
/// `envp` must be null or a valid environment block.
pub unsafe fn load(envp: *const *const u8, report: c_int) -> bool {
    if IS_LOADING.swap(true, Ordering::Acquire) {
        return false;
    }
    let index = 1 - (CURRENT.load(Ordering::Relaxed) & 1);
    // SAFETY: not in force, and nobody else loads.
    let settings = unsafe { &mut *TABLE[index].get() };
    settings.clear();
    settings.report = ReportFile::of(report);
    // SAFETY: a static; the block is the caller's promise.
    let is_usable = unsafe { settings.load(envp) };
    if is_usable {
        CURRENT.store(index, Ordering::Release);
    }
    IS_LOADING.store(false, Ordering::Release);
    is_usable
}

/// Where a report is printed that no supervisor takes, in place of descriptor 2: a test runner may have pointed that to
/// a file of its own. The program may close the descriptor and open another, so the file is looked at again.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct ReportFile {
    descriptor: c_int,
    identity: [u64; 2],
}

impl ReportFile {
    const NONE: Self = Self {
        descriptor: -1,
        identity: [0; 2],
    };

    fn of(descriptor: c_int) -> Self {
        identity_of(descriptor).map_or(Self::NONE, |identity| Self { descriptor, identity })
    }

    /// Makes it descriptor 2. For the helper's process before it executes.
    pub fn take(self) {
        if self.descriptor > 2 && identity_of(self.descriptor) == Some(self.identity) {
            // SAFETY: takes no pointer.
            unsafe { syscall!(DUP2, self.descriptor, 2) };
        }
    }
}

/// Device and number of an open file.
fn identity_of(descriptor: c_int) -> Option<[u64; 2]> {
    // struct stat of x86_64 has 144 bytes; st_dev and st_ino come first (arch/x86/include/uapi/asm/stat.h).
    let mut status = [0u64; 18];
    // SAFETY: the buffer has the size of the structure.
    let result = unsafe { syscall!(FSTAT, descriptor, status.as_mut_ptr()) };
    (descriptor >= 0 && result == 0).then_some([status[0], status[1]])
}

impl Settings {
    const fn new() -> Self {
        Self {
            helper: Text::new(),
            users: [0; 4],
            folder: Text::new(),
            program: Text::new(),
            supervisor: Text::new(),
            report: ReportFile::NONE,
            strings: [0; ENVIRONMENT_SIZE],
            strings_used: 0,
            entries: [core::ptr::null(); ENVIRONMENT_ENTRIES + 1],
            entries_used: 0,
        }
    }

    fn clear(&mut self) {
        self.helper.clear();
        self.folder.clear();
        self.program.clear();
        self.supervisor.clear();
        self.strings.fill(0);
        self.strings_used = 0;
        self.entries.fill(core::ptr::null());
        self.entries_used = 0;
    }

    /// Reads the environment. `false` means that this process is not to be captured: the variable is absent or not an
    /// absolute path, or the program runs with more rights than its caller.
    ///
    /// # Safety
    /// `self` must stay where it is: the entries point into it. `envp` must be null or a valid environment block.
    pub unsafe fn load(&mut self, envp: *const *const u8) -> bool {
        if envp.is_null() {
            return false;
        }
        let mut cursor = envp;
        // SAFETY: an environment block is zero-terminated, as are its strings.
        let folder = unsafe {
            loop {
                if (*cursor).is_null() {
                    return false;
                }
                let variable = image::c_bytes(*cursor);
                if let Some(value) = variable.strip_prefix(FOLDER_VARIABLE) {
                    break value;
                }
                cursor = cursor.add(1);
            }
        };
        if folder.first() != Some(&b'/') || image::auxiliary_value(AT_SECURE) != 0 {
            return false;
        }
        self.folder.push(folder);
        self.users = users();
        cursor = envp;
        // SAFETY: as above.
        unsafe {
            while !(*cursor).is_null() {
                self.pass_on(image::c_bytes(*cursor));
                cursor = cursor.add(1);
            }
        }
        self.load_paths();
        // SAFETY: as above.
        self.folder.get().is_some() && unsafe { self.is_wanted(envp) }
    }

    /// Whether the lists of programs, where they are set, admit this one.
    ///
    /// # Safety
    /// `envp` must be a valid environment block.
    unsafe fn is_wanted(&self, envp: *const *const u8) -> bool {
        let program = self.program.get().unwrap_or_default();
        let mut cursor = envp;
        // SAFETY: an environment block is zero-terminated, as are its strings.
        unsafe {
            while !(*cursor).is_null() {
                let variable = image::c_bytes(*cursor);
                let excluded = match (
                    variable.strip_prefix(ONLY_VARIABLE),
                    variable.strip_prefix(IGNORE_VARIABLE),
                ) {
                    (Some(list), _) => !list.is_empty() && !is_listed(program, list),
                    (_, Some(list)) => is_listed(program, list),
                    _ => false,
                };
                if excluded {
                    return false;
                }
                cursor = cursor.add(1);
            }
        }
        true
    }

    fn pass_on(&mut self, variable: &[u8]) {
        if let Some(address) = variable.strip_prefix(SUPERVISOR_VARIABLE) {
            self.supervisor.clear();
            self.supervisor
                .push(address.split(|&byte| byte == b':').next().unwrap_or_default());
        }
        let wanted =
            variable.starts_with(b"COLDFRAME_") || PASSED_VARIABLES.iter().any(|name| variable.starts_with(name));
        let end = self.strings_used + variable.len() + 1;
        // What does not fit is left out: the helper has a default for each.
        if !wanted || self.entries_used >= ENVIRONMENT_ENTRIES || end > ENVIRONMENT_SIZE {
            return;
        }
        let Some(place) = self.strings.get_mut(self.strings_used..end) else {
            return;
        };
        for (slot, byte) in place.iter_mut().zip(variable) {
            *slot = *byte;
        }
        if let Some(entry) = self.entries.get_mut(self.entries_used) {
            *entry = place.as_ptr();
            self.entries_used += 1;
            self.strings_used = end;
        }
    }

    fn load_paths(&mut self) {
        let helper = &mut self.helper;
        image::path_of_object(Self::load as *const () as usize, &mut |path| {
            // Only an absolute path still means the same file when the program has changed its working folder.
            if path.first() == Some(&b'/')
                && let Some(slash) = path.iter().rposition(|&byte| byte == b'/')
                && let Some(folder) = path.get(..=slash)
            {
                helper.push(folder);
                helper.push(HELPER_NAME);
            }
        });
        let path = image::auxiliary_value(AT_EXECFN) as *const u8;
        if !path.is_null() {
            // SAFETY: the kernel put a zero-terminated string there, and this is before anyone could overwrite it.
            let path = unsafe { image::c_bytes(path) };
            let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
            self.program
                .push(name.get(..name.len().min(PROGRAM_SIZE - 1)).unwrap_or(name));
        }
    }

    /// The helper's environment for execve(2).
    #[must_use]
    pub fn environment(&self) -> *const *const u8 {
        self.entries.as_ptr()
    }
}

#[cfg(test)]
mod tests {
    use super::is_listed;

    #[test]
    fn lists_name_programs() {
        assert!(is_listed(b"python3.11", b"node:python*"));
        assert!(is_listed(b"node", b"node:python*"));
        assert!(!is_listed(b"nodes", b"node:python*"));
        assert!(!is_listed(b"", b"") && !is_listed(b"x", b":"));
        assert!(is_listed(b"anything", b"*"));
    }
}
