//! `coldframe warm`: the first crash is as quick as those that follow.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, bail};
use clap::Args;
use coldframe::capture::privacy::Privacy;
use coldframe::capture::snapshot::Destination;
use coldframe::image::CacheDir;
use coldframe::report::Report;
use coldframe::report::model::Trigger;

use super::{chain, dump, say};

/// Calls that C makes into Python, and waits within: what most stacks consist of.
const PROGRAM: &str = "
import functools, sys, threading
class Waiting:
    def __lt__(self, other):
        print(flush=True)
        sys.stdin.read()
        return True
    def __init__(self, *rest):
        sorted([self, self]) if rest else None
def body():
    list(map(lambda n: functools.reduce(lambda a, b: Waiting(n), [1, 2]), [1]))
thread = threading.Thread(target=exec, args=('body()', globals()), daemon=True)
thread.start()
thread.join()
";

/// Fill the cache for these Pythons
///
/// For an image build: the layout of a build and the symbols of its interpreter loop are read from debug information once,
/// and not at the first crash. Each is started, looked at and ended; no dump is left.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  coldframe warm /usr/local/bin/python3
  COLDFRAME_CACHE=/opt/coldframe/cache coldframe warm .venv/bin/python")]
pub struct Warm {
    /// Python interpreters
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
}

impl Warm {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let Some(cache) = CacheDir::from_env() else {
            bail!("there is no cache folder; set COLDFRAME_CACHE to one that only you can write to");
        };
        let mut is_complete = true;
        for path in &self.paths {
            match warm(path) {
                Ok(what) => say(format_args!("{}: {what}", path.display())),
                Err(error) => {
                    is_complete = false;
                    say(format_args!("{}: {}", path.display(), chain(&error)));
                }
            }
        }
        cache.trim();
        Ok(if is_complete {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// Ends the program, whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn warm(path: &Path) -> anyhow::Result<String> {
    // A name without a slash would be looked for in PATH.
    let path = path.canonicalize()?;
    let child = Command::new(&path)
        .args(["-I", "-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("it cannot be started")?;
    let mut running = Running(child);
    let mut line = String::new();
    if let Some(stdout) = running.0.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    if line.is_empty() {
        bail!("it does not run as a Python interpreter");
    }
    let folder = tempfile::tempdir()?;
    let destination = Destination::Folder(folder.path().to_owned());
    let (report, _) = dump::take(running.0.id(), Trigger::Request, destination, Privacy::default())?;
    found(&report).context("no Python was found in it; see `coldframe layout PATH`")
}

/// What is known of the build now.
fn found(report: &Report) -> Option<String> {
    let python = report.python.first()?;
    let version = python.version.as_deref().unwrap_or("of an unknown version");
    Some(format!("CPython {version}"))
}
