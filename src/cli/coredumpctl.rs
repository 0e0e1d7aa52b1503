//! Cores that systemd-coredump has stored, as coredumpctl(1) hands them out.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use coldframe::source::Input;

const PROGRAM: &str = "coredumpctl";
/// How much of what it says is shown, in bytes.
const MAX_MESSAGE: u64 = 2000;

/// The newest core that matches (a pid, a name, a path or FIELD=VALUE), or the newest of all. It comes through a pipe
/// and is never written out with a name.
///
/// # Errors
/// Where there is no coredumpctl, no such core, or it cannot be read.
pub(super) fn open(matching: Option<&str>, limit: u64) -> anyhow::Result<Input> {
    let shown = matching.map_or(PROGRAM.to_string(), |matching| format!("{PROGRAM} {matching}"));
    // A file, since a pipe that nobody empties would stop it.
    let mut said = tempfile::tempfile().context("a temporary file cannot be made")?;
    let mut child = Command::new(PROGRAM)
        // What begins with a dash is no option.
        .args(["--quiet", "dump", "--"])
        .args(matching)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(said.try_clone()?)
        .spawn()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => anyhow::anyhow!(
                "{PROGRAM} is not installed here; it comes with systemd-coredump, which stores cores for it: \
                 give the core file as INPUT instead"
            ),
            _ => anyhow::anyhow!("{PROGRAM} cannot be run: {error}"),
        })?;
    let core = child.stdout.take().map(|pipe| File::from(OwnedFd::from(pipe)));
    let input = core
        .context("no pipe")
        .map(|core| Input::from_pipe(Path::new(&shown), core, limit));
    // By now it has ended, or gets SIGPIPE.
    let status = child.wait()?;
    match input? {
        Ok(input) => Ok(input),
        Err(_) if !status.success() => {
            let mut message = String::new();
            said.rewind()?;
            let _ = said.take(MAX_MESSAGE).read_to_string(&mut message);
            let last = message
                .lines()
                .map(str::trim)
                .rfind(|line| !line.is_empty())
                .unwrap_or("it does not say why");
            anyhow::bail!("{shown}: {last} ({status}); coredumpctl list shows which cores there are")
        }
        Err(error) => Err(error.into()),
    }
}
