//! Where handler and helper lie: in place beside the running binary, or extracted into a cache folder.
//!
//! Both are loaded or run by every program of the tree, so they are used only where nobody but root and this user can
//! replace them ([`sound`]), and compared with what this binary carries on each run. [`multilib`] is what programs of
//! 32 bits find in their place, [`outdated`] what other versions left.
//!
//! Main types: [`Installed`], [`InstallError`].
//!
//! Invariant: nothing here starts a process or changes the environment.
#![allow(unsafe_code)]

mod error;
pub(super) mod files;
mod helper_copy;
mod multilib;
mod outdated;
pub(super) mod sound;

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use coldframe_handler::{IMAGE, IMAGE_NAME};
use memmap2::MmapOptions;
use nix::unistd::{AccessFlags, access};

pub use error::InstallError;
use error::io_error;
use files::{make_folder, replace};
use helper_copy::{HELPER_NAME, place_helper};
use sound::{check_folder, check_path, open_file};

use super::variables::CACHE;

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
    folders.extend(absolute(CACHE));
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
