//! Why an image is not at hand.

use std::io;
use std::path::PathBuf;

use crate::source::BuildId;

/// Why the file of a module is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// No files are to be looked at.
    #[error("no files are looked at")]
    Offline,
    /// It is not a file: the vDSO, a deleted or anonymous mapping.
    #[error("{0} is not the path of a file")]
    NotAPath(String),
    /// There is no such file.
    #[error("{} is not there", .0.display())]
    Absent(PathBuf),
    /// It could not be opened or mapped.
    #[error("{} cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: io::ErrorKind,
    },
    /// Not a 64-bit little-endian ELF file.
    #[error("{} is not a 64-bit little-endian ELF file", .0.display())]
    NotElf(PathBuf),
    /// It is another build than the one that was loaded.
    #[error("{} is another build: {}, not {expected}", path.display(), found.as_ref().map_or("no build id".to_string(), BuildId::to_string))]
    OtherBuild {
        /// The file.
        path: PathBuf,
        /// The build id of the module.
        expected: BuildId,
        /// That of the file.
        found: Option<BuildId>,
    },
    /// What is in memory was not loaded from it.
    #[error("{} is not the file that was loaded: its dynamic section differs from that in memory", .0.display())]
    Differs(PathBuf),
    /// The module has no build id, so no file can be told to be its.
    #[error("{0} has no build id, so that no file can be told to be the one that was loaded")]
    NoBuildId(String),
}
