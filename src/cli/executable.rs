//! The EXECUTABLE argument: what it stands for, and whether that is what left the core.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use coldframe::image::Images;
use coldframe::notes::Notes;
use coldframe::source::Target;

/// How many scripts may name one another as their interpreter (Linux fs/exec.c, `exec_binprm`).
const MAX_SCRIPTS: usize = 5;
/// What the kernel reads of the first line (Linux include/uapi/linux/binfmts.h, `BINPRM_BUF_SIZE`).
const MAX_LINE: u64 = 256;

/// The program that runs a script, by its first line; any other file is itself. `env` looks in PATH, as it would here.
pub(super) fn program_of(path: &Path) -> PathBuf {
    let mut program = path.to_owned();
    for _ in 0..MAX_SCRIPTS {
        match interpreter_of(&program) {
            Some(interpreter) => program = interpreter,
            None => break,
        }
    }
    program
}

/// What follows `#!`, or what `env` is to start there (env(1), also with `-S`).
fn interpreter_of(script: &Path) -> Option<PathBuf> {
    let mut start = Vec::new();
    File::open(script).ok()?.take(MAX_LINE).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_whitespace();
    let interpreter = Path::new(words.next()?);
    if interpreter.file_name()? != "env" {
        return Some(interpreter.to_owned());
    }
    let name = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
    let folders = std::env::var_os("PATH")?;
    let mut found = std::env::split_paths(&folders).map(|folder| folder.join(name));
    found.find(|path| path.is_file())
}

/// Notes that `path` was given by hand but is of another build than everything the process had mapped. It is never used then.
///
/// # Errors
/// Where it cannot be read, or is no program at all: a script, or the core itself.
pub(super) fn check(path: &Path, target: &dyn Target, notes: &Notes) -> anyhow::Result<()> {
    let given = Images::build_id_of(path).map_err(|error| {
        anyhow::anyhow!("{error}; EXECUTABLE is the program that left the core, python3 for instance")
    })?;
    if given.is_some() && target.modules().iter().any(|module| module.build_id == given) {
        return Ok(());
    }
    let wanted = target
        .modules()
        .iter()
        .find(|module| module.path == target.context().process.executable);
    let wanted = wanted.and_then(|module| module.build_id.as_ref());
    notes.push(
        "modules",
        match (&given, wanted) {
            (Some(given), Some(wanted)) => format!(
                "{} is not what left the core: its build id is {given}, that of the program was {wanted}",
                path.display()
            ),
            _ => format!(
                "{} cannot be told to be what left the core by its build id",
                path.display()
            ),
        },
        "it is used only where its dynamic section agrees with memory",
        "",
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_stand_for_what_runs_them() {
        let folder = tempfile::tempdir().unwrap();
        let script = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let inner = script("inner", "#!/bin/sh -e\n");
        let outer = script("outer", &format!("#! {} x\n", inner.display()));
        let own = script("own", "");
        std::fs::write(&own, format!("#!{}\n", own.display())).unwrap();
        assert_eq!(program_of(&inner), Path::new("/bin/sh"));
        assert_eq!(program_of(&outer), Path::new("/bin/sh"));
        assert_eq!(program_of(&own), own);
        assert_eq!(program_of("/bin/sh".as_ref()), Path::new("/bin/sh"));
        assert_eq!(program_of("/nonexistent".as_ref()), Path::new("/nonexistent"));
        for line in ["#!/usr/bin/env sh\n", "#!/usr/bin/env -S A=1 sh -e\n"] {
            assert_eq!(program_of(&script("env", line)).file_name().unwrap(), "sh", "{line}");
        }
        for line in ["#!", "#!\n", "#!/usr/bin/env\n", "#!\u{ff}"] {
            let path = script("odd", line);
            program_of(&path);
        }
    }
}
