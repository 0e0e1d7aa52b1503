//! A file or a pipe whose kind is told by its first bytes, never by its name.

use std::fs::File;
use std::io::{Cursor, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::Path;

use super::minidump::error::not_a_file;
use super::unpack::{Packing, UnpackError, Unpacked, unpack};
use super::{CoreError, CoreFile, DumpError, DumpFile, RecordFile, RecordFileError, Target};
use crate::notes::Notes;

/// How many bytes tell a kind.
const START: u64 = 512;

/// Where the descriptors of this process are files.
const OPEN_PIPES: [&str; 2] = ["/dev/fd", "/proc/self/fd"];

/// Why an input cannot be analysed.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It is no minidump, nor anything else that is known.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// It is a core, but not one that can be read.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// It is a record, but not one that can be read.
    #[error(transparent)]
    Record(#[from] RecordFileError),
    /// It is compressed, and cannot be unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
}

/// An input, opened.
pub enum Input {
    /// A minidump.
    Minidump(DumpFile),
    /// An ELF core.
    Core(CoreFile),
    /// What the handler wrote where no helper could run.
    Record(RecordFile),
}

impl Input {
    /// Opens a file, compressed or not, or a pipe; `-` is standard input. A compressed file or a pipe is
    /// unpacked into a temporary file, up to `limit` bytes.
    ///
    /// # Errors
    /// Where it cannot be read, or is of no known kind.
    pub fn open(path: &Path, limit: u64) -> Result<Input, InputError> {
        let io = |source| DumpError::Io {
            path: path.to_path_buf(),
            source,
        };
        let mut file = if path == Path::new("-") {
            let stdin = std::io::stdin();
            let file = File::from(stdin.as_fd().try_clone_to_owned().map_err(io)?);
            if stdin.is_terminal() {
                return Err(not_a_file(path, file.metadata().map_err(io)?.file_type()).into());
            }
            file
        } else {
            let kind = std::fs::metadata(path).map_err(io)?.file_type();
            // What a shell writes for `<(command)`. To open any other pipe would wait for a writer.
            let is_open_pipe = kind.is_fifo() && OPEN_PIPES.iter().any(|folder| path.starts_with(folder));
            if !kind.is_file() && !is_open_pipe {
                return Err(not_a_file(path, kind).into());
            }
            File::open(path).map_err(io)?
        };
        let is_file = file.metadata().map_err(io)?.is_file();
        if !is_file {
            return Input::from_pipe(path, file, limit);
        }
        let start = start_of(&mut file, true).map_err(io)?;
        match Packing::detect(&start) {
            None => Input::from_file(path, &file, &start, &Notes::new()),
            // The position is still at its beginning.
            packing => Input::from_unpacked(path, unpack(path, &mut file, packing, limit)?),
        }
    }

    /// What comes out of a pipe, compressed or not, up to `limit` bytes unpacked. `name` is for messages.
    ///
    /// # Errors
    /// As [`Input::open`].
    pub fn from_pipe(name: &Path, mut pipe: File, limit: u64) -> Result<Input, InputError> {
        let start = start_of(&mut pipe, false).map_err(|source| DumpError::Io {
            path: name.to_path_buf(),
            source,
        })?;
        let packing = Packing::detect(&start);
        Input::from_unpacked(name, unpack(name, &mut Cursor::new(start).chain(pipe), packing, limit)?)
    }

    fn from_unpacked(path: &Path, unpacked: Unpacked) -> Result<Input, InputError> {
        let notes = Notes::new();
        if let Some(cut) = unpacked.cut {
            notes.push(
                "input",
                format!("not all of the input was read: {cut}"),
                "what the missing part would say is not in the report",
                "",
            );
        }
        let mut file = unpacked.file;
        let start = start_of(&mut file, true).map_err(|source| DumpError::Io {
            path: path.to_path_buf(),
            source,
        })?;
        Input::from_file(path, &file, &start, &notes)
    }

    fn from_file(path: &Path, file: &File, start: &[u8], notes: &Notes) -> Result<Input, InputError> {
        // e_type (elf(5)): programs are told from cores by what the reader of minidumps says of them.
        let is_core = start.starts_with(b"\x7fELF") && start.get(16).is_none_or(|kind| *kind == 4);
        Ok(if RecordFile::is_one(start) {
            Input::Record(RecordFile::from_file(path, file, notes)?)
        } else if is_core {
            Input::Core(CoreFile::from_file(path, file, notes)?)
        } else {
            Input::Minidump(DumpFile::from_file(path, file, notes)?)
        })
    }

    /// What an analysis needs.
    pub fn target(&self) -> &dyn Target {
        match self {
            Input::Minidump(dump) => dump,
            Input::Core(core) => core,
            Input::Record(record) => record,
        }
    }
}

/// The first bytes; the position of a regular file stays.
fn start_of(file: &mut File, is_file: bool) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    if is_file {
        start.resize(START as usize, 0);
        let read = file.read_at(&mut start, 0)?;
        start.truncate(read);
    } else {
        file.by_ref().take(START).read_to_end(&mut start)?;
    }
    Ok(start)
}
