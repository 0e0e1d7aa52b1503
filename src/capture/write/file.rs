//! The name of a dump, and the file while it is being written.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::WriteError;
use crate::capture::watchdog;
use crate::source::streams::ProcessContext;

/// How many names are tried where the one wanted is taken.
const MAX_NAMES: u32 = 1000;
/// The longest program name that is used.
const MAX_PROGRAM: usize = 64;

/// `PROGRAM-PID-STARTTIME.dmp`, for example `python3.12-4711-20260131T235959Z.dmp`.
pub fn dump_name(process: &ProcessContext) -> String {
    let program = process.executable.rsplit('/').next().unwrap_or_default();
    let mut program: String = program
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._+".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    program.truncate(MAX_PROGRAM);
    // A name that begins with a dot would be hidden, one without a program unclear.
    let program = program.trim_start_matches('.');
    let program = if program.is_empty() { "process" } else { program };
    let start: String = process
        .start_time
        .iter()
        .flat_map(|time| time.chars())
        .filter(|c| !"-:".contains(*c))
        .collect();
    let start = start
        .split_once('.')
        .map_or(start.clone(), |(seconds, _)| format!("{seconds}Z"));
    let separator = if start.is_empty() { "" } else { "-" };
    format!("{program}-{}{separator}{start}.dmp", process.pid)
}

/// A file that is not there until it is complete: removed when dropped before [`PartFile::finish`].
pub struct PartFile {
    file: File,
    part: PathBuf,
    wanted: PathBuf,
    is_finished: bool,
}

impl PartFile {
    /// Makes `PATH.part`, or the same for the first name of `NAME.dmp`, `NAME-1.dmp`, ... that is free.
    pub fn create(path: &Path) -> Result<PartFile, WriteError> {
        for number in 0..MAX_NAMES {
            let wanted = numbered(path, number);
            // Also where it is a link that leads nowhere.
            if fs::symlink_metadata(&wanted).is_ok() {
                continue;
            }
            let mut part = wanted.clone().into_os_string();
            part.push(".part");
            let part = PathBuf::from(part);
            let made = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_CLOEXEC)
                .open(&part);
            match made {
                Ok(file) => {
                    watchdog::set_unfinished(Some(&part));
                    return Ok(PartFile {
                        file,
                        part,
                        wanted,
                        is_finished: false,
                    });
                }
                // Somebody else's, or left over from a capture that was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(WriteError::Io { path: part, source }),
            }
        }
        Err(WriteError::NoName {
            path: path.to_path_buf(),
            tried: MAX_NAMES - 1,
        })
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Its present path.
    pub fn path(&self) -> &Path {
        &self.part
    }

    /// Syncs and renames; returns the final path and the length.
    pub fn finish(mut self) -> Result<(PathBuf, u64), WriteError> {
        let io = |source| WriteError::Io {
            path: self.part.clone(),
            source,
        };
        self.file.sync_all().map_err(io)?;
        let bytes = self.file.metadata().map_err(io)?.len();
        for number in 0..MAX_NAMES {
            let path = numbered(&self.wanted, number);
            match rename_new(&self.part, &path) {
                Ok(()) => {
                    self.is_finished = true;
                    watchdog::set_unfinished(None);
                    sync_folder(&path);
                    return Ok((path, bytes));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(WriteError::Io { path, source }),
            }
        }
        Err(WriteError::NoName {
            path: self.wanted.clone(),
            tried: MAX_NAMES - 1,
        })
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.is_finished {
            // Already failing; a leftover is the lesser trouble.
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// `NAME.dmp`, `NAME-1.dmp`, ...
fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_path_buf();
    }
    let mut name = path.file_stem().unwrap_or_default().to_os_string();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Renames, but never replaces. By the system call: glibc has a function for it since 2.28 only.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // Not every file system knows the flag; the name was free a moment ago.
        Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => {
            if fs::symlink_metadata(to).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes the new name durable. Best effort: the bytes are safe already.
fn sync_folder(path: &Path) {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let mut process = ProcessContext {
            pid: 12,
            executable: "/opt/my app/.py thon\n3".into(),
            start_time: Some("2026-01-31T23:59:59.25Z".into()),
            ..ProcessContext::default()
        };
        assert_eq!(dump_name(&process), "py_thon_3-12-20260131T235959Z.dmp");
        process.executable.clear();
        process.start_time = None;
        assert_eq!(dump_name(&process), "process-12.dmp");
        assert_eq!(numbered(Path::new("/a/b-1-2.dmp"), 3), Path::new("/a/b-1-2-3.dmp"));
    }
}
