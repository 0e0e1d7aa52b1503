//! Whether a file may be loaded into every program of a tree: nobody but root and the effective user may be able to
//! replace it or to write to it.

use std::fs::{File, Metadata, OpenOptions, symlink_metadata};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::error::{InstallError, io_error, unsound};

/// Permission bits that let others write.
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Checks every folder from the root down to `folder`, which must be canonical (no symbolic links). The last one must
/// not be writable by others at all; above it, a sticky one (/tmp) will do. For root, all must be searchable by
/// everyone, because a child that drops its uid still loads the handler.
pub(in crate::capture) fn check_folder(folder: &Path, euid: u32) -> Result<(), InstallError> {
    for ancestor in folder.ancestors() {
        let metadata = symlink_metadata(ancestor).map_err(|error| io_error("examine", ancestor, error))?;
        let unsound = |why| Err(unsound(ancestor, why));
        if !metadata.is_dir() {
            return unsound("it is not a folder");
        }
        check_owner(&metadata, ancestor, euid)?;
        let sticky = metadata.mode() & STICKY != 0 && ancestor != folder;
        if metadata.mode() & OTHERS_WRITE != 0 && !sticky {
            return unsound("others can write to it");
        }
        if euid == 0 && metadata.mode() & 0o001 == 0 {
            return unsound("processes that give up root cannot enter it");
        }
    }
    Ok(())
}

/// Opens a file for reading after checking that it is a regular one that others cannot change. `mode` are the
/// permission bits that it must have for everyone: 0o4 to be loaded, 0o5 to be run too.
pub(in crate::capture) fn open_file(path: &Path, euid: u32, mode: u32) -> Result<(File, Metadata), InstallError> {
    let file = OpenOptions::new()
        .read(true)
        // A planted pipe must not block, a planted link not be followed.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .map_err(|error| io_error("open", path, error))?;
    let metadata = file.metadata().map_err(|error| io_error("examine", path, error))?;
    let unsound = |why| Err(unsound(path, why));
    if !metadata.is_file() {
        return unsound("it is not a regular file");
    }
    check_owner(&metadata, path, euid)?;
    if metadata.mode() & OTHERS_WRITE != 0 {
        return unsound("others can write to it");
    }
    // Only root's children can become someone else; for everybody else the owner's bits count.
    let wanted = if euid == 0 { mode } else { mode << 6 };
    if metadata.mode() & wanted != wanted && (euid == 0 || metadata.mode() & mode != mode) {
        return unsound("its permissions keep it from being used");
    }
    Ok((file, metadata))
}

fn check_owner(metadata: &Metadata, path: &Path, euid: u32) -> Result<(), InstallError> {
    if metadata.uid() == 0 || metadata.uid() == euid {
        return Ok(());
    }
    Err(unsound(path, "it belongs to another user"))
}

/// The path can be named in LD_PRELOAD, whose entries are separated by spaces and colons and have no escape (ld.so(8)).
/// `$` begins a substitution there.
pub(in crate::capture) fn check_path(path: &Path) -> Result<(), InstallError> {
    let usable = path
        .to_str()
        .is_some_and(|path| !path.contains([' ', ':', '\t', '\n', '$']));
    if usable {
        Ok(())
    } else {
        Err(InstallError::Unnameable { path: path.to_owned() })
    }
}
