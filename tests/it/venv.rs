//! Virtual environments with packages, made once below target/.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::harness::skip;
use crate::pythons::{Python, pythons};

const PACKAGES: [&str; 2] = ["pytest", "pytest-xdist"];

/// Interpreters with pytest and xdist: of the oldest CPython at hand, the newest that can install packages, and the
/// system's. One that cannot be made, for want of a network or of the module venv, is a SKIP line.
pub fn pytest_pythons() -> Vec<PathBuf> {
    let all = pythons();
    let system = all.iter().find(|python| python.executable.starts_with("/usr/bin"));
    let newest = all.iter().rev().find(|python| has_pip(python));
    let mut chosen: Vec<&Python> = [all.first(), system, newest].into_iter().flatten().collect();
    chosen.sort_by_key(|python| &python.executable);
    chosen.dedup_by(|a, b| a.executable == b.executable);
    if chosen.is_empty() {
        skip("no supported CPython was found");
    }
    chosen.into_iter().filter_map(with_pytest).collect()
}

/// Whether environments with pip can be made of it. Distributions leave it out of what tests/provision unpacks.
pub fn has_pip(python: &Python) -> bool {
    let check = Command::new(&python.executable)
        .args(["-c", "import ensurepip"])
        .output();
    check.is_ok_and(|output| output.status.success())
}

/// The newest CPython of which that is so.
pub fn pip_python() -> Option<PathBuf> {
    let all = pythons();
    let newest = all.iter().rev().find(|python| has_pip(python))?;
    Some(newest.executable.clone())
}

fn with_pytest(python: &Python) -> Option<PathBuf> {
    with_packages(python, "pytest", &PACKAGES)
}

/// The same interpreters with numpy: its releases differ between them.
pub fn numpy_pythons() -> Vec<PathBuf> {
    let all = pythons();
    let mut chosen: Vec<&Python> = all.iter().filter(|python| has_pip(python)).collect();
    chosen = [chosen.first(), chosen.last()].into_iter().flatten().copied().collect();
    chosen.dedup_by(|a, b| a.executable == b.executable);
    if chosen.is_empty() {
        skip("no CPython with pip was found");
    }
    chosen.into_iter().filter_map(with_numpy).collect()
}

/// An interpreter with numpy; `None` where there is no pip, or no wheel.
pub fn with_numpy(python: &Python) -> Option<PathBuf> {
    with_packages(python, "numpy", &["numpy"])
}

/// The newest interpreter that has wheels of pandas, with it.
pub fn pandas_python() -> Option<PathBuf> {
    let all = pythons();
    let chosen = all
        .iter()
        .rev()
        .filter(|python| python.version.is_final() && has_pip(python));
    chosen
        .take(1)
        .find_map(|python| with_packages(python, "pandas", &["pandas"]))
}

/// What was made, or why not, by purpose and interpreter.
type Made = HashMap<(String, PathBuf), Result<PathBuf, String>>;

fn with_packages(python: &Python, name: &str, packages: &[&str]) -> Option<PathBuf> {
    static MADE: LazyLock<Mutex<Made>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let result = made
        .entry((name.to_string(), python.executable.clone()))
        .or_insert_with(|| environment(&python.executable, name, packages))
        .clone();
    drop(made);
    match result {
        Ok(python) => Some(python),
        Err(reason) => {
            skip(&format!("no {name} for CPython {}: {reason}", python.version));
            None
        }
    }
}

/// The newest CPython that can have it, with gunicorn.
pub fn gunicorn_python() -> Option<PathBuf> {
    let all = pythons();
    let Some(newest) = all.iter().rev().find(|python| has_pip(python)) else {
        skip("no CPython with pip was found");
        return None;
    };
    with_packages(newest, "gunicorn", &["gunicorn"])
}

/// An interpreter with jsonschema, to check documents with the schemas that others published.
pub fn schema_python() -> Option<PathBuf> {
    static MADE: Mutex<()> = Mutex::new(());
    let python = crate::harness::python()?;
    let made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let result = environment(&python, "jsonschema", &["jsonschema"]);
    drop(made);
    result.map_err(|reason| skip(&format!("no jsonschema: {reason}"))).ok()
}

/// A virtual environment for a purpose, made once.
pub fn environment(python: &Path, purpose: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let name = python.display().to_string().replace('/', "-");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{purpose}{name}"));
    let (finished, inner) = (folder.join("finished"), folder.join("bin/python"));
    // The interpreter may have been replaced since, or the environment left half made.
    if finished.exists() && inner.exists() {
        return Ok(inner);
    }
    let inner = make(python, &folder)?;
    pip_install(&inner, &["--only-binary=:all:"], packages)?;
    fs::write(finished, "").map_err(|error| error.to_string())?;
    Ok(inner)
}

/// An empty virtual environment in a folder; gives its interpreter.
pub fn make(python: &Path, folder: &Path) -> Result<PathBuf, String> {
    run(Command::new(python).args(["-m", "venv", "--clear"]).arg(folder))?;
    Ok(folder.join("bin/python"))
}

/// Installs packages, or wheels.
pub fn pip_install(python: &Path, options: &[&str], what: &[impl AsRef<OsStr>]) -> Result<(), String> {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    run(pip.args(options).args(what)).map(drop)
}

/// Runs a command that must end well; else gives what it said.
pub fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(output);
    }
    let text = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&text).trim_end().to_string())
}
