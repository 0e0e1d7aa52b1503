//! Which installed package a file belongs to: what `importlib.metadata` would say, from the folders beside it.
//!
//! A package says what it is in a folder `NAME-VERSION.dist-info` or `NAME.egg-info` where its modules lie, and lists its
//! files there (packaging.python.org, "Recording installed projects").

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::image::{Images, list_folder, open_regular};
use crate::notes::Notes;
use crate::source::Module;
use crate::source::streams::{RecordedPackage, RecordedPackages};

/// The most names of one folder that are looked at.
const MAX_NAMES: usize = 20_000;
/// The most packages of one folder whose lists of files are read.
const MAX_PACKAGES: usize = 2_000;
/// How much is read of metadata, of which only the first lines matter.
const MAX_METADATA: u64 = 64 << 10;
/// How much is read of a list of files, and of all lists together.
const MAX_LIST: u64 = 4 << 20;
const MAX_LISTS: u64 = 64 << 20;

/// Looks up packages, in the dump or in files, and keeps those that were found.
pub struct Packages<'a> {
    recorded: &'a RecordedPackages,
    /// `None` where files are not to be looked at.
    images: Option<&'a Images>,
    folders: HashMap<PathBuf, Folder>,
    bytes_left: u64,
    time: Duration,
    began: Option<Instant>,
    used: RecordedPackages,
}

/// What is installed in one folder.
#[derive(Default)]
struct Folder {
    /// The folders or files of metadata, by the normalised name of their package.
    by_name: HashMap<String, Vec<String>>,
    /// The metadata of the package that lists a file, by its path below the folder; read when first needed.
    by_file: Option<HashMap<String, String>>,
}

impl<'a> Packages<'a> {
    /// From what a dump has, else from files below the root of `images`, for which there is so much time.
    pub fn new(recorded: &'a RecordedPackages, images: Option<&'a Images>, time: Duration) -> Packages<'a> {
        Packages {
            recorded,
            images,
            folders: HashMap::new(),
            bytes_left: MAX_LISTS,
            time,
            began: None,
            used: RecordedPackages::new(),
        }
    }

    /// The package that the extension module `name` in the file of `module` belongs to.
    pub fn find(&mut self, module: &Module, name: &str) -> Option<RecordedPackage> {
        let package = match self.recorded.get(&module.path) {
            Some(package) => package.clone(),
            None => self.search(module, name)?,
        };
        self.used.insert(module.path.clone(), package.clone());
        Some(package)
    }

    /// All that were asked for and found; says where time ran out.
    pub fn into_used(self, notes: &Notes) -> RecordedPackages {
        if self.is_over() {
            notes.push(
                "python",
                "looking up the packages of extension modules was ended when its time was up",
                "some extension modules have no version",
                "",
            );
        }
        self.used
    }

    fn is_over(&self) -> bool {
        self.bytes_left == 0 || self.began.is_some_and(|began| began.elapsed() > self.time)
    }

    fn search(&mut self, module: &Module, name: &str) -> Option<RecordedPackage> {
        let images = self.images?;
        let root = images.root()?;
        self.began.get_or_insert_with(Instant::now);
        if self.is_over() || !images.is_in_place(module) {
            return None;
        }
        let path = Path::new(&module.path);
        let folder = path.ancestors().nth(name.split('.').count())?;
        let file = path.strip_prefix(folder).ok()?.to_str()?;
        let metadata = self.owner(root, folder, file)?;
        describe(root, &folder.join(metadata))
    }
}

impl Packages<'_> {
    /// The metadata of the package that a file below `folder` belongs to.
    fn owner(&mut self, root: &Path, folder: &Path, file: &str) -> Option<String> {
        let top = normalised(file.split(['/', '.']).next()?);
        let new = || Folder::list(root, folder);
        let known = self.folders.entry(folder.to_owned()).or_insert_with(new);
        match known.by_name.get(&top).map(Vec::as_slice) {
            Some([metadata]) => return Some(metadata.clone()),
            // Left over from another version: nothing tells which one it is.
            Some(_) => return None,
            None => {}
        }
        let mut by_file = known.by_file.take();
        if by_file.is_none() {
            let all: Vec<String> = known.by_name.values().flatten().take(MAX_PACKAGES).cloned().collect();
            by_file = Some(self.files(root, folder, all));
        }
        let owner = by_file.as_ref()?.get(file).cloned();
        self.folders.get_mut(folder)?.by_file = by_file;
        owner
    }

    /// The libraries that packages list, by path.
    fn files(&mut self, root: &Path, folder: &Path, packages: Vec<String>) -> HashMap<String, String> {
        let mut files = HashMap::new();
        for metadata in packages {
            if self.is_over() {
                break;
            }
            let list = read(
                root,
                &folder.join(&metadata),
                &["RECORD", "installed-files.txt"],
                MAX_LIST,
            );
            let list = list.unwrap_or_default();
            self.bytes_left = self.bytes_left.saturating_sub(list.len() as u64);
            let libraries = list.lines().filter_map(listed_library);
            files.extend(libraries.map(|file| (file.to_string(), metadata.clone())));
        }
        files
    }
}

impl Folder {
    fn list(root: &Path, folder: &Path) -> Folder {
        let mut by_name: HashMap<String, Vec<String>> = HashMap::new();
        for entry in list_folder(root, folder, MAX_NAMES).unwrap_or_default() {
            let stem = entry.strip_suffix(".dist-info").or(entry.strip_suffix(".egg-info"));
            if let Some(stem) = stem {
                // Neither a name nor what follows it has a `-` of its own there.
                let name = stem.split('-').next().unwrap_or(stem);
                by_name.entry(normalised(name)).or_default().push(entry);
            }
        }
        Folder { by_name, by_file: None }
    }
}

/// Names differ in `-`, `_`, `.` and case only by how they are written (PEP 503).
fn normalised(name: &str) -> String {
    name.to_ascii_lowercase().replace(['-', '.'], "_")
}

/// The path in a line of a list of files, where it is one of a library: `numpy/core/x.so,sha256=…,1234`, or the path alone,
/// from the folder of the metadata on.
fn listed_library(line: &str) -> Option<&str> {
    let path = line.split(',').next()?.trim_matches('"');
    path.ends_with(".so").then(|| path.strip_prefix("../").unwrap_or(path))
}

/// Name and version in metadata.
fn describe(root: &Path, metadata: &Path) -> Option<RecordedPackage> {
    let text = read(root, metadata, &["METADATA", "PKG-INFO"], MAX_METADATA)
        // Old ones are a file, not a folder.
        .or_else(|| {
            read(
                root,
                metadata.parent()?,
                &[metadata.file_name()?.to_str()?],
                MAX_METADATA,
            )
        })?;
    let field = |name: &str| {
        let mut lines = text.lines().take_while(|line| !line.is_empty());
        let value = lines.find_map(|line| line.strip_prefix(name));
        value.map(|value| value.trim().to_string())
    };
    Some(RecordedPackage {
        name: field("Name:")?,
        version: field("Version:"),
    })
}

/// The first of these files that is in a folder, or its beginning.
fn read(root: &Path, folder: &Path, names: &[&str], max: u64) -> Option<String> {
    let mut files = names
        .iter()
        .filter_map(|name| open_regular(root, &folder.join(name)).ok());
    let mut bytes = Vec::new();
    files.next()?.take(max).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_of_lists() {
        assert_eq!(listed_library("yaml/_yaml.so,sha256=x,12"), Some("yaml/_yaml.so"));
        assert_eq!(listed_library("../yaml/_yaml.so"), Some("yaml/_yaml.so"));
        assert_eq!(listed_library("yaml/__init__.py,sha256=x,12"), None);
    }
}
