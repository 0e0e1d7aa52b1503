//! The processes that a supervisor is responsible for, found below /proc at the moment they are asked for.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::variables::SUPERVISOR;

/// The processes that descend from `root`, `root` included, and those that carry `address` in the environment they were
/// started with: what made itself a daemon has another parent by now. The oldest first; this process is never among
/// them, nor one that has ended.
#[must_use]
pub fn members(root: i32, address: &str) -> Vec<i32> {
    let parents: BTreeMap<i32, i32> = processes().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let own = std::process::id() as i32;
    let wanted = format!("{SUPERVISOR}={address}");
    let descends = |pid: i32| {
        let mut at = pid;
        // Bounded: the table is not of one moment, so it may hold a cycle.
        for _ in 0..parents.len() {
            if at == root {
                return true;
            }
            match parents.get(&at) {
                Some(&parent) if parent > 0 => at = parent,
                _ => return false,
            }
        }
        false
    };
    let carries = |pid: i32| {
        !address.is_empty()
            && fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|block| block.split(|&byte| byte == 0).any(|entry| entry == wanted.as_bytes()))
    };
    let pids = parents.keys().copied();
    pids.filter(|&pid| pid != own && (descends(pid) || carries(pid)))
        .collect()
}

/// Whether a file with `python` in its name is mapped: the interpreter, its library, or one of its modules.
#[must_use]
pub fn runs_python(pid: i32) -> bool {
    let maps = fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    let maps = String::from_utf8_lossy(&maps);
    let mut names = maps
        .lines()
        .filter_map(|line| Path::new(line.get(73..)?).file_name()?.to_str());
    names.any(|name| name.contains("python") || name.contains("cpython"))
}

/// Whether a process has not ended.
#[must_use]
pub fn is_alive(pid: i32) -> bool {
    parent(pid).is_some()
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The parent's id; `None` for a process that has ended.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // State and parent follow the name, which may hold anything but ends with the last parenthesis (proc_pid_stat(5)).
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X"))
        .then(|| fields.next()?.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_members_and_others_are_not() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let pid = child.id() as i32;
        assert!(members(std::process::id() as i32, "").contains(&pid));
        assert_eq!(members(pid, ""), [pid]);
        assert!(!runs_python(pid));
        child.kill().expect("it is alive");
        child.wait().expect("it ends");
        assert!(members(pid, "").is_empty());
    }
}
