//! The environment a captured command starts with.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::install::Installed;
use super::privacy::Privacy;
use super::variables::{DIR, REPORT, SUPERVISOR};

/// The changes to the environment of a captured command.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Variables to set, by name.
    pub set: Vec<(OsString, OsString)>,
}

impl Environment {
    /// Everything that makes a process tree report its crashes: the handler preloaded, the dump folder, the
    /// supervisor's address.
    #[must_use]
    pub fn captured(
        installed: &Installed,
        folder: &Path,
        supervisor: Option<&str>,
        report: &str,
        privacy: &Privacy,
    ) -> Self {
        let mut set: Vec<(OsString, OsString)> = vec![
            (
                "LD_PRELOAD".into(),
                preload(env::var_os("LD_PRELOAD").as_deref(), &installed.preload),
            ),
            (
                "ASAN_OPTIONS".into(),
                sanitizer_options(env::var_os("ASAN_OPTIONS").as_deref()),
            ),
            (DIR.into(), folder.into()),
            (REPORT.into(), report.into()),
        ];
        set.extend(privacy.variables());
        set.extend(supervisor.map(|address| (SUPERVISOR.into(), address.into())));
        Self { set }
    }
}

/// LD_PRELOAD with the handler at its end: what the user preloads (an allocator, faketime) keeps its place.
fn preload(present: Option<&OsStr>, handler: &Path) -> OsString {
    let Some(present) = present.filter(|value| !value.is_empty()) else {
        return handler.into();
    };
    let entries = present.as_encoded_bytes().split(|byte| matches!(byte, b':' | b' '));
    if entries
        .into_iter()
        .any(|entry| entry == handler.as_os_str().as_encoded_bytes())
    {
        return present.to_owned();
    }
    let mut value = present.to_owned();
    value.push(":");
    value.push(handler);
    value
}

/// ASAN_OPTIONS with the check turned off that refuses to start a program when a library was loaded before the
/// sanitizer's (compiler-rt, lib/asan/asan_linux.cpp, AsanCheckDynamicRTPrereqs). Later options win, so it goes last.
fn sanitizer_options(present: Option<&OsStr>) -> OsString {
    const OPTION: &str = "verify_asan_link_order=0";
    let Some(present) = present.filter(|value| !value.is_empty()) else {
        return OPTION.into();
    };
    let mut value = present.to_owned();
    value.push(":");
    value.push(OPTION);
    value
}

/// The dump folder and what had to be passed over to get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpFolder {
    /// Absolute path; it need not exist yet, the helper makes it when there is something to write.
    pub path: PathBuf,
    /// Folders that were asked for and cannot be written, for a message.
    pub refused: Vec<PathBuf>,
    /// Whether the folder can be written at all; otherwise reports alone will come.
    pub writable: bool,
}

/// Chooses the first folder that can be written: `option`, COLDFRAME_DIR, `./coldframe-dumps`, the temporary folder.
#[must_use]
pub fn choose_dump_folder(option: Option<&Path>) -> DumpFolder {
    let working_folder = env::current_dir().unwrap_or_else(|_| "/".into());
    let asked = option
        .map(Path::to_owned)
        .into_iter()
        .chain(env::var_os(DIR).filter(|dir| !dir.is_empty()).map(PathBuf::from));
    let mut refused = Vec::new();
    for folder in asked.map(|folder| working_folder.join(folder)) {
        if can_be_written(&folder) {
            return DumpFolder {
                path: folder,
                refused,
                writable: true,
            };
        }
        refused.push(folder);
    }
    let temporary = env::temp_dir().join("coldframe-dumps");
    for folder in [working_folder.join("coldframe-dumps"), temporary.clone()] {
        if can_be_written(&folder) {
            return DumpFolder {
                path: folder,
                refused,
                writable: true,
            };
        }
    }
    DumpFolder {
        path: temporary,
        refused,
        writable: false,
    }
}

/// Whether files could be written there, once the missing folders are made. Nothing is made now: a folder of dumps
/// that holds none would only raise questions.
fn can_be_written(folder: &Path) -> bool {
    let existing = folder.ancestors().find(|ancestor| ancestor.symlink_metadata().is_ok());
    existing
        .is_some_and(|ancestor| ancestor.is_dir() && access(ancestor, AccessFlags::W_OK | AccessFlags::X_OK).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preload_keeps_what_is_there() {
        let handler = Path::new("/x/lib.so");
        assert_eq!(preload(None, handler), "/x/lib.so");
        assert_eq!(preload(Some(OsStr::new("")), handler), "/x/lib.so");
        assert_eq!(
            preload(Some(OsStr::new("/a.so /b.so")), handler),
            "/a.so /b.so:/x/lib.so"
        );
        assert_eq!(preload(Some(OsStr::new("/a.so:/x/lib.so")), handler), "/a.so:/x/lib.so");
    }

    #[test]
    fn sanitizer_options_are_appended() {
        assert_eq!(sanitizer_options(None), "verify_asan_link_order=0");
        assert_eq!(
            sanitizer_options(Some(OsStr::new("a=1"))),
            "a=1:verify_asan_link_order=0"
        );
    }

    #[test]
    fn a_folder_below_a_file_cannot_be_written() {
        assert!(!can_be_written(Path::new("/proc/self/exe/dumps")));
        assert!(can_be_written(&env::temp_dir().join("not/there/yet")));
    }
}
