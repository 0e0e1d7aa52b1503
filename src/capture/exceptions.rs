//! Dumps of Python exceptions that nobody catches: hooks in the interpreter, by a `sitecustomize` module.
//!
//! The interpreter looks that module up in PYTHONPATH when it starts. Ours sets the hooks, removes its folder from
//! `sys.path` and executes the module that would have been found without it. An interpreter that is told to ignore its
//! environment (`-I`, `-E`) or `site` (`-S`) has no hooks.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::install::files::{make_folder, replace};
use super::install::sound::{check_folder, open_file};
use super::install::{InstallError, Installed};

/// The folder, beside the handler.
const FOLDER: &str = "python";
/// The module.
const MODULE: &str = "sitecustomize.py";
/// The hooks, and what runs them at the start of an interpreter.
const TEXT: &str = concat!(
    include_str!("../../python/coldframe/_exceptions.py"),
    include_str!("sitecustomize.py")
);

/// PYTHONPATH with the folder of the module in front of what it says now.
///
/// # Errors
/// When the module cannot be put beside the handler.
pub fn python_path(installed: &Installed) -> Result<OsString, InstallError> {
    let folder = prepare(&installed.handler)?;
    let mut value = folder.into_os_string();
    if let Some(present) = env::var_os("PYTHONPATH").filter(|present| !present.is_empty()) {
        value.push(":");
        value.push(present);
    }
    Ok(value)
}

fn prepare(handler: &Path) -> Result<PathBuf, InstallError> {
    let euid = nix::unistd::geteuid().as_raw();
    let folder = handler.with_file_name(FOLDER);
    let module = folder.join(MODULE);
    let is_there = || {
        check_folder(&folder, euid)?;
        open_file(&module, euid, 0o4).map(|_| fs::read(&module).is_ok_and(|text| text == TEXT.as_bytes()))
    };
    if !is_there().unwrap_or(false) {
        make_folder(&folder)?;
        replace(&module, 0o644, &mut |file| file.write_all(TEXT.as_bytes()))?;
        is_there()?;
    }
    Ok(folder)
}
