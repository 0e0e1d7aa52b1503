//! Crashes under `coldframe run`, measured from the outside.

use std::fs;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// The command under test.
pub const COLDFRAME: &str = env!("CARGO_BIN_EXE_coldframe");
/// The big process takes some seconds to import its libraries.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the helper is left to itself before its memory is read. It gives the supervisor 2 s.
const SETTLING: Duration = Duration::from_millis(500);

/// One crash.
pub struct Crash {
    /// From just before the faulting call to the complete dump under its name (synced, renamed).
    pub milliseconds: f64,
    pub dump: PathBuf,
    pub bytes: u64,
    /// The most memory that the helper held, where that was asked for.
    pub peak_mb: Option<f64>,
    /// What the program printed of itself.
    pub description: String,
}

/// What a crash is to be measured for.
#[derive(Clone, Copy, PartialEq)]
pub enum Measure {
    Time,
    /// Holds the supervisor, so that the helper waits for it and can be looked at.
    Memory,
}

/// Lets `program` crash. It prints CLOCK_MONOTONIC in nanoseconds as its last line before that.
pub fn crash(program: &mut Command, folder: &Path, cache: &Path, measure: Measure) -> Result<Crash, String> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(|error| error.to_string())?;
    // A rename shows the moment better than the times of the file, which the kernel counts in ticks.
    watch
        .add_watch(folder, AddWatchFlags::IN_MOVED_TO)
        .map_err(|error| error.to_string())?;
    let mut child = under_coldframe(program, folder)
        .env("COLDFRAME_CACHE", cache)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let end = wait_for_rename(&watch, &mut child);
    let peak_mb = match measure {
        Measure::Time => None,
        Measure::Memory => peak_of_helper(&child),
    };
    let mut text = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        let _ = stdout.read_to_string(&mut text);
    }
    let _ = child.wait();
    let end = end?;
    let dump = fs::read_dir(folder)
        .map_err(|error| error.to_string())?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "dmp"))
        .ok_or("there is no dump")?;
    let (description, stamp) = text.trim().rsplit_once('\n').unwrap_or(("", text.trim()));
    let begin = Duration::from_nanos(stamp.parse().map_err(|_| format!("it printed {text:?}"))?);
    Ok(Crash {
        milliseconds: end.saturating_sub(begin).as_secs_f64() * 1000.0,
        bytes: fs::metadata(&dump).map_err(|error| error.to_string())?.len(),
        dump,
        peak_mb,
        description: description.to_string(),
    })
}

/// `coldframe run -- PROGRAM`.
pub fn under_coldframe(program: &Command, folder: &Path) -> Command {
    let mut command = Command::new(COLDFRAME);
    command.arg("run").arg("-o").arg(folder).arg("--");
    command.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command
}

fn wait_for_rename(watch: &Inotify, child: &mut Child) -> Result<Duration, String> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let mut descriptors = [PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut descriptors, PollTimeout::from(100u16));
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_err(|error| error.to_string())?;
        if watch.read_events().is_ok_and(|events| !events.is_empty()) {
            return Ok(now.into());
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("it ended without a dump: {status}"));
        }
    }
    let _ = child.kill();
    Err(format!("no dump after {} s", PATIENCE.as_secs()))
}

/// VmHWM of the helper in MB, file-backed pages included.
fn peak_of_helper(supervisor: &Child) -> Option<f64> {
    let pid = Pid::from_raw(supervisor.id().cast_signed());
    kill(pid, Signal::SIGSTOP).ok()?;
    sleep(SETTLING);
    let helper = fs::read_dir("/proc")
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            let command = fs::read(path.join("cmdline")).unwrap_or_default();
            command.split(|&byte| byte == 0).nth(1) == Some(b"capture-helper")
        });
    let status = helper.and_then(|helper| fs::read_to_string(helper.join("status")).ok());
    kill(pid, Signal::SIGCONT).ok()?;
    let status = status?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes / 1024.0)
}
