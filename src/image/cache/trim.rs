//! Keeping the cache folder within its bound.
//!
//! Runs at the end of commands, never while a crash is captured. Everything here may race with other processes that
//! store, load or trim: a file that is gone when it is to be removed is what was wanted, and whoever misses one makes it anew.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How much is kept where `COLDFRAME_CACHE_MAX` does not say.
pub const DEFAULT_MAX_BYTES: u64 = 512 << 20;
/// The most files that are kept: each costs time at every trim.
const MAX_FILES: usize = 10_000;
/// What a file takes at least.
const BLOCK: u64 = 4096;
/// Eviction goes this far below the bound, so that it is not needed again at once; in percent.
const LOW_WATER: u64 = 90;
/// A folder of another version is kept as long as somebody may be using that version.
const OLD_VERSION: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// A file that has been written to for so long was left by a process that died.
const STALE_PART: Duration = Duration::from_secs(60 * 60);
/// Folders below the root: kind, then what the kind keeps.
const MAX_DEPTH: usize = 4;

/// What a trim did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Bytes that are left.
    pub kept: u64,
    /// Files that were removed.
    pub removed: usize,
}

struct Entry {
    path: PathBuf,
    used: SystemTime,
    bytes: u64,
}

/// Removes what is stale, then what was used longest ago, until `max_bytes` hold the rest.
pub(super) fn trim(root: &Path, max_bytes: u64, now: SystemTime) -> Trimmed {
    let mut trimmed = Trimmed::default();
    let mut folders = Vec::new();
    for (name, path) in folders_in(root) {
        // Handler and helper lie here, too; whoever installs them removes them.
        if !name.starts_with("handler-") {
            folders.push((name, path));
        }
    }
    let mut entries: Vec<(usize, Entry)> = Vec::new();
    for (index, (_, path)) in folders.iter().enumerate() {
        let mut found = Vec::new();
        collect(path, 0, &mut found);
        entries.extend(found.into_iter().map(|entry| (index, entry)));
    }
    let mut last_use = vec![SystemTime::UNIX_EPOCH; folders.len()];
    for (index, entry) in &entries {
        if let Some(last) = last_use.get_mut(*index) {
            *last = entry.used.max(*last);
        }
    }
    let superseded = superseded(&folders, &last_use, now);
    let is_stale = |index: usize, entry: &Entry| {
        let is_part = entry.path.extension().is_some_and(|extension| extension == "part");
        superseded.contains(&index) || (is_part && age(now, entry.used) > STALE_PART)
    };
    let (stale, mut kept): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(index, entry)| is_stale(*index, entry));
    for (_, entry) in &stale {
        trimmed.removed += usize::from(fs::remove_file(&entry.path).is_ok());
    }
    for index in superseded {
        if let Some((_, path)) = folders.get(index) {
            // Fails where somebody has put something into it since.
            let _ = fs::remove_dir(path);
        }
    }
    trimmed.kept = kept.iter().map(|(_, entry)| entry.bytes).sum();
    if trimmed.kept > max_bytes || kept.len() > MAX_FILES {
        let low_water = |bound: u64| bound / 100 * LOW_WATER;
        let (bytes, files) = (low_water(max_bytes), low_water(MAX_FILES as u64) as usize);
        kept.sort_by(|(_, a), (_, b)| (a.used, &a.path).cmp(&(b.used, &b.path)));
        let mut left = kept.len();
        for (_, entry) in kept {
            if trimmed.kept <= bytes && left <= files {
                break;
            }
            trimmed.removed += usize::from(fs::remove_file(&entry.path).is_ok());
            trimmed.kept -= entry.bytes;
            left -= 1;
        }
    }
    trimmed
}

/// The folders `KIND-VERSION` of which another version was used later, and this one not for some time.
fn superseded(folders: &[(String, PathBuf)], last_use: &[SystemTime], now: SystemTime) -> Vec<usize> {
    let kind = |name: &str| name.rsplit_once('-').map(|(kind, _)| kind.to_string());
    let mut newest: HashMap<String, SystemTime> = HashMap::new();
    for ((name, _), used) in folders.iter().zip(last_use) {
        if let Some(kind) = kind(name) {
            let newest = newest.entry(kind).or_insert(*used);
            *newest = (*newest).max(*used);
        }
    }
    let is_old = |(name, used): (&str, SystemTime)| {
        let newest = kind(name).and_then(|kind| newest.get(&kind).copied());
        newest.is_some_and(|newest| used < newest) && age(now, used) > OLD_VERSION
    };
    let named = folders
        .iter()
        .zip(last_use)
        .map(|((name, _), used)| (name.as_str(), *used));
    let old = named.enumerate().filter(|(_, folder)| is_old(*folder));
    old.map(|(index, _)| index).collect()
}

fn folders_in(root: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    entries
        // Not what a link leads to.
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .collect()
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<Entry>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_dir() && depth < MAX_DEPTH {
            collect(&entry.path(), depth + 1, found);
        } else if meta.is_file() {
            found.push(Entry {
                path: entry.path(),
                used: used(&meta),
                bytes: meta.len().next_multiple_of(BLOCK),
            });
        }
    }
}

/// When a file was last used: loading moves its time of change.
fn used(meta: &Metadata) -> SystemTime {
    meta.modified().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn age(now: SystemTime, then: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or_default()
}

/// A size as people write it: bytes, or with `K`, `M` or `G` (of 1024).
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let unit = |suffix: char| match suffix.to_ascii_uppercase() {
        'K' => Some(1 << 10),
        'M' => Some(1 << 20),
        'G' => Some(1 << 30),
        _ => None,
    };
    let text = text.trim();
    let (number, unit) = match text.chars().next_back().and_then(unit) {
        Some(unit) => (text.get(..text.len() - 1)?, unit),
        None => (text, 1),
    };
    number.trim_end().parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn put(root: &Path, name: &str, bytes: usize, age: Duration) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, vec![0; bytes]).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }

    fn names(root: &Path) -> Vec<String> {
        let mut entries = Vec::new();
        for (_, folder) in folders_in(root) {
            collect(&folder, 0, &mut entries);
        }
        let name = |entry: &Entry| entry.path.strip_prefix(root).unwrap().display().to_string();
        let mut names: Vec<String> = entries.iter().map(name).collect();
        names.sort();
        names
    }

    const HOUR: Duration = Duration::from_secs(60 * 60);

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..20_u32 {
            put(
                dir.path(),
                &format!("symbols-1/{number:02}"),
                40_000,
                HOUR * (20 - number),
            );
        }
        put(dir.path(), "files-1/ab/debuginfo", 40_000, HOUR * 100);
        let before = names(dir.path()).len();
        let all = trim(dir.path(), 1 << 30, SystemTime::now());
        assert_eq!((all.removed, names(dir.path()).len()), (0, before));
        let trimmed = trim(dir.path(), 400_000, SystemTime::now());
        assert!(trimmed.kept <= 400_000, "{trimmed:?}");
        let left = names(dir.path());
        assert_eq!(left.first().map(String::as_str), Some("symbols-1/12"));
        assert_eq!(left.len(), 8);
        assert_eq!(trim(dir.path(), 0, SystemTime::now()).kept, 0);
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn versions_that_nobody_uses_any_more_go() {
        let dir = tempfile::tempdir().unwrap();
        let day = HOUR * 24;
        put(dir.path(), "symbols-1/a", 10, day * 8);
        put(dir.path(), "symbols-2/a", 10, day);
        put(dir.path(), "layouts-aa/a", 10, day * 2);
        put(dir.path(), "layouts-bb/a", 10, day * 30);
        put(dir.path(), "other-1/a", 10, day * 300);
        put(dir.path(), "symbols-2/.7-1.part", 10, HOUR * 2);
        put(dir.path(), "symbols-2/.8-1.part", 10, HOUR / 2);
        put(dir.path(), "handler-0.1.0-0123456789abcdef/coldframe", 10, day * 400);
        trim(dir.path(), 1 << 30, SystemTime::now());
        let left = [
            "handler-0.1.0-0123456789abcdef/coldframe",
            "layouts-aa/a",
            "other-1/a",
            "symbols-2/.8-1.part",
            "symbols-2/a",
        ];
        assert_eq!(names(dir.path()), left);
        assert!(!dir.path().join("symbols-1").exists());
    }

    #[test]
    fn links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        put(outside.path(), "folder/precious", 100_000, HOUR);
        put(dir.path(), "symbols-1/a", 10, HOUR);
        std::os::unix::fs::symlink(outside.path(), dir.path().join("linked-1")).unwrap();
        let link = dir.path().join("symbols-1/link");
        std::os::unix::fs::symlink(outside.path().join("folder/precious"), link).unwrap();
        trim(dir.path(), 0, SystemTime::now());
        assert!(outside.path().join("folder/precious").exists());
        assert!(!dir.path().join("symbols-1/a").exists());
    }

    #[test]
    fn sizes_as_people_write_them() {
        assert_eq!(parse_size("1000"), Some(1000));
        assert_eq!(parse_size("64k"), Some(64 << 10));
        assert_eq!(parse_size(" 2G "), Some(2 << 30));
        for text in ["", "M", "-1", "1.5G", "10 apples", "99999999999G"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
