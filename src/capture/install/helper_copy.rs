//! The helper: the running binary once more, beside the handler.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::error::{InstallError, io_error};
use super::files::{replace, temporary_name};
use super::sound::open_file;

/// File name of the helper, which the handler looks for beside itself.
pub const HELPER_NAME: &str = "coldframe";
/// Remembers that the helper's copy was compared in full, see [`Stamp`].
const STAMP_NAME: &str = "coldframe.compared";

/// Makes `helper` the running binary: by a hard link where the file system and the binary's own owner and mode allow
/// (then it is the same file, and nothing need be compared), else by a copy.
pub(super) fn place_helper(helper: &Path, binary: &Path, euid: u32) -> Result<(), InstallError> {
    let running = Path::new("/proc/self/exe");
    let running = if binary.exists() { binary } else { running };
    let mut source = File::open(running).map_err(|error| io_error("open", running, error))?;
    let wanted = source.metadata().map_err(|error| io_error("examine", running, error))?;
    let stamp = helper.with_file_name(STAMP_NAME);
    if let Ok((mut file, found)) = open_file(helper, euid, 0o5) {
        let same_file = (found.dev(), found.ino()) == (wanted.dev(), wanted.ino());
        let expected = Stamp::of(&wanted, &found);
        if same_file || expected.is_at(&stamp, euid) {
            return Ok(());
        }
        if found.len() == wanted.len()
            && same_content(&mut file, &mut source).map_err(|error| io_error("read", helper, error))?
        {
            return expected.write(&stamp);
        }
        source = File::open(running).map_err(|error| io_error("open", running, error))?;
    }
    let temporary = temporary_name(helper);
    if open_file(binary, euid, 0o5).is_ok() && fs::hard_link(binary, &temporary).is_ok() {
        fs::rename(&temporary, helper).map_err(|error| io_error("replace", helper, error))?;
        // rename(2) leaves both names alone when they already are one file.
        let _ = fs::remove_file(&temporary);
    } else {
        replace(helper, 0o755, &mut |file| io::copy(&mut source, file).map(|_| ()))?;
        let (mut file, found) = open_file(helper, euid, 0o5)?;
        let mut source = File::open(running).map_err(|error| io_error("open", running, error))?;
        if !same_content(&mut file, &mut source).map_err(|error| io_error("read", helper, error))? {
            return Err(InstallError::Different {
                path: helper.to_owned(),
            });
        }
        return Stamp::of(&wanted, &found).write(&stamp);
    }
    open_file(helper, euid, 0o5).map(|_| ())
}

/// Identities of the binary and of its copy at the moment they were found equal. A change to either moves its ctime,
/// which cannot be set by a system call; so the comparison of many megabytes is needed once and not at each start.
#[derive(PartialEq, Eq)]
struct Stamp(String);

impl Stamp {
    fn of(source: &Metadata, copy: &Metadata) -> Self {
        let identity = |file: &Metadata| {
            format!(
                "{}:{} {} {}.{:09}",
                file.dev(),
                file.ino(),
                file.size(),
                file.ctime(),
                file.ctime_nsec()
            )
        };
        Self(format!("{}\n{}\n", identity(source), identity(copy)))
    }

    fn is_at(&self, path: &Path, euid: u32) -> bool {
        let mut text = String::new();
        open_file(path, euid, 0o4).is_ok_and(|(file, _)| file.take(4096).read_to_string(&mut text).is_ok())
            && text == self.0
    }

    fn write(&self, path: &Path) -> Result<(), InstallError> {
        replace(path, 0o644, &mut |file| file.write_all(self.0.as_bytes()))
    }
}

fn same_content(one: &mut File, other: &mut File) -> io::Result<bool> {
    let (mut left, mut right) = (vec![0; 1 << 18], vec![0; 1 << 18]);
    loop {
        let count = one.read(&mut left)?;
        let (left, right) = (&left[..count], &mut right[..count]);
        if count == 0 {
            return Ok(other.read(&mut [0])? == 0);
        }
        match other.read_exact(right) {
            Ok(()) if left == right => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}
