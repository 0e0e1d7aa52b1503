//! The programs that are compared, and what they found.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cases::Core;

/// coldframe, as built for this bench.
const COLDFRAME: &str = env!("CARGO_BIN_EXE_coldframe");

/// One way to look at a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Everything: native frames and locals.
    Coldframe,
    /// The same as JSON, as programs read it.
    ColdframeJson,
    /// Python frames alone.
    ColdframePython,
    Pystack,
    PySpy,
    Gdb,
}

pub const TOOLS: [Tool; 6] = [
    Tool::Coldframe,
    Tool::ColdframeJson,
    Tool::Pystack,
    Tool::Gdb,
    Tool::ColdframePython,
    Tool::PySpy,
];

/// What a report holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub python: usize,
    pub native: usize,
    pub locals: usize,
    /// Native frames of the eval loop, which are not among `native`: those that gdb knows by name; in a report, the runs that
    /// its Python frames belong to.
    pub loops: usize,
}

/// Prints how many native frames gdb sees. Those of the eval loop do not count, with what was inlined into it: a report
/// has the Python frames in their place. Nor do functions that ended in a jump to another one and are on no stack: gdb
/// concludes that they were there.
const COUNT_FRAMES: &str = "python exec(\"\"\"count = loops = 0
for thread in gdb.selected_inferior().threads():
    thread.switch()
    frame, group = gdb.newest_frame(), 0
    while frame:
        group += frame.type() != gdb.TAILCALL_FRAME
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            is_loop = frame.name() == '_PyEval_EvalFrameDefault'
            loops += is_loop
            count += 0 if is_loop else group
            group = 0
        frame = frame.older()
print('native frames:', count)
print('eval loops:', loops)
\"\"\")";

impl Tool {
    /// As a user would type it.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Coldframe => "coldframe analyze",
            Tool::ColdframeJson => "coldframe analyze --format json",
            Tool::ColdframePython => "coldframe analyze --no-native --no-locals",
            Tool::Pystack => "pystack core --native-all --locals",
            Tool::PySpy => "py-spy dump --core",
            Tool::Gdb => "gdb: bt, py-locals",
        }
    }

    /// The command, with nothing of the environment that would change what it does.
    pub fn command(self, core: &Core, peers: &Path, cache: &Path) -> Command {
        let coldframe = |arguments: &[&str]| {
            let mut command = Command::new(COLDFRAME);
            command.arg("analyze").args(arguments).arg(&core.path);
            command.env("COLDFRAME_CACHE", cache);
            command
        };
        let mut command = match self {
            Tool::Coldframe => coldframe(&[]),
            Tool::ColdframeJson => coldframe(&["--format", "json"]),
            Tool::ColdframePython => coldframe(&["--no-native", "--no-locals"]),
            Tool::Pystack => {
                let mut command = Command::new(peers.join("pystack"));
                command.args(["core", "--native-all", "--locals"]);
                command.arg(&core.path).arg(&core.executable);
                command
            }
            Tool::PySpy => {
                let mut command = Command::new(peers.join("py-spy"));
                command.args(["dump", "--core"]).arg(&core.path);
                command
            }
            Tool::Gdb => {
                let mut command = Command::new("gdb");
                // The helper of CPython lies beside the library or the executable and loads by itself, where allowed.
                command.args(["-batch", "-nx", "-iex", "set auto-load safe-path /"]);
                command.args(["-iex", "set pagination off", "-iex", "set debuginfod enabled off"]);
                command.args(["-ex", "thread apply all -s bt", "-ex", "thread apply all -s py-bt"]);
                command.args(["-ex", "thread apply all -s frame apply all -q -s py-locals"]);
                command.arg(&core.executable).arg(&core.path);
                command
            }
        };
        command
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .env("PATH", path_variable());
        command.env_remove("DEBUGINFOD_URLS");
        command
    }

    /// gdb takes minutes for the locals of many frames: what it finds shows on a small core.
    pub fn is_for(self, crash: &str) -> bool {
        self != Tool::Gdb || crash == "small"
    }

    /// Counts what its output holds.
    pub fn count(self, output: &Path) -> Found {
        let Ok(file) = File::open(output) else {
            return Found::default();
        };
        let mut found = Found::default();
        let mut is_in_locals = false;
        let mut seen = HashSet::new();
        // By the line: a report of 60,000 frames has 40 MB.
        for line in BufReader::new(file).lines().map_while(Result::ok) {
            let text = line.trim_start();
            match self {
                Tool::Coldframe | Tool::ColdframeJson | Tool::ColdframePython => {
                    found.python += usize::from(text.starts_with("\"kind\": \"python\""));
                    found.native += usize::from(text.starts_with("\"kind\": \"native\""));
                    found.locals += usize::from(text.starts_with("\"scope\": "));
                    found.loops += usize::from(text.starts_with("\"entry\": true"));
                }
                Tool::Pystack => {
                    let is_python = text.starts_with("(Python) File");
                    let is_native = text.starts_with("(C) File");
                    found.python += usize::from(is_python);
                    found.native += usize::from(is_native);
                    if is_python || is_native {
                        is_in_locals = false;
                    } else if text == "Arguments:" || text == "Locals:" {
                        is_in_locals = true;
                    } else {
                        found.locals +=
                            usize::from(is_in_locals && line.starts_with("        ") && text.contains(": "));
                    }
                }
                Tool::PySpy => {
                    let is_frame = line.starts_with("    ") && line.ends_with(')') && line.contains(" (");
                    found.python += usize::from(is_frame);
                }
                // It shows the locals of a Python frame in each native frame above.
                Tool::Gdb if !seen.insert(text.to_string()) => {}
                Tool::Gdb => {
                    let is_numbered = text.starts_with('#') && text[1..].starts_with(|c: char| c.is_ascii_digit());
                    let number = |label| text.strip_prefix(label).map_or(0, |n| n.parse().unwrap_or(0));
                    found.native += number("native frames: ");
                    found.loops += number("eval loops: ");
                    found.python += usize::from(text.starts_with("File \""));
                    found.locals += usize::from(!is_numbered && !text.starts_with("File") && text.contains(" = "));
                }
            }
        }
        found
    }

    /// What is counted: coldframe's text folds repeats, so its JSON is; gdb counts its frames itself.
    pub fn to_count(self, core: &Core, peers: &Path, cache: &Path) -> Command {
        let mut command = self.command(core, peers, cache);
        if matches!(self, Tool::Coldframe | Tool::ColdframePython) {
            command.args(["--format", "json"]);
        }
        if self == Tool::Gdb {
            command.args(["-ex", COUNT_FRAMES]);
        }
        command
    }
}

/// pystack unpacks cores with programs of the PATH; nothing else of the environment matters to them.
fn path_variable() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// The folder with pystack and py-spy: COLDFRAME_BENCH_PEERS, one of PATH, else a virtual environment that is made
/// below `folder`.
pub fn peers(folder: &Path) -> Result<PathBuf, String> {
    let has_both = |folder: &PathBuf| folder.join("pystack").is_file() && folder.join("py-spy").is_file();
    let named = std::env::var_os("COLDFRAME_BENCH_PEERS").map(PathBuf::from);
    let path = path_variable();
    let candidates = named.into_iter().chain(std::env::split_paths(&path));
    let venv = folder.join("venv");
    if let Some(found) = candidates.chain([venv.join("bin")]).find(has_both) {
        return Ok(found);
    }
    eprintln!("making {} ...", venv.display());
    let run = |command: &mut Command| {
        command
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let is_made = run(Command::new("python3").args(["-m", "venv"]).arg(&venv))
        && run(Command::new(venv.join("bin/python")).args(["-m", "pip", "install", "--quiet", "pystack", "py-spy"]));
    let bin = venv.join("bin");
    if is_made && has_both(&bin) {
        Ok(bin)
    } else {
        Err("pystack and py-spy are not there: COLDFRAME_BENCH_PEERS names their folder".to_string())
    }
}

/// `pystack 1.7.2, py-spy 0.4.3, GNU gdb ...`
pub fn versions(peers: &Path) -> String {
    let commands = [peers.join("pystack"), peers.join("py-spy"), "gdb".into()];
    let said = commands.iter().map(|command| {
        let output = Command::new(command).arg("--version").output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let first = text.unwrap_or_default().lines().next().unwrap_or("?").to_string();
        let name = command.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if first.contains(&name) {
            first
        } else {
            format!("{name} {first}")
        }
    });
    said.collect::<Vec<_>>().join(", ")
}

/// Leaves no page of a file in memory, as far as nobody has it mapped.
pub fn evict(path: &Path) {
    if let Ok(file) = fs::File::open(path) {
        let advice = nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED;
        let _ = nix::fcntl::posix_fadvise(&file, 0, 0, advice);
    }
}
