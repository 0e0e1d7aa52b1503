//! Why a file cannot be read as a core.

use std::path::PathBuf;

/// Each message names the file, says what is wrong with it, and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// The file cannot be opened or read.
    #[error("{path}: cannot be read")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// An ELF file of another type, or no ELF file at all.
    #[error("{path}: is not a core file; give the core that the program left, and the program after it")]
    NotACore {
        /// The file.
        path: PathBuf,
    },
    /// A core of a machine that is not supported.
    #[error("{path}: is a core of another kind of machine (ELF machine {machine}, {bits} bits); x86_64 is supported")]
    Machine {
        /// The file.
        path: PathBuf,
        /// `e_machine` (elf(5)).
        machine: u16,
        /// 32 or 64; 0 where the header says neither.
        bits: u8,
    },
    /// Not even the list of its contents is there.
    #[error("{path}: is cut short: {len} bytes do not hold the program headers of a core; copy the file again")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        len: u64,
    },
}
