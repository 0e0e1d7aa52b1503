//! A folder that keeps expensive answers from one run to the next (docs/cache.md).

mod trim;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

const MAGIC: [u8; 8] = *b"cfcache1";
/// Magic, version of the kind, CRC-32 of the contents, length of the contents.
const HEADER: usize = 8 + 4 + 4 + 8;
/// The largest contents that are stored or loaded, in bytes.
pub const MAX_BYTES: usize = 16 << 20;
/// How many bytes of files are kept, see [`CacheDir::trim`].
pub const CACHE_MAX_VARIABLE: &str = "COLDFRAME_CACHE_MAX";
/// Loading moves a file's time of change where that is further back than this.
const USE_STEP: Duration = Duration::from_secs(10 * 60);
/// How often a process trims that has stored nothing itself.
const TRIM_STEP: Duration = Duration::from_secs(60 * 60);
/// Its time of change is that of the last trim.
const TRIM_STAMP: &str = "trimmed";

pub use trim::{Trimmed, parse_size};

/// What is kept, and the version of the contents: both name the subfolder, so that programs of different versions do
/// not replace each other's.
#[derive(Clone, Copy, Debug)]
pub struct CacheKind {
    /// What it is: letters and digits.
    pub name: &'static str,
    /// To be raised with every change of the contents' format.
    pub version: u32,
}

impl CacheKind {
    fn folder(self) -> String {
        format!("{}-{:x}", self.name, self.version)
    }
}

/// The user's cache folder for coldframe.
///
/// Safe under concurrent use: a file is replaced as a whole, by rename. Whatever is wrong with a file
/// (cut short, of another version, altered, somebody else's), it counts as absent. A folder that cannot be written serves
/// what it has.
///
/// Storing removes nothing; a command that has time calls [`CacheDir::trim`] at its end.
#[derive(Clone, Debug)]
pub struct CacheDir {
    root: PathBuf,
    /// Something was stored through this value or a clone of it.
    has_stored: Arc<AtomicBool>,
}

impl CacheDir {
    /// `$COLDFRAME_CACHE`, else `$XDG_CACHE_HOME/coldframe`, else `$HOME/.cache/coldframe`.
    ///
    /// `None` where none of them is set to an absolute path, where `COLDFRAME_CACHE` is set but empty
    /// (which turns the cache off), or where [`CacheDir::at`] refuses the folder.
    pub fn from_env() -> Option<CacheDir> {
        if let Some(own) = std::env::var_os("COLDFRAME_CACHE") {
            return CacheDir::at(Path::new(&own)).ok();
        }
        // XDG base directory specification: relative paths are to be ignored.
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
        CacheDir::at(&base.join("coldframe")).ok()
    }

    /// The cache in `root`, which is made (mode 0700) where it does not exist.
    ///
    /// # Errors
    /// Where it cannot be made, or belongs to another user or may be written by one: what is loaded
    /// from it ends up in reports.
    pub fn at(root: &Path) -> io::Result<CacheDir> {
        if !root.is_absolute() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the cache folder must be an absolute path",
            ));
        }
        make_private(root)?;
        Ok(CacheDir {
            root: root.to_owned(),
            has_stored: Arc::default(),
        })
    }

    /// What [`CacheDir::store`] kept under `key`.
    pub fn load(&self, kind: CacheKind, key: &str) -> Option<Vec<u8>> {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(self.path(kind, key)?)
            .ok()?;
        let meta = file.metadata().ok()?;
        let size = usize::try_from(meta.len()).ok()?;
        if !meta.is_file() || !is_own(&meta) || !(HEADER..=HEADER + MAX_BYTES).contains(&size) {
            return None;
        }
        let mut bytes = Vec::with_capacity(size);
        Read::by_ref(&mut file).take(meta.len()).read_to_end(&mut bytes).ok()?;
        let (header, contents) = bytes.split_at_checked(HEADER)?;
        if header != header_of(kind, contents) {
            return None;
        }
        bytes.drain(..HEADER);
        mark_used(&file, &meta);
        Some(bytes)
    }

    /// Keeps `contents` under `key`, a name of letters, digits, `-`, `_` and `.`.
    ///
    /// # Errors
    /// Where the key or the size is out of bounds, or the folder cannot be written. Callers may
    /// ignore it: the answer is then worked out anew next time.
    pub fn store(&self, kind: CacheKind, key: &str, contents: &[u8]) -> io::Result<()> {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let invalid = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
        if contents.len() > MAX_BYTES {
            return Err(invalid("too large to be cached"));
        }
        let path = self.path(kind, key).ok_or_else(|| invalid("not a cache key"))?;
        let folder = self.root.join(kind.folder());
        make_private(&folder)?;
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let part = folder.join(format!(".{}-{serial}.part", std::process::id()));
        let written = write_new(&part, &header_of(kind, contents), contents).and_then(|()| fs::rename(&part, &path));
        if written.is_err() {
            // Not ours to report: the write above has failed already.
            let _ = fs::remove_file(&part);
        }
        written?;
        self.has_stored.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The folder of a kind whose files the caller writes itself (each under another name first, ending in `.part`) and
    /// reads in place. They count and are evicted like the others.
    ///
    /// # Errors
    /// Where it cannot be made, or is not this user's alone.
    pub fn folder(&self, kind: CacheKind) -> io::Result<PathBuf> {
        let folder = self.root.join(kind.folder());
        make_private(&folder)?;
        self.has_stored.store(true, Ordering::Relaxed);
        Ok(folder)
    }

    /// Removes what was used longest ago until the rest fits into `COLDFRAME_CACHE_MAX` (default: 512 MiB), and what is of
    /// versions that nobody uses any more. Does nothing where nothing was stored through this value and another
    /// process has trimmed not long ago.
    pub fn trim(&self) -> Option<Trimmed> {
        let now = SystemTime::now();
        let stamp = self.root.join(TRIM_STAMP);
        let last = fs::metadata(&stamp).and_then(|meta| meta.modified()).ok();
        let is_recent = last.is_some_and(|last| now.duration_since(last).is_ok_and(|age| age < TRIM_STEP));
        if is_recent && !self.has_stored.swap(false, Ordering::Relaxed) {
            return None;
        }
        // Where that cannot be written, nothing can be removed either.
        fs::write(&stamp, "").ok()?;
        let asked = std::env::var(CACHE_MAX_VARIABLE).ok();
        let max_bytes = asked.and_then(|text| parse_size(&text));
        Some(self.trim_to(max_bytes.unwrap_or(trim::DEFAULT_MAX_BYTES)))
    }

    /// As [`CacheDir::trim`], at once and to a bound in bytes.
    pub fn trim_to(&self, max_bytes: u64) -> Trimmed {
        trim::trim(&self.root, max_bytes, SystemTime::now())
    }

    fn path(&self, kind: CacheKind, key: &str) -> Option<PathBuf> {
        let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let valid = !key.is_empty() && key.len() <= 128 && !key.starts_with('.') && key.bytes().all(safe);
        valid.then(|| self.root.join(kind.folder()).join(key))
    }
}

fn header_of(kind: CacheKind, contents: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&kind.version.to_le_bytes());
    header[12..16].copy_from_slice(&crc32fast::hash(contents).to_le_bytes());
    header[16..].copy_from_slice(&(contents.len() as u64).to_le_bytes());
    header
}

fn write_new(path: &Path, header: &[u8], contents: &[u8]) -> io::Result<()> {
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)?;
    file.write_all(header)?;
    file.write_all(contents)
    // No fsync: a file that a power cut leaves short fails its checksum, and costs one recomputation.
}

fn is_own(meta: &fs::Metadata) -> bool {
    meta.uid() == nix::unistd::geteuid().as_raw() && meta.mode() & 0o022 == 0
}

fn make_private(folder: &Path) -> io::Result<()> {
    if !folder.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // Follows a link that the user made for the cache folder; what it leads to must be the user's.
    let meta = fs::metadata(folder)?;
    if meta.is_dir() && is_own(&meta) {
        Ok(())
    } else {
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "not a folder of this user alone",
        ))
    }
}

/// What was used stays longest.
fn mark_used(file: &File, meta: &fs::Metadata) {
    let age = meta.modified().ok().and_then(|then| then.elapsed().ok());
    if age.is_none_or(|age| age > USE_STEP) {
        // Fails in a folder that is mounted read-only, where nothing is evicted either.
        let _ = file.set_modified(SystemTime::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const KIND: CacheKind = CacheKind {
        name: "test",
        version: 3,
    };

    #[test]
    fn keeps_and_replaces() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(&dir.path().join("new/folder")).unwrap();
        assert_eq!(cache.load(KIND, "ab12"), None);
        cache.store(KIND, "ab12", b"first").unwrap();
        cache.store(KIND, "ab12", b"second").unwrap();
        assert_eq!(cache.load(KIND, "ab12").as_deref(), Some(&b"second"[..]));
        let file = dir.path().join("new/folder/test-3/ab12");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_file_counts_as_absent() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(dir.path()).unwrap();
        cache.store(KIND, "k", b"contents").unwrap();
        let file = dir.path().join("test-3/k");
        let good = fs::read(&file).unwrap();
        for cut in 0..good.len() {
            fs::write(&file, &good[..cut]).unwrap();
            assert_eq!(cache.load(KIND, "k"), None, "cut to {cut} bytes");
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            fs::write(&file, &bad).unwrap();
            assert_eq!(cache.load(KIND, "k"), None, "byte {at} altered");
        }
        fs::write(&file, &good).unwrap();
        let newer = CacheKind { version: 4, ..KIND };
        assert_eq!(cache.load(newer, "k"), None);
        assert!(cache.load(KIND, "k").is_some());
    }

    #[test]
    fn refuses_paths_as_keys_and_folders_that_others_may_write() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(dir.path()).unwrap();
        for key in ["", "../x", "a/b", ".hidden", "nul\0"] {
            assert!(cache.store(KIND, key, b"").is_err(), "{key:?}");
            assert_eq!(cache.load(KIND, key), None);
        }
        assert!(CacheDir::at(Path::new("relative")).is_err());
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(CacheDir::at(dir.path()).is_err());
    }
}
