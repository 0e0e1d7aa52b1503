//! Where handler and helper lie: in place beside the running binary, or extracted into a cache folder.
//!
//! Both are loaded or run by every program of the tree, so they are used only where nobody but root and this user can
//! replace them, and compared with what this binary carries on each run.
#![allow(unsafe_code)]

use std::env;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use coldframe_handler::{IMAGE, IMAGE_NAME};
use memmap2::MmapOptions;
use nix::unistd::{AccessFlags, access};
use thiserror::Error;

use super::sound::{check_folder, check_path, io_error, open_file};
use super::{multilib, outdated};

/// File name of the helper, which the handler looks for beside itself.
pub const HELPER_NAME: &str = "coldframe";
/// Remembers that the helper's copy was compared in full, see [`Stamp`].
const STAMP_NAME: &str = "coldframe.compared";

/// Handler and helper, ready for use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Absolute path of the handler library. The helper lies beside it.
    pub handler: PathBuf,
    /// What LD_PRELOAD says: the same, or a path that programs of 32 bits take, too.
    pub preload: PathBuf,
}

impl Installed {
    /// With the path that programs of 32 bits take, where there are any and it can be had: without, they print a line more.
    fn new(handler: PathBuf, multilib: impl FnOnce() -> Result<PathBuf, InstallError>) -> Installed {
        let preload = multilib::is_needed().then(|| multilib().ok());
        Installed {
            preload: preload.flatten().unwrap_or_else(|| handler.clone()),
            handler,
        }
    }
}

/// Why a folder cannot hold handler and helper.
#[derive(Debug, Error)]
pub enum InstallError {
    /// Someone else could change what would be loaded.
    #[error("{} cannot be trusted: {why}", path.display())]
    Unsound {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The path cannot be written in LD_PRELOAD.
    #[error("{} holds a space, colon or dollar sign, which LD_PRELOAD cannot express", path.display())]
    Unnameable {
        /// The path.
        path: PathBuf,
    },
    /// Programs cannot be loaded from there.
    #[error("{} is on a file system that does not allow execution", path.display())]
    NotExecutable {
        /// The file that was tried.
        path: PathBuf,
    },
    /// A file differs from what this binary carries.
    #[error("{} is not the file that belongs to this version", path.display())]
    Different {
        /// The file.
        path: PathBuf,
    },
    /// A system call failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No candidate worked.
    #[error("no folder can hold the crash handler ({}); set COLDFRAME_CACHE to one that only you can write to", reasons.join("; "))]
    Exhausted {
        /// One line for each folder tried.
        reasons: Vec<String>,
    },
}

/// Finds handler and helper in place, or else extracts them into the first folder of [`candidates`] that will do.
///
/// # Errors
/// [`InstallError::Exhausted`] where there is none; the command then runs without capture.
pub fn find_or_install() -> Result<Installed, InstallError> {
    let euid = nix::unistd::geteuid().as_raw();
    let binary = env::current_exe().map_err(|error| io_error("find", Path::new("/proc/self/exe"), error))?;
    let in_place = in_place(&binary, euid);
    let suffices = |installed: &Installed| installed.preload != installed.handler || !multilib::is_needed();
    if let Ok(installed) = in_place.as_ref()
        && suffices(installed)
    {
        return Ok(installed.clone());
    }
    let mut reasons = Vec::new();
    for folder in candidates(&|name| env::var_os(name), euid) {
        match install_below(&folder, &binary, euid) {
            Ok(installed) => return Ok(installed),
            Err(error) => reasons.push(error.to_string()),
        }
    }
    if let Ok(installed) = in_place {
        return Ok(installed);
    }
    Err(InstallError::Exhausted { reasons })
}

/// The cache folders in the order they are tried. Root's are system folders, since a home folder is often closed to
/// processes that give up root.
pub fn candidates(variable: &dyn Fn(&str) -> Option<OsString>, euid: u32) -> Vec<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let mut folders = Vec::new();
    folders.extend(absolute("COLDFRAME_CACHE"));
    if euid == 0 {
        folders.extend(["/run/coldframe".into(), "/var/cache/coldframe".into()]);
    }
    folders.extend(absolute("XDG_CACHE_HOME").map(|path| path.join("coldframe")));
    folders.extend(absolute("HOME").map(|path| path.join(".cache/coldframe")));
    let temporary = absolute("TMPDIR").unwrap_or_else(|| "/tmp".into());
    folders.push(temporary.join(format!("coldframe-{euid}")));
    folders
}

/// Uses `libcoldframe_handler.so` beside the binary, as packages install it.
///
/// # Errors
/// Where there is none, it differs, or it could be changed by others.
pub fn in_place(binary: &Path, euid: u32) -> Result<Installed, InstallError> {
    let folder = binary.parent().unwrap_or(Path::new("/"));
    let handler = folder.join(IMAGE_NAME);
    if binary.file_name() != Some(HELPER_NAME.as_ref()) {
        return Err(InstallError::Different {
            path: binary.to_owned(),
        });
    }
    check_path(&handler)?;
    check_image(&handler, euid)?;
    check_folder(folder, euid)?;
    open_file(binary, euid, 0o5)?;
    prove_executable(&handler, binary)?;
    Ok(Installed::new(handler, || multilib::find(folder, euid)))
}

/// Extracts into a folder below `base` whose name tells version and content; what is there already is checked, and
/// replaced where it is not as it should be.
///
/// # Errors
/// When the folder cannot be made, written, trusted or executed from.
pub fn install_below(base: &Path, binary: &Path, euid: u32) -> Result<Installed, InstallError> {
    let name = format!(
        "{}{}-{:016x}",
        outdated::PREFIX,
        env!("CARGO_PKG_VERSION"),
        fnv1a(IMAGE)
    );
    make_folder(base)?;
    // Links on the way are resolved once; what they led to is then checked and used.
    let base = base.canonicalize().map_err(|error| io_error("resolve", base, error))?;
    let folder = base.join(name);
    check_path(&folder)?;
    make_folder(&folder)?;
    repair_mode(&folder, euid)?;
    check_folder(&folder, euid)?;

    let handler = folder.join(IMAGE_NAME);
    if check_image(&handler, euid).is_err() {
        replace(&handler, 0o644, &mut |file| file.write_all(IMAGE))?;
        check_image(&handler, euid)?;
    }
    let helper = folder.join(HELPER_NAME);
    place_helper(&helper, binary, euid)?;
    prove_executable(&handler, &helper)?;
    outdated::mark_used(&folder);
    outdated::remove_outdated(&base, &folder, euid);
    Ok(Installed::new(handler, || multilib::prepare(&folder, euid)))
}

/// Puts both into `folder` itself, for an image or a package: `coldframe` there then uses the handler beside it.
///
/// # Errors
/// As [`install_below`]; a folder that is there already keeps its mode.
pub fn install_into(folder: &Path, binary: &Path, euid: u32) -> Result<Installed, InstallError> {
    make_folder(folder)?;
    let folder = folder
        .canonicalize()
        .map_err(|error| io_error("resolve", folder, error))?;
    check_path(&folder)?;
    check_folder(&folder, euid)?;
    let handler = folder.join(IMAGE_NAME);
    replace(&handler, 0o644, &mut |file| file.write_all(IMAGE))?;
    let helper = folder.join(HELPER_NAME);
    let mut source = File::open(binary).map_err(|error| io_error("open", binary, error))?;
    replace(&helper, 0o755, &mut |file| io::copy(&mut source, file).map(|_| ()))?;
    multilib::prepare(&folder, euid)?;
    in_place(&helper, euid)
}

pub(super) fn make_folder(folder: &Path) -> Result<(), InstallError> {
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

/// A folder of ours that others can write to is closed to them. What they may have put there meets the checks of files.
fn repair_mode(folder: &Path, euid: u32) -> Result<(), InstallError> {
    let metadata = fs::symlink_metadata(folder).map_err(|error| io_error("examine", folder, error))?;
    if metadata.is_dir() && metadata.uid() == euid && metadata.mode() & 0o7777 != 0o755 {
        fs::set_permissions(folder, Permissions::from_mode(0o755)).map_err(|error| io_error("close", folder, error))?;
    }
    Ok(())
}

fn check_image(path: &Path, euid: u32) -> Result<(), InstallError> {
    let (mut file, metadata) = open_file(path, euid, 0o4)?;
    let mut content = Vec::with_capacity(IMAGE.len());
    if metadata.len() == IMAGE.len() as u64 {
        file.read_to_end(&mut content)
            .map_err(|error| io_error("read", path, error))?;
    }
    if content == IMAGE {
        Ok(())
    } else {
        Err(InstallError::Different { path: path.to_owned() })
    }
}

/// Makes `helper` the running binary: by a hard link where the file system and the binary's own owner and mode allow
/// (then it is the same file, and nothing need be compared), else by a copy.
fn place_helper(helper: &Path, binary: &Path, euid: u32) -> Result<(), InstallError> {
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

/// Puts a new file in place of whatever has that name, at once for everybody who looks.
pub(super) fn replace(
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

/// Maps the library as the loader will, and asks whether the helper could be run: a file system mounted noexec refuses.
fn prove_executable(handler: &Path, helper: &Path) -> Result<(), InstallError> {
    let file = File::open(handler).map_err(|error| io_error("open", handler, error))?;
    // SAFETY: the mapping is dropped at once and never read, so a change to the file cannot be seen through it.
    if unsafe { MmapOptions::new().map_exec(&file) }.is_err() {
        return Err(InstallError::NotExecutable {
            path: handler.to_owned(),
        });
    }
    access(helper, AccessFlags::X_OK).map_err(|_| InstallError::NotExecutable {
        path: helper.to_owned(),
    })
}

/// FNV-1a, to name a folder after a content; the content itself is compared, so the hash need not resist anyone.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}
