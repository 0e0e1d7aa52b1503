//! Why a file cannot be read as a minidump.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Each message names the file, says what is wrong with it, and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The file cannot be opened or read.
    #[error("{path}: cannot be read: {source}; {}", advice(source.kind()))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A folder, a pipe, a device.
    #[error("{path}: is {found}; give the path of one dump, as a regular file")]
    NotAFile {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// Nothing in it.
    #[error("{path}: is empty; the capture did not get to write it, or the copy was cut short: copy it again")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Something else.
    #[error("{path}: is not a minidump but {found}; {advice}")]
    NotAMinidump {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        found: &'static str,
        /// What to do with such a file.
        advice: &'static str,
    },
    /// Not even its list of contents is there.
    #[error("{path}: is cut short: {len} bytes do not hold the list of its {streams} streams; copy the file again")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        len: u64,
        /// How many streams its header announces.
        streams: u32,
    },
    /// The header makes no sense.
    #[error("{path}: the minidump header is damaged ({detail}); copy the file again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
}

/// What to do about a file that cannot be read.
fn advice(kind: std::io::ErrorKind) -> &'static str {
    match kind {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => "check the path",
        std::io::ErrorKind::PermissionDenied => {
            "dumps can be read by their owner only: go on as that user, or have it copied"
        }
        _ => "copy it to another disk and try again",
    }
}

/// Says what a path that is no regular file leads to.
pub(in crate::source) fn not_a_file(path: &Path, kind: std::fs::FileType) -> DumpError {
    let found = match kind {
        kind if kind.is_dir() => "a folder",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    DumpError::NotAFile {
        path: path.to_path_buf(),
        found,
    }
}

/// Says what a file that is no minidump looks like.
pub(super) fn not_a_minidump(path: &Path, start: &[u8]) -> DumpError {
    let (found, advice) = match start {
        [0x7f, b'E', b'L', b'F', rest @ ..] => match rest.get(12) {
            // e_type (elf(5)): ET_CORE is 4.
            Some(4) => (
                "an ELF core file",
                "this version reads minidumps; for a core: gdb PROGRAM CORE",
            ),
            _ => (
                "an ELF program or library",
                "give the dump that it left, not the program",
            ),
        },
        [0x1f, 0x8b, ..] => ("gzip data", "unpack it with gunzip first"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ("zstd data", "unpack it with unzstd first"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => ("xz data", "unpack it with unxz first"),
        [0x04, 0x22, 0x4d, 0x18, ..] => ("lz4 data", "unpack it with unlz4 first"),
        [b'P', b'K', 3, 4, ..] => ("a zip archive", "unpack it first"),
        [b'P', b'M', b'D', b'M', ..] => ("a minidump of a big-endian machine", "such machines are not supported"),
        _ if start.iter().all(|b| *b == 0) => ("zeros", "the file system lost its contents, or the copy failed"),
        _ if std::str::from_utf8(start.get(..start.len().min(64)).unwrap_or(start)).is_ok() => (
            "text",
            "give the .dmp file; a report that was printed cannot be analysed again",
        ),
        _ => (
            "data of an unknown kind",
            "give a file that coldframe, Breakpad or Crashpad wrote",
        ),
    };
    DumpError::NotAMinidump {
        path: path.to_path_buf(),
        found,
        advice,
    }
}
