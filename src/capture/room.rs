//! How much memory is left for the helper: it lives in the memory cgroup of the program.

use std::fs;
use std::path::Path;

use super::memory_cgroup::Hierarchy;

/// How many bytes are left in this process's memory cgroup and those around it, what can be taken from the page cache
/// included, or on the machine where that is less; `None` where nobody tells.
#[must_use]
pub fn room() -> Option<u64> {
    let of_groups = Hierarchy::current().and_then(|hierarchy| {
        hierarchy
            .folders()
            .filter_map(|folder| room_in(&hierarchy, &folder))
            .min()
    });
    let of_machine = field(&read(Path::new("/proc/meminfo")), "MemAvailable:").map(|kilobytes| kilobytes << 10);
    of_groups.into_iter().chain(of_machine).min()
}

/// `None` where there is no limit.
fn room_in(hierarchy: &Hierarchy, folder: &Path) -> Option<u64> {
    let number = |name: &str| read(&folder.join(name)).trim().parse::<u64>().ok();
    let (limit, usage) = (number(hierarchy.limit)?, number(hierarchy.usage)?);
    let reclaimable = field(&read(&folder.join("memory.stat")), hierarchy.reclaimable).unwrap_or(0);
    Some(limit.saturating_sub(usage.saturating_sub(reclaimable)))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_counts_the_page_cache() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let hierarchy = Hierarchy::version_2(folder.path().into(), "/");
        write("memory.max", "max\n");
        write("memory.current", "900\n");
        assert_eq!(room_in(&hierarchy, folder.path()), None);
        write("memory.max", "1000\n");
        assert_eq!(room_in(&hierarchy, folder.path()), Some(100));
        write("memory.stat", "anon 800\ninactive_file_x 1\ninactive_file 50\n");
        assert_eq!(room_in(&hierarchy, folder.path()), Some(150));
        assert!(room().is_some_and(|bytes| bytes > 0));
    }
}
