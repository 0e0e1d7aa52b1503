//! `coldframe doctor`: what works here, found out by trying.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use coldframe::capture::environment::choose_dump_folder;
use coldframe::capture::install::find_or_install;
use coldframe::source::live::Access;
use coldframe::source::{LiveProcess, Target};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

use super::output;

/// Try what a capture needs, and say what to change
///
/// One line for each check.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  coldframe doctor
  docker run --rm IMAGE coldframe doctor

Exit status: 0, or 1 where a crash would leave no dump.")]
pub struct Doctor {}

type Check = fn() -> Finding;

/// What a check found.
enum Finding {
    Ok(String),
    /// Works less well; what is lost, and what to change.
    Less(String),
    /// No dump, or none in the place asked for.
    Bad(String),
}
use Finding::{Bad, Less, Ok as Fine};

impl Doctor {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let checks: [(&str, Check); 7] = [
            ("handler", handler),
            ("dump folder", dump_folder),
            ("ptrace", ptrace),
            ("process_vm_readv", readv),
            ("Yama", yama),
            ("seccomp", seccomp),
            ("crash", crash),
        ];
        let (mut text, mut is_bad) = (String::new(), false);
        for (name, check) in checks {
            let (word, what) = match check() {
                Fine(what) => ("ok   ", what),
                Less(what) => ("less ", what),
                Bad(what) => {
                    is_bad = true;
                    ("bad  ", what)
                }
            };
            let _ = writeln!(text, "{word} {name}: {what}");
        }
        output::write(None, &text)?;
        Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn handler() -> Finding {
    match find_or_install() {
        Ok(installed) => Fine(format!("{}", installed.handler.display())),
        Err(error) => Bad(error.to_string()),
    }
}

fn dump_folder() -> Finding {
    let folder = choose_dump_folder(None);
    let advice = "set COLDFRAME_DIR or -o to a folder that the program's user can write to";
    if let Some(refused) = folder.refused.first() {
        return Bad(format!("{} cannot be written; {advice}", refused.display()));
    }
    // Really: permissions do not tell of a full or special file system.
    let existing = folder.path.ancestors().find(|ancestor| ancestor.exists());
    match existing.map(|existing| tempfile::Builder::new().prefix(".coldframe-").tempdir_in(existing)) {
        Some(Ok(_)) => Fine(format!("{}", folder.path.display())),
        Some(Err(error)) => Bad(format!(
            "{} cannot be written: {error}; {advice}",
            folder.path.display()
        )),
        None => Bad(format!("{} cannot be written; {advice}", folder.path.display())),
    }
}

/// A process to look at, ended when dropped.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Option<Sleeper> {
        let child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().ok()?;
        let sleeper = Sleeper(child);
        // Until it has become sleep(1), its memory is a copy of ours.
        let end = Instant::now() + Duration::from_secs(5);
        let is_ready = || {
            let name = std::fs::read_to_string(format!("/proc/{}/comm", sleeper.0.id())).unwrap_or_default();
            name.trim() == "sleep"
        };
        while !is_ready() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        Some(sleeper)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const NO_CHILD: &str = "cannot be tried: sleep(1) does not start";

fn ptrace() -> Finding {
    let Some(sleeper) = Sleeper::start() else {
        return Less(NO_CHILD.into());
    };
    match LiveProcess::attach(sleeper.0.id(), Instant::now() + Duration::from_secs(2)) {
        Ok(process) => match process.context().notes.first() {
            None => Fine("threads can be stopped".into()),
            Some(note) => Less(format!(
                "{}; other threads' stacks will lack frames. Allow ptrace: the container's seccomp profile, SYS_PTRACE",
                note.what
            )),
        },
        Err(error) => Bad(error.to_string()),
    }
}

fn readv() -> Finding {
    let Some(sleeper) = Sleeper::start() else {
        return Less(NO_CHILD.into());
    };
    let attached = LiveProcess::attach_by(Access::Files, sleeper.0.id(), Instant::now());
    let Some(base) = attached
        .ok()
        .and_then(|process| Some(process.mappings().first()?.range.start.0))
    else {
        return Bad("the files of a child below /proc cannot be read".into());
    };
    let remote = RemoteIoVec {
        base: base as usize,
        len: 1,
    };
    let mut byte = [0u8];
    let pid = Pid::from_raw(sleeper.0.id() as i32);
    match process_vm_readv(pid, &mut [std::io::IoSliceMut::new(&mut byte)], &[remote]) {
        Ok(1) => Fine("memory can be read".into()),
        _ => Less("denied; /proc/PID/mem is used instead".into()),
    }
}

fn yama() -> Finding {
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    match scope.trim() {
        "" => Fine("not in this kernel".into()),
        "0" => Fine("0, no restriction".into()),
        "1" => Fine("1: crashes are captured; `dump PID` and `analyze --pid` need root".into()),
        scope => Less(format!(
            "{scope}: ptrace needs SYS_PTRACE; without it other threads' stacks lack frames. sysctl kernel.yama.ptrace_scope=1"
        )),
    }
}

fn seccomp() -> Finding {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mode = status
        .lines()
        .find_map(|line| line.strip_prefix("Seccomp:"))
        .map(str::trim);
    match mode {
        Some("2") => Fine("a filter is in force; what it denies shows in the other checks".into()),
        _ => Fine("no filter".into()),
    }
}

/// A whole capture: a shell that dies under `run`, and its dump.
fn crash() -> Finding {
    let tried = || -> std::io::Result<(bool, String)> {
        let folder = tempfile::tempdir()?;
        let output = Command::new(std::env::current_exe()?)
            .args(["run", "--report", "none", "-o"])
            .arg(folder.path())
            .args(["--", "/bin/sh", "-c", "kill -SEGV $$"])
            .stdin(Stdio::null())
            .output()?;
        let files = std::fs::read_dir(folder.path())?.flatten().map(|entry| entry.path());
        let has = |extension: &str, path: &Path| path.extension().is_some_and(|found| found == extension);
        let is_there = files.into_iter().any(|path| has("dmp", &path));
        Ok((is_there, String::from_utf8_lossy(&output.stderr).trim().to_string()))
    };
    match tried() {
        Ok((true, _)) => Fine("a program that died here left a dump".into()),
        Ok((false, message)) => Bad(format!("a program that died here left no dump; {message}")),
        Err(error) => Bad(format!("cannot be tried: {error}")),
    }
}
