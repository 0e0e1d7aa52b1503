//! The wheels that users install: for Linux, and without the command for everything else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::golden::repository;
use crate::harness::{COLDFRAME, Folder, bare, output, skip, stderr};
use crate::pythons::{Python, pythons};
use crate::venv::{environment, has_pip, make, pip_install, pip_python, run};

/// The wheel that COLDFRAME_WHEEL names, else one made by maturin from what cargo has built for these tests.
fn wheel() -> Result<PathBuf, String> {
    if let Some(given) = std::env::var_os("COLDFRAME_WHEEL") {
        return fs::canonicalize(&given).map_err(|error| format!("{}: {error}", given.display()));
    }
    let python = pip_python().ok_or("no Python with pip")?;
    let maturin = environment(&python, "maturin", &["maturin>=1.8,<2"])?.with_file_name("maturin");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wheel");
    let _ = fs::remove_dir_all(&folder);
    let target = Path::new(COLDFRAME).ancestors().nth(2).ok_or("no target folder")?;
    // Variables that cargo sets for this test would make its build scripts run again.
    run(Command::new(maturin)
        .args(["build", "--profile", "dev", "--auditwheel", "skip", "-o"])
        .arg(&folder)
        .current_dir(repository(""))
        .env("CARGO_TARGET_DIR", target)
        .env_remove("CARGO_MANIFEST_DIR"))?;
    let made = fs::read_dir(&folder).map_err(|error| error.to_string())?;
    made.flatten().map(|entry| entry.path()).next().ok_or("no wheel".into())
}

/// The interpreter of a new environment that has the wheel and nothing else.
fn installed(python: &Python, folder: &Folder, wheel: &Path) -> PathBuf {
    let environment = folder.join("venv");
    let done = match has_pip(python) {
        true => make(&python.executable, &environment)
            .and_then(|inner| pip_install(&inner, &["--no-index"], &[wheel]).map(|()| inner)),
        false => installed_from_outside(&python.executable, &environment, wheel),
    };
    done.unwrap_or_else(|error| panic!("{}: {error}", python.executable.display()))
}

/// The same for a Python that has no pip, by the newest one from PyPI, which another Python runs.
fn installed_from_outside(python: &Path, folder: &Path, wheel: &Path) -> Result<PathBuf, String> {
    run(Command::new(python).args(["-m", "venv", "--without-pip"]).arg(folder))?;
    let inner = folder.join("bin/python");
    let pip = environment(&pip_python().ok_or("no Python with pip")?, "pip", &["pip>=25.3"])?;
    run(Command::new(pip)
        .args(["-m", "pip", "--quiet", "--disable-pip-version-check", "--python"])
        .arg(&inner)
        .args(["install", "--no-index"])
        .arg(wheel))?;
    Ok(inner)
}

/// `pip install` of the wheel, `python -m coldframe run`, a full report.
fn install_and_crash(python: &Python, wheel: &Path) {
    let folder = Folder::new();
    let inner = installed(python, &folder, wheel);
    let mut command = bare(inner.as_os_str(), &folder);
    command
        .args(["-m", "coldframe", "run", "--report", "full", "--"])
        .arg(&inner)
        .args(["-c", "import ctypes; ctypes.string_at(0)"]);
    let result = output(command);
    let text = stderr(&result);
    for part in ["SIGSEGV at 0x0", "string_at", "<module>", "SUMMARY: coldframe: SIGSEGV"] {
        assert!(
            text.contains(part),
            "{}: {part} is missing in\n{text}",
            python.executable.display()
        );
    }
}

#[test]
#[ignore = "maturin takes the binary away for a moment, which other tests run; .ci/run runs this one alone"]
fn the_wheel_installs_and_captures() {
    let wheel = match wheel() {
        Ok(wheel) => wheel,
        Err(error) => return skip(&format!("the wheel cannot be built: {error}")),
    };
    let name = wheel.file_name().unwrap_or_default().to_string_lossy();
    assert!(name.contains("-py3-none-"), "one wheel for every Python: {name}");
    let mut pythons = pythons();
    if std::env::var_os("COLDFRAME_EVERY_PYTHON").is_none() && pythons.len() > 2 {
        pythons.drain(1..pythons.len() - 1);
    }
    assert!(!pythons.is_empty() || std::env::var_os("COLDFRAME_REQUIRE_TOOLS").is_none());
    let pure = pure_wheel(&wheel);
    for python in pythons {
        install_and_crash(&python, &wheel);
        install_pure(&python, &pure);
        println!("the wheel works with {}", python.executable.display());
    }
}

/// The wheel for other platforms.
fn pure_wheel(wheel: &Path) -> PathBuf {
    let python = crate::harness::python().expect("a Python");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pure-wheel");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    let made = run(Command::new(python)
        .arg(repository(".ci/wheel.py"))
        .arg("pure")
        .args([wheel, &folder]));
    let made = made.unwrap_or_else(|error| panic!("{error}"));
    let path = PathBuf::from(String::from_utf8_lossy(&made.stdout).trim());
    assert!(
        path.to_string_lossy().ends_with("-py3-none-any.whl"),
        "{}",
        path.display()
    );
    path
}

/// pip takes it; it has the plugin, and no command.
fn install_pure(python: &Python, wheel: &Path) {
    let folder = Folder::new();
    let inner = installed(python, &folder, wheel);
    let check = "import sys, coldframe, importlib.metadata as m
entries = m.distribution('coldframe').entry_points
assert any(entry.value == 'coldframe.pytest_plugin' for entry in entries), entries
assert not any('bin/coldframe' in str(file) for file in m.files('coldframe'))";
    if let Err(error) = run(Command::new(&inner).args(["-c", check])) {
        panic!("{}: {error}", python.executable.display());
    }
    let result = Command::new(&inner)
        .args(["-m", "coldframe", "run"])
        .env("PATH", "/usr/bin:/bin")
        .output();
    assert_eq!(result.expect("Python runs").status.code(), Some(127));
}
