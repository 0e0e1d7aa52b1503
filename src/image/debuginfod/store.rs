//! Fetched files, kept by build id in a folder of the cache.
//!
//! A file is there as a whole or not at all; the cache bounds them with the rest ([`CacheDir::trim`]). Beside it, `NAME.without` lists servers that have said that they do
//! not have it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use super::super::{CacheDir, CacheKind};

/// Files by build id and artifact, as servers send them.
const KIND: CacheKind = CacheKind {
    name: "debuginfod",
    version: 1,
};
/// How long a server's no is believed: a new package may be indexed any minute. elfutils has the same.
const NO_IS_VALID: Duration = Duration::from_secs(600);
/// The longest list of servers that is read.
const MAX_LIST: u64 = 64 << 10;

/// The folder; `None` where nothing is kept.
pub(super) struct Store {
    folder: Option<PathBuf>,
}

/// A file that is being written.
pub(super) enum Part {
    InFolder(NamedTempFile, PathBuf),
    /// Gone when closed.
    Unnamed(File),
}

impl Store {
    pub fn new(cache: Option<&CacheDir>) -> Store {
        Store {
            folder: cache.and_then(|cache| cache.folder(KIND).ok()),
        }
    }

    /// A file that was kept, and its path.
    pub fn load(&self, name: &str) -> Option<(File, PathBuf)> {
        let path = self.folder.as_ref()?.join(name);
        let file = File::open(&path).ok()?;
        // What was used stays longest.
        let _ = file.set_modified(SystemTime::now());
        Some((file, path))
    }

    /// The servers that are known not to have it.
    pub fn without(&self, name: &str) -> BTreeSet<String> {
        let read = || -> Option<String> {
            let path = self.list(name)?;
            let meta = fs::metadata(&path).ok()?;
            let is_valid = meta.modified().ok()?.elapsed().is_ok_and(|age| age < NO_IS_VALID);
            (is_valid && meta.len() < MAX_LIST).then(|| fs::read_to_string(&path).ok())?
        };
        read().unwrap_or_default().lines().map(str::to_string).collect()
    }

    pub fn keep_without(&self, name: &str, servers: &BTreeSet<String>) {
        let Some(path) = self.list(name) else { return };
        let text: String = servers.iter().map(|server| format!("{server}\n")).collect();
        // What cannot be kept is asked again.
        if let Ok(mut part) = self.new_file()
            && io::Write::write_all(part.file(), text.as_bytes()).is_ok()
            && let Part::InFolder(part, _) = part
        {
            let _ = part.persist(path);
        }
    }

    pub fn new_file(&self) -> io::Result<Part> {
        Ok(match &self.folder {
            Some(folder) => Part::InFolder(
                tempfile::Builder::new()
                    .prefix(".")
                    .suffix(".part")
                    .tempfile_in(folder)?,
                folder.clone(),
            ),
            None => Part::Unnamed(tempfile::tempfile()?),
        })
    }

    fn list(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{name}.without")))
    }
}

impl Part {
    pub fn file(&mut self) -> &mut File {
        match self {
            Part::InFolder(part, _) => part.as_file_mut(),
            Part::Unnamed(file) => file,
        }
    }

    /// Gives it its name; the path where it lies now, if it has one.
    pub fn keep(self, name: &str) -> io::Result<(File, Option<PathBuf>)> {
        match self {
            Part::InFolder(part, folder) => {
                let path = folder.join(name);
                let file = part.persist(&path)?;
                Ok((file, Some(path)))
            }
            Part::Unnamed(file) => Ok((file, None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_no_is_believed_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(&folder.path().join("cache")).unwrap();
        let store = Store::new(Some(&cache));
        let servers = BTreeSet::from(["http://a".to_string(), "http://b".to_string()]);
        store.keep_without("ab.debuginfo", &servers);
        assert_eq!(store.without("ab.debuginfo"), servers);
        assert!(store.without("cd.debuginfo").is_empty());
        let list = File::options()
            .write(true)
            .open(store.list("ab.debuginfo").unwrap())
            .unwrap();
        list.set_modified(SystemTime::now() - NO_IS_VALID * 2).unwrap();
        assert!(store.without("ab.debuginfo").is_empty());
    }
}
