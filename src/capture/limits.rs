//! How much a dump folder holds: past it the oldest dumps and records are removed.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use coldframe_handler::wire::RECORD_EXTENSION;

use super::variables::{MAX_BYTES, MAX_DUMPS};
use crate::image::parse_size;

/// The bounds of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most files.
    pub max_dumps: usize,
    /// The most bytes in them.
    pub max_bytes: u64,
}

impl Default for Limits {
    /// A program that crashes once a minute fills no disk.
    fn default() -> Self {
        Self {
            max_dumps: 1000,
            max_bytes: 4 << 30,
        }
    }
}

impl Limits {
    /// From COLDFRAME_MAX_DUMPS and COLDFRAME_MAX_BYTES; what is absent or malformed is at its default.
    #[must_use]
    pub fn from_env() -> Self {
        let text = |name| env::var(name).ok();
        let default = Self::default();
        Self {
            max_dumps: text(MAX_DUMPS)
                .and_then(|text| text.parse().ok())
                .unwrap_or(default.max_dumps),
            max_bytes: text(MAX_BYTES)
                .and_then(|text| parse_size(&text))
                .unwrap_or(default.max_bytes),
        }
    }

    /// Removes the oldest files of ours from `folder` until it keeps to the limits, `newest` excepted. Only regular files
    /// of this user's with a name that coldframe gives count; nothing is followed, and a failure is left to the next time.
    pub fn enforce(self, folder: &Path, newest: &Path) {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_name().to_str().is_some_and(is_ours))
            .filter_map(|entry| {
                let meta = entry.metadata().ok()?;
                let is_own = meta.is_file() && meta.uid() == nix::unistd::geteuid().as_raw();
                is_own.then(|| Some((meta.modified().ok()?, meta.len(), entry.path())))?
            })
            .collect();
        files.sort();
        let mut count = files.len();
        let mut bytes: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if count <= self.max_dumps.max(1) && bytes <= self.max_bytes {
                return;
            }
            if path != newest && fs::remove_file(&path).is_ok() {
                count -= 1;
                bytes -= size;
            }
        }
    }
}

/// Whether a file has a name that a dump (`PROGRAM-PID-20260131T235959Z.dmp`, perhaps with a number behind) or a record
/// (`PROGRAM-PID-TICKS.rec`) gets.
fn is_ours(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_time = |text: &str| {
        let date = text.strip_suffix('Z').and_then(|text| text.split_once('T'));
        date.is_some_and(|(day, time)| day.len() == 8 && time.len() == 6 && is_number(day) && is_number(time))
    };
    let Some((stem, extension)) = name.rsplit_once('.') else {
        return false;
    };
    let mut parts = stem.rsplit('-');
    let mut last = parts.next().unwrap_or_default();
    if extension == "dmp" {
        if is_number(last) && last.len() <= 4 {
            last = parts.next().unwrap_or_default();
        }
        return is_time(last) && parts.next().is_some_and(is_number) && parts.next().is_some();
    }
    extension == RECORD_EXTENSION && is_number(last) && parts.next().is_some_and(is_number) && parts.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn only_names_that_coldframe_gives_are_its_own() {
        for name in [
            "python3.12-4711-20260131T235959Z.dmp",
            "a-b-1-20260131T235959Z-12.dmp",
            "python3-4711-1378253.rec",
        ] {
            assert!(is_ours(name), "{name}");
        }
        for name in [
            "core.dmp",
            "app-4711.dmp",
            "x-1-20260131.dmp",
            "notes-1-2.txt",
            "1-2.rec",
            "-.rec",
            "a-1-20260131T235959Z.dmp.part",
        ] {
            assert!(!is_ours(name), "{name}");
        }
    }

    #[test]
    fn the_oldest_go_first_and_others_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |number: u64| folder.path().join(format!("p-{number}-20260131T235959Z.dmp"));
        for number in 1..=5 {
            let file = fs::File::create(path(number)).expect("a file");
            file.set_len(100).expect("its size");
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 + number);
            file.set_modified(time).expect("its time");
        }
        let other = folder.path().join("theirs.dmp");
        fs::write(&other, [0; 1000]).expect("a file");
        let left = || (1..=5).filter(|&number| path(number).exists()).collect::<Vec<_>>();
        let limits = |max_dumps, max_bytes| Limits { max_dumps, max_bytes };
        limits(4, 1000).enforce(folder.path(), &path(5));
        assert_eq!(left(), [2, 3, 4, 5]);
        limits(4, 250).enforce(folder.path(), &path(5));
        assert_eq!(left(), [4, 5]);
        limits(0, 0).enforce(folder.path(), &path(4));
        assert_eq!(left(), [4], "the newest stays whatever the limit");
        assert!(other.exists());
    }
}
