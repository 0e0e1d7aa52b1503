//! What /proc says about a process as a whole (proc(5)).

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use coldframe_handler::wire;
use nix::unistd::{SysconfVar, sysconf};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Served;
use crate::addr::{Addr, AddrRange};
use crate::source::streams::ProcessContext;

/// The most bytes of a command line that are kept.
const MAX_COMMAND: usize = 64 * 1024;
/// Words in a cgroup path that name what runs the container, and the name to show.
const CONTAINER_KINDS: [(&str, &str); 6] = [
    ("kubepods", "kubernetes"),
    ("docker", "docker"),
    ("libpod", "podman"),
    ("crio", "cri-o"),
    ("containerd", "containerd"),
    ("lxc", "lxc"),
];

/// Describes the process, and says where its arguments and environment lie in its memory. `root` is
/// `/proc/PID`, `directory` that of one of its threads which has not ended; what only the process itself may read is `served`.
pub fn describe(root: &Path, directory: &Path, pid: u32, served: Option<Served>) -> (ProcessContext, Vec<AddrRange>) {
    let (stat, executable) = match served {
        Some(served) => (served.text(wire::Served::Stat), served.text(wire::Served::Executable)),
        None => (
            read_text(&directory.join("stat")),
            fs::read_link(directory.join("exe"))
                .map(|path| path.to_string_lossy().into_owned())
                .unwrap_or_default(),
        ),
    };
    let fields = stat_fields(&stat);
    // Numbers as in proc(5), which counts from 1; the list begins with field 3.
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok());
    let now = OffsetDateTime::from(SystemTime::now());
    let age = stat_fields(&read_text(&root.join("stat")))
        .get(22 - 3)
        .and_then(|text| age(text.parse().ok()?));
    let rfc3339 = |time: OffsetDateTime| {
        time.replace_nanosecond(time.millisecond() as u32 * 1_000_000)
            .ok()?
            .format(&Rfc3339)
            .ok()
    };
    let uname = nix::sys::utsname::uname().ok();
    let text = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
    let context = ProcessContext {
        pid: if has_inner_ids(root) {
            inner_id(&root.to_string_lossy()).unwrap_or(pid)
        } else {
            pid
        },
        command: command(directory),
        executable,
        start_time: age.and_then(|age| rfc3339(now.checked_sub(age)?)),
        crash_time: rfc3339(now),
        // In hundredths: the start is not known any better.
        uptime_s: age.map(|age| (age.whole_milliseconds().max(0) / 10) as f64 / 100.0),
        os: os_name(root),
        kernel: uname.as_ref().map(|u| text(u.release())),
        arch: uname.as_ref().map(|u| text(u.machine())),
        cpu: cpu_info("model name"),
        cpu_flags: None,
        container: container(root),
    };
    let range = |start, end| {
        Some(AddrRange {
            start: Addr(field(start)?),
            end: Addr(field(end)?),
        })
    };
    // arg_start, arg_end, env_start, env_end; zero where we may not know them.
    let private = [range(48, 49), range(50, 51)];
    (
        context,
        private
            .into_iter()
            .flatten()
            .filter(|range| !range.is_empty())
            .collect(),
    )
}

/// Whether the process lives in a pid namespace below ours, so that its ids differ inside.
pub fn has_inner_ids(root: &Path) -> bool {
    read_text(&root.join("status"))
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))
        .is_some_and(|ids| ids.split_whitespace().count() > 1)
}

/// Whether a thread has ended and only its entry is left.
pub fn is_zombie(pid: u32, tid: u32) -> bool {
    let stat = read_text(Path::new(&format!("/proc/{pid}/task/{tid}/stat")));
    stat_fields(&stat)
        .first()
        .is_some_and(|state| matches!(*state, "Z" | "X"))
}

/// The id of a thread or process in the innermost pid namespace; `directory` is its own below /proc.
pub fn inner_id(directory: &str) -> Option<u32> {
    let status = read_text(&Path::new(directory).join("status"));
    let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    ids.split_whitespace().next_back()?.parse().ok()
}

fn read_text(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// The fields of a stat file from the third on; the second, in parentheses, may hold anything.
fn stat_fields(stat: &str) -> Vec<&str> {
    stat.rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect())
        .unwrap_or_default()
}

/// How long ago a process started that did so this many clock ticks after boot (proc(5), `starttime`).
fn age(ticks: u64) -> Option<time::Duration> {
    let per_second = sysconf(SysconfVar::CLK_TCK).ok()??;
    let since_boot = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).ok()?;
    let since_boot = time::Duration::new(since_boot.tv_sec(), i32::try_from(since_boot.tv_nsec()).ok()?);
    Some(since_boot - time::Duration::seconds_f64(ticks as f64 / per_second as f64))
}

fn command(directory: &Path) -> Vec<String> {
    let mut bytes = fs::read(directory.join("cmdline")).unwrap_or_default();
    bytes.truncate(MAX_COMMAND);
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_suffix('\0').unwrap_or(&text);
    if text.is_empty() {
        Vec::new()
    } else {
        text.split('\0').map(str::to_string).collect()
    }
}

/// The name of the distribution that the process sees.
fn os_name(root: &Path) -> Option<String> {
    // Its own root where that may be read, else ours.
    let paths = [
        root.join("root/etc/os-release"),
        "/etc/os-release".into(),
        "/usr/lib/os-release".into(),
    ];
    let text = paths.iter().find_map(|path| fs::read_to_string(path).ok())?;
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches(['"', '\'']).to_string())
}

/// What /proc/cpuinfo has under a key, for example `flags`.
pub fn cpu_info(key: &str) -> Option<String> {
    use std::io::Read;
    // The first entry is enough: the whole file has one for each processor, and takes milliseconds.
    let mut start = String::new();
    fs::File::open("/proc/cpuinfo")
        .ok()?
        .take(8192)
        .read_to_string(&mut start)
        .ok()?;
    let line = start.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

fn container(root: &Path) -> Option<String> {
    let cgroup = read_text(&root.join("cgroup"));
    let by_cgroup = CONTAINER_KINDS
        .iter()
        .find(|(word, _)| cgroup.contains(word))
        .map(|(_, name)| *name);
    let has = |path| fs::exists(root.join("root").join(path)).unwrap_or(false);
    by_cgroup
        .or_else(|| has(".dockerenv").then_some("docker"))
        .or_else(|| has("run/.containerenv").then_some("podman"))
        .map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_a_stat_file_may_hold_anything() {
        assert_eq!(stat_fields("12 (a) b (x 1) 2) S 1 2"), ["S", "1", "2"]);
        assert!(stat_fields("").is_empty());
    }

    #[test]
    fn describes_this_process() {
        let root = Path::new("/proc/self");
        let (context, private) = describe(root, root, std::process::id(), None);
        assert_eq!(context.pid, std::process::id());
        assert!(!context.command.is_empty());
        assert!(context.executable.starts_with('/'));
        assert!(context.uptime_s.is_some_and(|s| s < 600.0), "{context:?}");
        assert!(context.crash_time.is_some_and(|t| t.ends_with('Z')));
        assert_eq!(private.len(), 2);
    }
}
