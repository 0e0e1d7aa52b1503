//! The CPython builds of this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use coldframe::layout::{Flavour, PythonVersion};

/// One interpreter.
#[derive(Clone)]
pub struct Python {
    pub executable: PathBuf,
    pub version: PythonVersion,
    pub flavour: Flavour,
    /// Whether it was configured with `--with-trace-refs`, which moves fields as no row of the built-in table has it.
    pub traces_refs: bool,
    /// The file that holds CPython: the shared library, or the executable itself.
    pub library: PathBuf,
}

impl Python {
    /// Whether it was named by `COLDFRAME_PYTHONS`: such a one may come with a C library of its own, which a debugger of
    /// this machine cannot list the threads of.
    pub fn is_foreign(&self) -> bool {
        named().contains(&self.executable)
    }
}

/// A copy of an interpreter that is one file, without symbols and debug information, in a folder with a `pyvenv.cfg` by
/// which it finds its library.
pub fn stripped_copy(python: &Python, folder: &Path, options: &[&str]) -> Result<PathBuf, String> {
    let home = python.executable.parent().unwrap_or(Path::new("/"));
    let copy = folder
        .join("bin")
        .join(python.executable.file_name().unwrap_or_default());
    std::fs::create_dir_all(folder.join("bin")).map_err(|error| error.to_string())?;
    let config = format!("home = {}\n", home.display());
    std::fs::write(folder.join("pyvenv.cfg"), config).map_err(|error| error.to_string())?;
    let status = Command::new("strip")
        .arg("--strip-all")
        .args(options)
        .arg("-o")
        .arg(&copy)
        .arg(&python.executable)
        .status();
    match status {
        Ok(status) if status.success() => Ok(copy),
        _ => Err(format!("strip failed for {}", python.executable.display())),
    }
}

fn named() -> Vec<PathBuf> {
    std::env::split_paths(&std::env::var_os("COLDFRAME_PYTHONS").unwrap_or_default()).collect()
}

const PROBE: &str = "import sys, sysconfig, os
print(sys.hexversion)
print('t' * bool(sysconfig.get_config_var('Py_GIL_DISABLED')) + 'd' * hasattr(sys, 'gettotalrefcount'))
print(hasattr(sys, 'getobjects'))
lib = os.path.join(sysconfig.get_config_var('LIBDIR') or '', sysconfig.get_config_var('INSTSONAME') or '')
print(os.path.realpath(lib if sysconfig.get_config_var('Py_ENABLE_SHARED') and os.path.isfile(lib) else sys.executable))
print(os.path.realpath(sys.executable))";

/// All supported interpreters found, by version: those of pyenv, the system's own, and those that `COLDFRAME_PYTHONS`
/// names, separated by colons (tests/provision makes some).
pub fn pythons() -> Vec<Python> {
    let mut candidates = vec![PathBuf::from("/usr/bin/python3"), PathBuf::from("/usr/bin/python3-dbg")];
    candidates.extend(std::env::split_paths(
        &std::env::var_os("COLDFRAME_PYTHONS").unwrap_or_default(),
    ));
    let root = Command::new("pyenv")
        .arg("root")
        .output()
        .ok()
        .map(|out| String::from_utf8_lossy(&out.stdout).trim().to_string());
    if let Some(root) = root.filter(|root| !root.is_empty()) {
        for entry in std::fs::read_dir(format!("{root}/versions"))
            .into_iter()
            .flatten()
            .flatten()
        {
            candidates.push(entry.path().join("bin/python3"));
        }
    }
    let mut pythons: Vec<Python> = candidates.iter().filter_map(|path| probe(path)).collect();
    pythons.sort_by(|a, b| (a.version, &a.executable).cmp(&(b.version, &b.executable)));
    pythons.dedup_by(|a, b| a.executable == b.executable);
    pythons
}

fn probe(path: &Path) -> Option<Python> {
    let output = Command::new(path).args(["-I", "-c", PROBE]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut lines = text.lines();
    let version = PythonVersion(lines.next()?.parse().ok()?);
    let flavour = Flavour::from_suffix(lines.next()?)?;
    let traces_refs = lines.next()? == "True";
    coldframe::layout::version_row(version)?;
    let library = PathBuf::from(lines.next()?);
    Some(Python {
        executable: PathBuf::from(lines.next()?),
        version,
        flavour,
        traces_refs,
        library,
    })
}
