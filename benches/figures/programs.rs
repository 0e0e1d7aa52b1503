//! The programs that are measured, and what they need of the machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the big process imports, by the names of their packages.
const PACKAGES: [&str; 5] = ["numpy", "pandas", "scipy", "matplotlib", "scikit-learn"];
const IMPORTS: &str = "import numpy, pandas, scipy, matplotlib, sklearn";

/// A file of this bench.
pub fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("benches/figures/programs")
        .join(name)
}

/// Where and when this is measured.
pub fn machine() -> String {
    let first = |path: &str, key: &str| -> Option<String> {
        let text = std::fs::read_to_string(path).ok()?;
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once([':', '='])?.1.trim().trim_matches('"').to_string())
    };
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.map_or(String::new(), |output| {
            String::from_utf8_lossy(&output.stdout).trim().to_string()
        })
    };
    format!(
        "{}, {} processors; Linux {}; {}; commit {}",
        first("/proc/cpuinfo", "model name").unwrap_or_default(),
        std::thread::available_parallelism().map_or(0, usize::from),
        said("uname", &["-r"]),
        said("date", &["-u", "+%Y-%m-%d"]),
        said("git", &["rev-parse", "--short", "HEAD"]),
    )
}

/// The Python for all programs: COLDFRAME_BENCH_PYTHON, else `python3`.
pub fn python() -> PathBuf {
    std::env::var_os("COLDFRAME_BENCH_PYTHON").map_or("python3".into(), PathBuf::from)
}

/// A Python with the packages of the big process: `python` itself, else one in a virtual environment, which
/// is made below `folder` where it is not there yet.
pub fn python_with_packages(python: &Path, folder: &Path) -> Result<PathBuf, String> {
    let imports = |python: &Path| succeeds(Command::new(python).args(["-c", IMPORTS]));
    if imports(python) {
        return Ok(python.to_owned());
    }
    let own = folder.join("venv/bin/python");
    if imports(&own) {
        return Ok(own);
    }
    eprintln!("making {} ...", folder.join("venv").display());
    let made = succeeds(Command::new(python).args(["-m", "venv"]).arg(folder.join("venv")))
        && succeeds(
            Command::new(&own)
                .args(["-m", "pip", "install", "--quiet"])
                .args(PACKAGES),
        );
    if made && imports(&own) {
        Ok(own)
    } else {
        Err(format!(
            "no Python can import {}: set COLDFRAME_BENCH_PYTHON to one that can",
            PACKAGES.join(", ")
        ))
    }
}

/// Builds a C program of this bench.
pub fn threads_program(folder: &Path) -> Result<PathBuf, String> {
    let program = folder.join("threads");
    let mut compiler = Command::new("cc");
    compiler
        .args(["-O2", "-pthread", "-o"])
        .arg(&program)
        .arg(source("threads.c"));
    compiled(&mut compiler)?;
    Ok(program)
}

/// Builds the extension module of the samples for `python`; returns the folder that it is in.
pub fn extension_folder(python: &Path, folder: &Path) -> Result<PathBuf, String> {
    let include = printed_by(python, "import sysconfig; print(sysconfig.get_path('include'))")?;
    let mut compiler = Command::new("cc");
    // As the samples have it: unoptimised, or the recursion would become a loop.
    compiler
        .args(["-g", "-O0", "-fPIC", "-shared", "-fno-stack-protector"])
        // Debian's pyconfig.h includes that of the machine from the folder above.
        .args([format!("-I{include}"), format!("-I{include}/..")])
        .arg("-o")
        .arg(folder.join("crashext.so"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/native/crashext.c"));
    compiled(&mut compiler)?;
    Ok(folder.to_owned())
}

/// What a line of Python prints.
pub fn printed_by(python: &Path, code: &str) -> Result<String, String> {
    let output = Command::new(python)
        .args(["-c", code])
        .output()
        .map_err(|error| format!("{}: {error}", python.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn compiled(compiler: &mut Command) -> Result<(), String> {
    let status = compiler.status().map_err(|error| format!("cc: {error}"))?;
    status.success().then_some(()).ok_or_else(|| format!("cc: {status}"))
}

fn succeeds(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
