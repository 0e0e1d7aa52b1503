//! Folders and files that every program of the tree may read.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::{InstallError, io_error};

pub(in crate::capture) fn make_folder(folder: &Path) -> Result<(), InstallError> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)
        .map_err(|error| io_error("create", folder, error))?;
    // The umask may have taken bits away that children with another uid need.
    fs::set_permissions(folder, Permissions::from_mode(0o755)).map_err(|error| io_error("open up", folder, error))
}

/// Puts a new file in place of whatever has that name, at once for everybody who looks.
pub(in crate::capture) fn replace(
    path: &Path,
    mode: u32,
    fill: &mut dyn FnMut(&mut File) -> io::Result<()>,
) -> Result<(), InstallError> {
    let temporary = temporary_name(path);
    let result = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| {
            fill(&mut file)?;
            file.set_permissions(Permissions::from_mode(mode))?;
            fs::rename(&temporary, path)
        });
    result.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        io_error("write", path, error)
    })
}

pub(super) fn temporary_name(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{:016x}", RandomState::new().build_hasher().finish()));
    path.with_file_name(name)
}
