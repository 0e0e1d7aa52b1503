//! Finding the programs that tests run, and skipping visibly where one is missing.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

pub use crate::harness::skip;

/// A program on the PATH.
pub fn find_program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// The Pythons that pyenv has, by version, with at least minor version 8; where there are none, the system's.
pub fn pyenv_pythons() -> Vec<(String, PathBuf)> {
    let root = std::env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".pyenv")));
    let Some(versions) = root.and_then(|root| std::fs::read_dir(root.join("versions")).ok()) else {
        return system_python().into_iter().collect();
    };
    let mut list: Vec<_> = versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().into_string().ok()?;
            let minor: u32 = version.strip_prefix("3.")?.split('.').next()?.parse().ok()?;
            let python = entry.path().join(format!("bin/python3.{minor}"));
            (minor >= 8 && python.is_file()).then_some((version, python))
        })
        .collect();
    list.sort();
    if list.is_empty() {
        list.extend(system_python());
    }
    list
}

fn system_python() -> Option<(String, PathBuf)> {
    let python = PathBuf::from("/usr/bin/python3");
    let output = Command::new(&python).arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    Some((version.trim().strip_prefix("Python ")?.to_string(), python))
}

/// A running program that prints one line when it is ready, and ends with its standard input.
pub struct Running {
    pub child: Child,
    pub line: String,
    stdin: Option<ChildStdin>,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Running {
    /// Starts a Python program.
    pub fn python(python: &Path, code: &str) -> Running {
        let mut process = Command::new(python);
        process
            .args(["-I", "-c", code])
            .env("COLDFRAME_TEST_SECRET", "secret-3141592653");
        Running::start(process)
    }

    /// Starts any program, and waits for its line.
    pub fn start(mut process: Command) -> Running {
        let mut child = process.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        Running {
            stdin: child.stdin.take(),
            child,
            line,
            stdout,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the main thread reads its standard input, as it does from its line on until the program ends.
    pub fn wait_until_it_reads(&self) {
        let path = format!("/proc/{}/syscall", self.child.id());
        for _ in 0..1000 {
            // Number and first argument of the system call it is in (proc(5)): read, of descriptor 0.
            if std::fs::read_to_string(&path).is_ok_and(|call| call.starts_with("0 0x0 ")) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("{} does not come to read its input", self.child.id());
    }

    /// Closes its input; returns its last line and exit code.
    pub fn finish(mut self) -> (String, Option<i32>) {
        drop(self.stdin.take());
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        (line, self.child.wait().unwrap().code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A new empty folder below the one for build output.
pub fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
