//! Opening files below a folder that stands for `/`, without being led out of it.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::{Mode, SFlag, fstat};

/// Opens the regular file `path` below `root`, in which absolute links and `..` resolve as they would
/// if `root` were `/` (openat2(2), `RESOLVE_IN_ROOT`).
///
/// # Errors
/// Where there is no such file, or where it is of another kind: a path in a dump may be that of a
/// device or a FIFO, which opening alone can disturb or hang on.
pub fn open_regular(root: &Path, path: &Path) -> io::Result<File> {
    let found = find(root, path)?;
    let kind = SFlag::from_bits_truncate(fstat(&found)?.st_mode) & SFlag::S_IFMT;
    if kind != SFlag::S_IFREG {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    File::open(format!("/proc/self/fd/{}", found.as_raw_fd()))
}

/// The names in the folder `path` below `root`, at most `max` of them, in no order; names that are not UTF-8 are left out.
///
/// # Errors
/// Where there is no such folder.
pub fn list_folder(root: &Path, path: &Path, max: usize) -> io::Result<Vec<String>> {
    let found = find(root, path)?;
    let entries = std::fs::read_dir(format!("/proc/self/fd/{}", found.as_raw_fd()))?;
    let names = entries
        .take(max)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.collect())
}

/// Finds `path` below `root` and does not open it.
fn find(root: &Path, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
    if root == Path::new("/") {
        return Ok(open(path, flags, Mode::empty())?);
    }
    let folder = open(root, flags | OFlag::O_DIRECTORY, Mode::empty())?;
    let how = OpenHow::new()
        .flags(flags)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    Ok(openat2(&folder, path, how)?)
}

#[cfg(test)]
mod tests {
    use super::{list_folder, open_regular};
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    #[test]
    fn links_resolve_inside_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("usr/lib")).unwrap();
        fs::write(dir.path().join("secret"), "outside").unwrap();
        fs::write(root.join("usr/lib/x"), "inside").unwrap();
        symlink("/usr/lib", root.join("lib")).unwrap();
        symlink("../../../secret", root.join("usr/escape")).unwrap();
        symlink(dir.path().join("secret"), root.join("usr/absolute")).unwrap();
        let mut text = String::new();
        open_regular(&root, Path::new("/lib/x"))
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "inside");
        for path in [
            "/usr/escape",
            "/usr/absolute",
            "/../secret",
            "/usr/lib",
            "/proc/self/exe",
        ] {
            assert!(open_regular(&root, Path::new(path)).is_err(), "{path}");
        }
        assert_eq!(list_folder(&root, Path::new("/lib"), 9).unwrap(), ["x"]);
        assert!(list_folder(&root, Path::new("/usr/escape"), 9).is_err());
    }

    #[test]
    fn devices_and_fifos_are_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [fifo.as_path(), Path::new("/dev/zero"), Path::new("/")] {
            assert!(open_regular(Path::new("/"), path).is_err(), "{path:?}");
        }
    }
}
