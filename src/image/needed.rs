//! The libraries that a file asks the dynamic linker for, and where they are (ld.so(8)).

use std::path::{Path, PathBuf};

use object::elf::{DT_NEEDED, DT_RPATH, DT_RUNPATH};

use super::elf_file::ElfFile;

/// The folders that glibc searches last, with those of the common distributions.
const SYSTEM_FOLDERS: &[&str] = &[
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/local/lib",
];
/// The most entries of each kind that are looked at.
const MAX_ENTRIES: usize = 256;

impl ElfFile {
    /// Names of the libraries that are loaded with this file (`DT_NEEDED`).
    pub fn needed(&self) -> Vec<String> {
        self.dynamic_strings(&[DT_NEEDED])
    }

    /// The file of a needed library: in the folders that this file names (`DT_RUNPATH`, `DT_RPATH`, where `$ORIGIN` is
    /// its own folder), those of `LD_LIBRARY_PATH`, and the system's. The cache of ldconfig(8) is not consulted.
    pub fn find_needed(&self, name: &str) -> Option<PathBuf> {
        if name.contains('/') {
            return Some(PathBuf::from(name)).filter(|path| path.is_file());
        }
        let origin = self.path.canonicalize().ok()?.parent()?.to_owned();
        let own = self.dynamic_strings(&[DT_RUNPATH, DT_RPATH]);
        let own = own.iter().flat_map(|list| list.split(':')).map(|folder| {
            let folder = ["${ORIGIN}", "$ORIGIN"]
                .iter()
                .find_map(|word| folder.strip_prefix(word))
                .map(|rest| format!("{}{rest}", origin.display()))
                .unwrap_or(folder.to_string());
            PathBuf::from(folder)
        });
        let asked = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        own.chain(std::env::split_paths(&asked))
            .chain(SYSTEM_FOLDERS.iter().map(PathBuf::from))
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(name))
            .find(|path| is_elf(path))
    }

    fn dynamic_strings(&self, tags: &[object::elf::DynamicTag]) -> Vec<String> {
        let Some(table) = self.parse().and_then(|file| file.elf_dynamic_table().ok()) else {
            return Vec::new();
        };
        let wanted = table.iter().filter(|entry| tags.contains(&entry.tag));
        let strings = wanted.take(MAX_ENTRIES).filter_map(|entry| table.string(entry).ok());
        strings.map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    }
}

fn is_elf(path: &Path) -> bool {
    super::open_regular(Path::new("/"), path)
        .ok()
        .and_then(|file| ElfFile::open(&file, path).ok())
        .is_some()
}
