//! Why handler and helper are not where they were wanted.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

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

pub(super) fn unsound(path: &Path, why: &'static str) -> InstallError {
    InstallError::Unsound {
        path: path.to_owned(),
        why,
    }
}

pub(super) fn io_error(action: &'static str, path: &Path, source: io::Error) -> InstallError {
    InstallError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
