//! Where the compiler left debug information that it did not put into the image (`-gsplit-dwarf`).

use std::path::{Path, PathBuf};

use super::elf_file::ElfFile;
use super::root::open_regular;

/// Places to look at, best first.
#[derive(Clone, Debug, Default)]
pub(super) struct SplitPlaces {
    /// What absolute paths are below.
    pub root: PathBuf,
    /// The image and its debug file: packages lie beside them, and units may have been put there.
    pub images: Vec<PathBuf>,
    /// Files and folders that the user named.
    pub given: Vec<PathBuf>,
}

impl SplitPlaces {
    /// All units of the image in one file, `IMAGE.dwp`.
    pub fn package(&self) -> Option<ElfFile> {
        let named = |image: &PathBuf| {
            let mut name = image.file_name()?.to_os_string();
            name.push(".dwp");
            Some(name)
        };
        let beside = self
            .images
            .iter()
            .filter_map(|image| Some(image.with_file_name(named(image)?)));
        let names: Vec<_> = self.images.iter().filter_map(named).collect();
        let given = self.given.iter().flat_map(|given| {
            let in_folder = names.iter().map(move |name| given.join(name));
            in_folder.chain([given.clone()])
        });
        beside
            .chain(given)
            .find_map(|path| open(Path::new("/"), &path, ".debug_cu_index"))
    }

    /// Files that may be that of a unit, which names itself as `name`, relative to `folder`.
    pub fn units(&self, folder: &str, name: &str) -> Vec<ElfFile> {
        let path = Path::new(folder).join(name);
        let Some(file_name) = path.file_name() else {
            return Vec::new();
        };
        let stated = open(&self.root, &path, UNIT);
        let beside = self.images.iter().filter_map(|image| image.parent());
        let folders = beside.chain(self.given.iter().map(PathBuf::as_path));
        let moved = folders.flat_map(|folder| {
            // As it was in the folder of the build, or by itself; or the very file.
            [
                Some(folder.join(name)),
                Some(folder.join(file_name)),
                Some(folder.to_owned()),
            ]
        });
        let moved = moved.flatten().filter_map(|path| open(Path::new("/"), &path, UNIT));
        stated.into_iter().chain(moved).collect()
    }
}

/// What a file of a unit has.
const UNIT: &str = ".debug_info.dwo";

fn open(root: &Path, path: &Path, section: &str) -> Option<ElfFile> {
    let file = open_regular(root, path).ok()?;
    ElfFile::open(&file, path).ok().filter(|file| file.has_section(section))
}
