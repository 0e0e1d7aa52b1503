//! The wheels that users install: for Linux, and without the command for everything else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::golden::repository;
use crate::harness::{COLDFRAME, Folder, bare, output, skip, stderr};
use crate::pythons::pythons;
use crate::venv::{environment, make, pip_install, pip_python, run};

/// The wheel, made by maturin from what cargo has built for these tests.
fn wheel() -> Result<PathBuf, String> {
    static WHEEL: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
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
    });
    WHEEL.clone()
}

/// The interpreter of a new environment that has the wheel and nothing else.
fn installed(python: &Path, folder: &Folder, wheel: &Path) -> PathBuf {
    let made = make(python, &folder.join("venv"));
    let done = made.and_then(|inner| pip_install(&inner, &["--no-index"], &[wheel]).map(|()| inner));
    done.unwrap_or_else(|error| panic!("{}: {error}", python.display()))
}

/// `pip install` of the wheel, `python -m coldframe run`, a full report.
fn install_and_crash(python: &Path, wheel: &Path) {
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
            python.display()
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
    let mut able: Vec<PathBuf> = pythons()
        .into_iter()
        .filter(crate::venv::has_pip)
        .map(|python| python.executable)
        .collect();
    if std::env::var_os("COLDFRAME_EVERY_PYTHON").is_none() && able.len() > 2 {
        able.drain(1..able.len() - 1);
    }
    assert!(!able.is_empty() || std::env::var_os("COLDFRAME_REQUIRE_TOOLS").is_none());
    let pure = pure_wheel(&wheel);
    for python in able {
        install_and_crash(&python, &wheel);
        install_pure(&python, &pure);
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
fn install_pure(python: &Path, wheel: &Path) {
    let folder = Folder::new();
    let inner = installed(python, &folder, wheel);
    let check = "import sys, coldframe, importlib.metadata as m
entries = m.distribution('coldframe').entry_points
assert any(entry.value == 'coldframe.pytest_plugin' for entry in entries), entries
assert not any('bin/coldframe' in str(file) for file in m.files('coldframe'))";
    let done = run(Command::new(&inner).args(["-m", "pip", "check"]))
        .and_then(|_| run(Command::new(&inner).args(["-c", check])));
    if let Err(error) = done {
        panic!("{}: {error}", python.display());
    }
    let result = Command::new(&inner)
        .args(["-m", "coldframe", "run"])
        .env("PATH", "/usr/bin:/bin")
        .output();
    assert_eq!(result.expect("Python runs").status.code(), Some(127));
}
