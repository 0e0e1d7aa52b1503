//! The COLDFRAME_* variables, and the environment a captured command starts with.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::install::Installed;
use super::privacy::Privacy;

/// Who may set a variable: its value is believed only as far as that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setter {
    /// The person who runs coldframe. Read by `run` and `analyze`.
    User,
    /// `coldframe run`, for the processes it starts. They can change it, so it carries data, never a program to run.
    Run,
    /// Both: the user's value is the default, `run` passes on what it settled on.
    Both,
}

/// One variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Who may set it.
    pub setter: Setter,
}

/// Dump folder.
pub const DIR: &str = "COLDFRAME_DIR";
/// Cache folder.
pub const CACHE: &str = "COLDFRAME_CACHE";
/// Bound of the cache.
pub const CACHE_MAX: &str = crate::image::CACHE_MAX_VARIABLE;
/// Where the supervisor listens.
pub const SUPERVISOR: &str = "COLDFRAME_SUPERVISOR";
/// Form of the report.
pub const REPORT: &str = "COLDFRAME_REPORT";
/// Whether values of locals are recorded.
pub const LOCALS: &str = "COLDFRAME_LOCALS";
/// What is left out beside the built-in rules.
pub const REDACT: &str = "COLDFRAME_REDACT";
/// Whether the arguments of the command line are recorded.
pub const ARGUMENTS: &str = "COLDFRAME_ARGS";
/// Whether native stacks are reduced to addresses.
pub const SANITIZE_STACKS: &str = "COLDFRAME_SANITIZE_STACKS";
/// Whether exceptions that nobody catches leave a dump.
pub const EXCEPTIONS: &str = "COLDFRAME_EXCEPTIONS";

/// The most dumps in the folder.
pub const MAX_DUMPS: &str = "COLDFRAME_MAX_DUMPS";
/// The most bytes of dumps in the folder.
pub const MAX_BYTES: &str = "COLDFRAME_MAX_BYTES";
/// Programs that are captured.
pub const ONLY: &str = "COLDFRAME_ONLY";
/// Programs that are not.
pub const IGNORE: &str = "COLDFRAME_IGNORE";

/// All variables. Documentation and the helper's checks are made from this table.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: DIR,
        meaning: "the folder dumps are written to; in a process, an absolute path there turns capture on",
        setter: Setter::Both,
    },
    Variable {
        name: CACHE,
        meaning: "the folder for the extracted handler and for cached symbols",
        setter: Setter::User,
    },
    Variable {
        name: CACHE_MAX,
        meaning: "how much the cache keeps, in bytes or with K, M or G behind the number [default: 512M]",
        setter: Setter::User,
    },
    Variable {
        name: SUPERVISOR,
        meaning: "NAME:TOKEN of the abstract socket on which the supervisor takes reports",
        setter: Setter::Run,
    },
    Variable {
        name: REPORT,
        meaning: "the report's form: short, full, json or none",
        setter: Setter::Both,
    },
    Variable {
        name: LOCALS,
        meaning: "0: values of local variables are neither recorded nor shown",
        setter: Setter::Both,
    },
    Variable {
        name: REDACT,
        meaning: "a regular expression: values with such a name or text are left out, beside those that always are",
        setter: Setter::Both,
    },
    Variable {
        name: ARGUMENTS,
        meaning: "0: arguments of the command line are neither recorded nor shown",
        setter: Setter::Both,
    },
    Variable {
        name: SANITIZE_STACKS,
        meaning: "1: of native stacks, addresses alone are recorded",
        setter: Setter::Both,
    },
    Variable {
        name: EXCEPTIONS,
        meaning: "1: Python exceptions that nobody catches leave a dump; needs what `run --on-exception` puts into PYTHONPATH",
        setter: Setter::Run,
    },
    Variable {
        name: MAX_DUMPS,
        meaning: "how many dumps and records the folder keeps; the oldest are removed first [default: 1000]",
        setter: Setter::Both,
    },
    Variable {
        name: MAX_BYTES,
        meaning: "how many bytes of them, or with K, M or G behind the number [default: 4G]",
        setter: Setter::Both,
    },
    Variable {
        name: ONLY,
        meaning: "file names of the programs that are captured, separated by colons; * at the end of one matches the rest",
        setter: Setter::Both,
    },
    Variable {
        name: IGNORE,
        meaning: "the same of programs that are not captured",
        setter: Setter::Both,
    },
];

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
