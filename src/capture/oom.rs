//! How often the kernel ended a process for want of memory.

use std::fs;

use super::memory_cgroup::Hierarchy;

/// A count of such endings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OomKills {
    /// How many so far.
    pub count: u64,
    /// Whether of this process's memory cgroup, or else of the whole machine.
    pub of_cgroup: bool,
}

/// The count now; `None` where the kernel does not tell.
#[must_use]
pub fn oom_kills() -> Option<OomKills> {
    let of_group = Hierarchy::current().and_then(|hierarchy| {
        // Its own; or, in a container, which sees that as the root, the root's.
        let mut folders = [hierarchy.folders().next()?, hierarchy.root.clone()].into_iter();
        folders.find_map(|folder| parse(&fs::read_to_string(folder.join(hierarchy.events)).ok()?))
    });
    let machine = || parse(&fs::read_to_string("/proc/vmstat").ok()?);
    of_group.map(|count| OomKills { count, of_cgroup: true }).or_else(|| {
        machine().map(|count| OomKills {
            count,
            of_cgroup: false,
        })
    })
}

fn parse(text: &str) -> Option<u64> {
    let value = |line: &str| line.strip_prefix("oom_kill ")?.trim().parse().ok();
    text.lines().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_has_one_form_in_three_files() {
        assert_eq!(
            parse("low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n"),
            Some(1)
        );
        assert_eq!(parse("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"), Some(7));
        assert_eq!(parse("oom 1\n"), None);
    }
}
