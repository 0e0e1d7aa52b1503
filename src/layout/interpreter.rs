//! From what a person calls "that Python" to the file that holds CPython.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::image::{Image, ImageError, Images, open_regular};

/// How many scripts may run one another; the kernel allows 5 (fs/exec.c).
const MAX_SCRIPTS: usize = 5;
/// The kernel looks at the first 256 bytes of a script (include/uapi/linux/binfmts.h, `BINPRM_BUF_SIZE`).
const FIRST_LINE: u64 = 256;

/// Why no CPython was found by way of a file.
#[derive(Debug, thiserror::Error)]
pub enum InterpreterError {
    /// It cannot be opened or is of another kind.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A script names an interpreter that is not there.
    #[error("{} is a script for {interpreter}, which is not in PATH", script.display())]
    NoInterpreter {
        /// The script.
        script: PathBuf,
        /// What its first line names.
        interpreter: String,
    },
    /// Scripts that run scripts.
    #[error("{} is a script of a script, more than {MAX_SCRIPTS} deep", .0.display())]
    TooManyScripts(PathBuf),
    /// The interpreter asks for a library that is in none of the usual folders.
    #[error("{} loads {library}, which was not found; give the path of that library", program.display())]
    NoLibrary {
        /// The interpreter.
        program: PathBuf,
        /// The file name it asks for.
        library: String,
    },
    /// There is no CPython in it.
    #[error("{} holds no Python runtime{}; give an interpreter, its libpython or its debug file", file.display(), through(given, file))]
    NotPython {
        /// The program that was looked at in the end.
        file: PathBuf,
        /// What was asked for.
        given: PathBuf,
    },
    /// A CPython that has no `_PyRuntime`, or none that is known.
    #[error("{} is CPython {version}; {}", file.display(), super::resolve::supported())]
    TooOld {
        /// The file.
        file: PathBuf,
        /// As its name states it.
        version: String,
    },
}

fn through(given: &Path, file: &Path) -> String {
    if given == file {
        String::new()
    } else {
        format!(" (it is what runs {})", given.display())
    }
}

/// The image that holds the CPython which `path` leads to: an interpreter, the libpython that it loads, a debug file, or
/// what a script is run by. A virtual environment's `python` is a link to an interpreter.
///
/// # Errors
/// Where there is none; the message says what to give instead.
pub fn find_interpreter(images: &Images, path: &Path) -> Result<Image, InterpreterError> {
    let mut file = path.to_owned();
    for _ in 0..MAX_SCRIPTS {
        match script_interpreter(&file)? {
            Some(next) => file = next,
            None => return find_runtime_image(images, &file, path),
        }
    }
    Err(InterpreterError::TooManyScripts(path.to_owned()))
}

fn find_runtime_image(images: &Images, file: &Path, given: &Path) -> Result<Image, InterpreterError> {
    let image = images.open_named(file)?;
    if super::resolve::runtime_address(&image).is_some() {
        return Ok(image);
    }
    let needed = image.needed();
    if let Some(library) = needed.iter().find(|name| name.starts_with("libpython")) {
        let missing = || InterpreterError::NoLibrary {
            program: file.to_owned(),
            library: library.clone(),
        };
        let found = image.find_needed(library).ok_or_else(missing)?;
        let inner = images.open_named(&found)?;
        if super::resolve::runtime_address(&inner).is_some() {
            return Ok(inner);
        }
        return Err(no_runtime(&found, given));
    }
    Err(no_runtime(file, given))
}

fn no_runtime(file: &Path, given: &Path) -> InterpreterError {
    // Links of a pyenv or a distribution lead to a file whose name has the version.
    let real = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    match super::resolve::implementation_of_name(&name) {
        Some(("CPython", version)) => InterpreterError::TooOld {
            version,
            file: file.to_owned(),
        },
        _ => InterpreterError::NotPython {
            file: file.to_owned(),
            given: given.to_owned(),
        },
    }
}

/// The program that runs `file`, where that is a script (execve(2), "Interpreter scripts").
fn script_interpreter(file: &Path) -> Result<Option<PathBuf>, InterpreterError> {
    let mut first = Vec::new();
    let opened = open_regular(Path::new("/"), file);
    // What cannot be opened is said by who opens it as an image.
    let Ok(opened) = opened else { return Ok(None) };
    let _ = opened.take(FIRST_LINE).read_to_end(&mut first);
    let Some(line) = first.strip_prefix(b"#!") else {
        return Ok(None);
    };
    let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    let program = words.next().unwrap_or_default();
    // `env [-S] [NAME=VALUE] python3` looks in PATH.
    let program = if program.rsplit('/').next() == Some("env") {
        let is_option = |word: &&str| word.starts_with('-') || word.contains('=');
        words.find(|word| !is_option(word)).unwrap_or_default()
    } else {
        program
    };
    let found = if program.contains('/') {
        Some(PathBuf::from(program)).filter(|path| path.exists())
    } else {
        in_path(program)
    };
    found.map(Some).ok_or_else(|| InterpreterError::NoInterpreter {
        script: file.to_owned(),
        interpreter: program.to_string(),
    })
}

fn in_path(name: &str) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        path.metadata()
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    let path = std::env::var_os("PATH").filter(|_| !name.is_empty())?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(is_program)
}
