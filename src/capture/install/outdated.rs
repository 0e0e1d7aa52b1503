//! Handler folders that other versions of coldframe extracted and nobody uses any more.
//!
//! A process that has such a handler loaded needs the folder as long as it lives: the programs it starts load the
//! handler again, and the helper lies beside it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How the names of the folders begin.
pub const PREFIX: &str = "handler-";
/// A folder that was used since is kept, whatever is known of processes: those of other users, and of other
/// containers that share the folder, cannot be seen.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The use of a folder is noted where the last note is older than this.
const USE_STEP: Duration = Duration::from_secs(60 * 60);

/// Notes that `folder` is in use.
pub fn mark_used(folder: &Path) {
    let now = SystemTime::now();
    let Ok(folder) = File::open(folder) else { return };
    let last = folder.metadata().and_then(|meta| meta.modified());
    if last.is_ok_and(|last| now.duration_since(last).is_ok_and(|age| age > USE_STEP)) {
        // Fails where the folder is somebody else's, who then looks after it.
        let _ = folder.set_modified(now);
    }
}

/// Removes the handler folders below `base`, other than `current`, that belong to this user, were not used for a month
/// and are not mapped into any process that can be seen. Returns what was removed.
pub fn remove_outdated(base: &Path, current: &Path, euid: u32) -> Vec<PathBuf> {
    let now = SystemTime::now();
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    let mut outdated: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
        .filter(|entry| {
            // Not what a link leads to.
            let Ok(meta) = entry.metadata() else { return false };
            let age = meta.modified().ok().and_then(|last| now.duration_since(last).ok());
            meta.is_dir() && meta.uid() == euid && age.is_some_and(|age| age > UNUSED)
        })
        .map(|entry| entry.path())
        .filter(|path| path != current)
        .collect();
    if outdated.is_empty() {
        return outdated;
    }
    let Some(mapped) = mapped_folders() else {
        return Vec::new();
    };
    outdated.retain(|path| !mapped.contains(path) && fs::remove_dir_all(path).is_ok());
    outdated
}

/// The folders of all files that are mapped into the processes whose maps this one may read; `None` without a /proc.
fn mapped_folders() -> Option<HashSet<PathBuf>> {
    let mut folders = HashSet::new();
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let is_process = process
            .file_name()
            .to_string_lossy()
            .bytes()
            .all(|byte| byte.is_ascii_digit());
        let maps = if is_process {
            fs::read(process.path().join("maps")).unwrap_or_default()
        } else {
            continue;
        };
        for line in maps.split(|&byte| byte == b'\n') {
            let line = String::from_utf8_lossy(line);
            if let Some((_, path)) = line.split_once('/')
                && path.contains(PREFIX)
            {
                folders.extend(Path::new(&format!("/{path}")).parent().map(Path::to_owned));
            }
        }
    }
    Some(folders)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn aged(base: &Path, name: &str, days: u64) -> PathBuf {
        let folder = base.join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(coldframe_handler::IMAGE_NAME), coldframe_handler::IMAGE).unwrap();
        let then = SystemTime::now() - Duration::from_secs(60 * 60 * 24 * days);
        File::open(&folder).unwrap().set_modified(then).unwrap();
        folder
    }

    #[test]
    fn folders_of_others_go_unless_they_are_in_use() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().canonicalize().unwrap();
        let euid = nix::unistd::geteuid().as_raw();
        let current = aged(&base, "handler-2-cc", 100);
        let recent = aged(&base, "handler-1-bb", 10);
        let loaded = aged(&base, "handler-1-aa", 100);
        let unused = aged(&base, "handler-0-00", 100);
        let cached = aged(&base, "symbols-1", 100);
        // A process of long ago, with the handler of long ago.
        let mut process = Command::new("sleep")
            .arg("1000")
            .env("LD_PRELOAD", loaded.join(coldframe_handler::IMAGE_NAME))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let maps = format!("/proc/{}/maps", process.id());
        while !fs::read_to_string(&maps).unwrap().contains("handler-1-aa") {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(remove_outdated(&base, &current, euid), std::slice::from_ref(&unused));
        assert!(!unused.exists());
        assert!(
            [&current, &recent, &loaded, &cached]
                .iter()
                .all(|folder| folder.exists())
        );
        process.kill().unwrap();
        process.wait().unwrap();
        assert_eq!(remove_outdated(&base, &current, euid + 1), Vec::<PathBuf>::new());
        mark_used(&current);
        assert_eq!(remove_outdated(&base, &base, euid), [loaded]);
        assert!(current.exists(), "it was used just now");
    }
}
