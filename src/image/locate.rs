//! Where the files of a module are: its own, and its debug information.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::source::{BuildId, Module};

use super::debuginfod::Artifact;
use super::elf_file::ElfFile;
use super::file::{Companions, Remote};
use super::root::open_regular;
use super::split::SplitPlaces;
use super::{Image, ImageError, ImageOptions};

/// Where distributions put debug files (GDB manual, section 18.3).
const DEBUG_FOLDER: &str = "/usr/lib/debug";

impl ImageOptions {
    /// Opens a module's image with all that belongs to it.
    pub(super) fn open(&self, module: &Module) -> Result<Image, ImageError> {
        Ok(self.complete(self.main_file(module)?, module.name()))
    }

    /// Opens the image in a file of this machine. Links are followed first: debug files lie beside what they lead to.
    pub(super) fn open_named(&self, path: &Path) -> Result<Image, ImageError> {
        let path = &path
            .canonicalize()
            .map_err(|error| absent_or(path.to_owned(), &error))?;
        let file = open_regular(Path::new("/"), path).map_err(|error| absent_or(path.to_owned(), &error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(self.complete(ElfFile::open(&file, path)?, &name))
    }

    /// The same for a module without a build id: the first file that `agrees`, of that at its path and
    /// those that the user gave.
    pub(super) fn open_agreeing(&self, module: &Module, agrees: impl Fn(&Image) -> bool) -> Result<Image, ImageError> {
        let path = Path::new(&module.path);
        let given = self.symbol_paths.iter().filter(|given| given.is_file());
        let places = [(self.root.clone(), path.to_owned())]
            .into_iter()
            .chain(given.map(|given| (PathBuf::from("/"), given.clone())));
        let mut first_error = None;
        for (root, path) in places {
            let shown = shown_below(&root, &path);
            let opened = open_regular(&root, &path)
                .map_err(|error| absent_or(shown.clone(), &error))
                .and_then(|file| ElfFile::open(&file, &shown));
            let error = match opened
                .map(|file| Image::new(Rc::new(file), Companions::default(), None, SplitPlaces::default()))
            {
                Ok(image) if agrees(&image) => return Ok(self.complete(image.into_main(), module.name())),
                Ok(_) => ImageError::Differs(shown),
                Err(error) => error,
            };
            first_error.get_or_insert(error);
        }
        Err(first_error.unwrap_or(ImageError::NoBuildId(module.name().to_string())))
    }

    /// The same from a server.
    pub(super) fn fetch(&self, module: &Module, artifact: Artifact) -> Option<Image> {
        let id = module.build_id.as_ref()?;
        let file = self.debuginfod.as_ref()?.find(module.name(), id, artifact)?;
        Some(self.complete(file, module.name()))
    }

    /// Adds the debug information.
    fn complete(&self, main: impl Into<Rc<ElfFile>>, name: &str) -> Image {
        let main = main.into();
        let has_own = main.has_section(".debug_info");
        let debug = if has_own {
            None
        } else {
            self.debug_file(&main).map(Rc::new)
        };
        let shared = self.shared_file(debug.as_ref().unwrap_or(&main)).map(Rc::new);
        let remote = self.debuginfod.as_ref().map(|servers| Remote {
            servers: servers.clone(),
            module: name.to_string(),
        });
        let images = [Some(&main), debug.as_ref()].into_iter().flatten();
        let split = SplitPlaces {
            root: self.root.clone(),
            images: images.map(|file| file.path.clone()).collect(),
            given: self.symbol_paths.clone(),
        };
        Image::new(main, Companions { debug, shared }, remote, split).skipping_debug_info(self.skip_debug_info)
    }

    /// The image's own file; else a debug file of the same build, which can still name addresses.
    fn main_file(&self, module: &Module) -> Result<ElfFile, ImageError> {
        // What /proc/PID/maps appends; there may be a new file of that name, but then of another build.
        let path = module.path.strip_suffix(" (deleted)").unwrap_or(&module.path);
        if !path.starts_with('/') {
            return Err(ImageError::NotAPath(module.path.clone()));
        }
        let path = Path::new(path);
        let at_path = || -> Result<ElfFile, ImageError> {
            let shown = shown_below(&self.root, path);
            let file = open_regular(&self.root, path).map_err(|error| absent_or(shown.clone(), &error))?;
            self.check(module, &file, ElfFile::open(&file, &shown)?)
        };
        let first_error = match at_path() {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        if let Some(found) = self.mapped_file(module) {
            return Ok(found);
        }
        let Some(id) = &module.build_id else {
            return Err(first_error);
        };
        let candidates = self.symbol_candidates(id, &[module.name()]);
        let found = candidates
            .into_iter()
            .chain(self.by_build_id(id))
            .find_map(|(root, path)| open_build(&root, &path, id));
        found.ok_or(first_error)
    }

    /// Lets only the build pass that was loaded.
    fn check(&self, module: &Module, file: &File, elf: ElfFile) -> Result<ElfFile, ImageError> {
        match &module.build_id {
            Some(id) if elf.build_id.as_ref() == Some(id) => Ok(elf),
            Some(id) => Err(ImageError::OtherBuild {
                path: elf.path,
                expected: id.clone(),
                found: elf.build_id,
            }),
            None if self.is_mapped(module, file) => Ok(elf),
            None => Err(ImageError::NoBuildId(module.name().to_string())),
        }
    }

    /// Whether `file` is the very one that a live process has mapped for this module.
    fn is_mapped(&self, module: &Module, file: &File) -> bool {
        let mapped = self.mapping(module);
        let (Some(mapped), Ok(meta)) = (mapped, file.metadata()) else {
            return false;
        };
        let device = format!(
            "{:02x}:{:02x}",
            nix::sys::stat::major(meta.dev()),
            nix::sys::stat::minor(meta.dev())
        );
        (device, meta.ino()) == (mapped.device, mapped.inode)
    }

    /// The file itself, by way of the mapping, even where its path is gone. Needs privileges (proc(5)).
    fn mapped_file(&self, module: &Module) -> Option<ElfFile> {
        let range = self.mapping(module)?.range;
        let path = PathBuf::from(format!("/proc/{}/map_files/{range}", self.pid?));
        let file = File::open(&path).ok()?;
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        self.check(module, &file, ElfFile::open(&file, &path).ok()?).ok()
    }

    /// The mapping at the start of a module, in `/proc/PID/maps`.
    fn mapping(&self, module: &Module) -> Option<Mapping> {
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.pid?)).ok()?;
        let start = format!("{:x}-", module.range.start.0);
        maps.lines().find_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let range = fields.next()?;
            // Here the kernel pads addresses with zeros to 8 digits, in the names of map_files not.
            let (from, to) = range.split_once('-')?;
            let range = format!("{}-{}", from.trim_start_matches('0'), to.trim_start_matches('0'));
            if !range.starts_with(&start) {
                return None;
            }
            let (device, inode) = (fields.nth(2)?, fields.next()?);
            Some(Mapping {
                range,
                device: device.to_string(),
                inode: inode.parse().ok()?,
            })
        })
    }

    /// The separate debug file, by build id, then by `.gnu_debuglink`.
    fn debug_file(&self, main: &ElfFile) -> Option<ElfFile> {
        let link = main.debug_link();
        let main_name = main.path.file_name()?.to_str()?;
        if let Some(id) = &main.build_id {
            let link_name = link.as_ref().map_or(main_name, |(name, _)| name);
            let candidates = self.symbol_candidates(id, &[link_name, main_name]);
            let found = candidates
                .into_iter()
                .chain(self.by_build_id(id))
                .filter_map(|(root, path)| open_build(&root, &path, id))
                .find(|file| file.has_section(".debug_info") || file.has_section(".symtab"));
            if found.is_some() {
                return found;
            }
        }
        let (name, crc) = link?;
        let (root, path) = self.place(&main.path);
        let folder = path.parent()?;
        let in_debug_folder = Path::new(DEBUG_FOLDER).join(folder.strip_prefix("/").ok()?).join(&name);
        let candidates = [folder.join(&name), folder.join(".debug").join(&name), in_debug_folder];
        candidates.into_iter().find_map(|path| {
            let file = open_elf(&root, &path)?;
            let same = match (&file.build_id, &main.build_id) {
                (Some(a), Some(b)) => a == b,
                _ => crc32fast::hash(file.bytes()) == crc,
            };
            same.then_some(file)
        })
    }

    /// The file that dwz moved common debug information to, where `file` refers to one.
    fn shared_file(&self, file: &ElfFile) -> Option<ElfFile> {
        let (path, id) = file.debug_alt_link()?;
        let (root, file_path) = self.place(&file.path);
        // Relative to the folder of the file that refers to it.
        let named = (root, file_path.parent()?.join(path));
        [named]
            .into_iter()
            .chain(self.by_build_id(&id))
            .find_map(|(root, path)| open_build(&root, &path, &id))
    }

    /// The root that a file was opened below, and its path there.
    fn place(&self, opened: &Path) -> (PathBuf, PathBuf) {
        match opened.strip_prefix(&self.root) {
            Ok(below) => (self.root.clone(), Path::new("/").join(below)),
            Err(_) => (PathBuf::from("/"), opened.to_owned()),
        }
    }

    /// Where the user said that symbols are: files, and below folders.
    fn symbol_candidates(&self, id: &BuildId, names: &[&str]) -> Vec<(PathBuf, PathBuf)> {
        let mut list = Vec::new();
        for path in &self.symbol_paths {
            if path.is_dir() {
                list.extend(build_id_path(id).map(|below| path.join(".build-id").join(below)));
                for name in names {
                    list.push(path.join(name));
                    list.push(path.join(format!("{name}.debug")));
                }
            } else {
                list.push(path.clone());
            }
        }
        list.into_iter().map(|path| (PathBuf::from("/"), path)).collect()
    }

    /// Below the debug folder of the target's root, and of ours.
    fn by_build_id(&self, id: &BuildId) -> impl Iterator<Item = (PathBuf, PathBuf)> {
        let below = build_id_path(id).map(|below| Path::new(DEBUG_FOLDER).join(".build-id").join(below));
        let mut roots = vec![self.root.clone(), PathBuf::from("/")];
        roots.dedup();
        roots
            .into_iter()
            .filter_map(move |root| below.clone().map(|below| (root, below)))
    }
}

/// The build id of a file that the user named.
pub(super) fn build_id_of(path: &Path) -> Result<Option<BuildId>, ImageError> {
    let file = open_regular(Path::new("/"), path).map_err(|error| absent_or(path.to_owned(), &error))?;
    Ok(ElfFile::open(&file, path)?.build_id)
}

/// A line of `/proc/PID/maps`.
struct Mapping {
    range: String,
    device: String,
    inode: u64,
}

/// `xx/yyyy.debug`.
fn build_id_path(id: &BuildId) -> Option<PathBuf> {
    let hex = id.to_string();
    let (first, rest) = hex.split_at_checked(2)?;
    (!rest.is_empty()).then(|| Path::new(first).join(format!("{rest}.debug")))
}

/// The file, if it is of that build.
fn open_build(root: &Path, path: &Path, id: &BuildId) -> Option<ElfFile> {
    open_elf(root, path).filter(|file| file.build_id.as_ref() == Some(id))
}

fn open_elf(root: &Path, path: &Path) -> Option<ElfFile> {
    let file = open_regular(root, path).ok()?;
    ElfFile::open(&file, &shown_below(root, path)).ok()
}

pub(super) fn shown_below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn absent_or(path: PathBuf, error: &std::io::Error) -> ImageError {
    match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => ImageError::Absent(path),
        reason => ImageError::Unreadable { path, reason },
    }
}
