//! The cores that are analysed: one for each Python and program, left by the kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::programs::{extension_folder, printed_by};

/// The programs of this bench.
pub const CRASHES: [&str; 4] = ["small", "threads", "overflow", "sparse"];

/// An interpreter.
pub struct Python {
    pub executable: PathBuf,
    /// For instance `3.12.1`.
    pub version: String,
}

/// A core, and what left it.
pub struct Core {
    pub path: PathBuf,
    /// The interpreter itself, where `python3` is a link or a script.
    pub executable: PathBuf,
}

/// The Pythons of pyenv, the one in PATH, and those that COLDFRAME_PYTHONS names, by version.
pub fn pythons() -> Vec<Python> {
    let named = std::env::var_os("COLDFRAME_PYTHONS").unwrap_or_default();
    let mut candidates: Vec<PathBuf> = std::env::split_paths(&named).collect();
    let home = std::env::home_dir().unwrap_or_default();
    let pyenv = std::env::var_os("PYENV_ROOT").map_or(home.join(".pyenv"), PathBuf::from);
    let installed = fs::read_dir(pyenv.join("versions")).into_iter().flatten().flatten();
    candidates.extend(installed.map(|entry| entry.path().join("bin/python3")));
    candidates.extend(["/usr/bin/python3".into(), "python3".into()]);
    let mut list: Vec<Python> = candidates.iter().filter_map(|path| probe(path)).collect();
    list.sort_by_key(|python| {
        python
            .version
            .split('.')
            .map(|n| n.parse().unwrap_or(0))
            .collect::<Vec<u32>>()
    });
    list.dedup_by(|a, b| a.version == b.version);
    list
}

fn probe(python: &Path) -> Option<Python> {
    let code =
        "import sys; assert sys.version_info >= (3, 8); print(sys.executable, '%d.%d.%d' % sys.version_info[:3])";
    let printed = printed_by(python, code).ok()?;
    let (executable, version) = printed.split_once(' ')?;
    Some(Python {
        executable: executable.into(),
        version: version.to_string(),
    })
}

/// Why the kernel does not put cores into the current folder, if so.
pub fn no_cores() -> Option<String> {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let pattern = pattern.trim();
    let is_plain = !pattern.is_empty() && !pattern.contains(['|', '/', '%']);
    (!is_plain).then(|| format!("kernel cores go to {pattern:?}, not into the current folder"))
}

/// Lets a program crash.
pub fn make(python: &Python, crash: &str, folder: &Path) -> Result<Core, String> {
    let folder = folder.join(format!("{}-{crash}", python.version));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let extension = extension_folder(&python.executable, &folder)?;
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("benches/peers/programs/{crash}.py"));
    let status = Command::new("sh")
        .args(["-c", "ulimit -c unlimited; exec \"$0\" \"$1\""])
        .arg(&python.executable)
        .arg(program)
        .current_dir(&folder)
        .env("PYTHONPATH", extension)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| error.to_string())?;
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut paths = entries.map(|entry| entry.path());
    let is_core = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("core"))
    };
    let path = paths.find(is_core).ok_or(format!("no core was left ({status})"))?;
    let real = "import os, sys; print(os.path.realpath(sys.executable))";
    Ok(Core {
        path,
        executable: printed_by(&python.executable, real)?.into(),
    })
}
