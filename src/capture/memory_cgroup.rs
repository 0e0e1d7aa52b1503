//! Where the kernel tells of the memory cgroup of this process (cgroups(7)).

use std::fs;
use std::path::{Path, PathBuf};

/// The files of a hierarchy.
pub(super) struct Hierarchy {
    pub(super) root: PathBuf,
    /// Below `root`, as `/proc/self/cgroup` says it; a container may see its own group as the root, whatever this is.
    pub(super) path: String,
    pub(super) limit: &'static str,
    pub(super) usage: &'static str,
    /// A field of `memory.stat`.
    pub(super) reclaimable: &'static str,
    /// Has a field `oom_kill`.
    pub(super) events: &'static str,
}

impl Hierarchy {
    /// That of this process; `None` without one for memory.
    pub(super) fn current() -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        groups.lines().find_map(|line| {
            // hierarchy-ID:controllers:path.
            let mut parts = line.splitn(3, ':');
            let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            if controllers.split(',').any(|name| name == "memory") {
                Some(Self::version_1(path))
            } else {
                (id == "0").then(|| Self::version_2("/sys/fs/cgroup".into(), path))
            }
        })
    }

    fn version_1(path: &str) -> Self {
        Self {
            root: "/sys/fs/cgroup/memory".into(),
            path: path.to_string(),
            limit: "memory.limit_in_bytes",
            usage: "memory.usage_in_bytes",
            reclaimable: "total_inactive_file",
            events: "memory.oom_control",
        }
    }

    pub(super) fn version_2(root: PathBuf, path: &str) -> Self {
        Self {
            root,
            path: path.to_string(),
            limit: "memory.max",
            usage: "memory.current",
            reclaimable: "inactive_file",
            events: "memory.events",
        }
    }

    /// The folders of the group and of those around it, the innermost first.
    pub(super) fn folders(&self) -> impl Iterator<Item = PathBuf> {
        let groups = Path::new(&self.path).ancestors();
        groups.map(|group| self.root.join(group.strip_prefix("/").unwrap_or(group)))
    }
}
