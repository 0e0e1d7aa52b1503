//! How often the kernel ended a process for want of memory.

use std::fs;

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
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let of_group = groups.lines().find_map(|line| {
        // hierarchy-ID:controllers:path (cgroups(7)).
        let mut parts = line.splitn(3, ':');
        let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let (root, file) = if controllers.split(',').any(|name| name == "memory") {
            ("/sys/fs/cgroup/memory", "memory.oom_control")
        } else if id == "0" {
            ("/sys/fs/cgroup", "memory.events")
        } else {
            return None;
        };
        // A container sees its own group as the root of the hierarchy, whatever the path says.
        let texts = [format!("{root}{path}/{file}"), format!("{root}/{file}")];
        texts.iter().find_map(|path| parse(&fs::read_to_string(path).ok()?))
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
