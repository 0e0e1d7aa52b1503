//! The images of an analysis, each opened once.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::addr::{Addr, Svma};
use crate::source::streams::SymbolFrame;
use crate::source::{BuildId, Memory, Module};

use super::debuginfod::{Artifact, Debuginfod};
use super::locate::{build_id_of, shown_below};
use super::symbol_cache::SymbolCache;
use super::{CacheDir, Image, ImageError};

/// Where to look for files.
#[derive(Clone, Debug)]
pub struct ImageOptions {
    /// What the paths of modules are below: `/`, `/proc/PID/root`, or a sysroot. Links do not lead out
    /// of it.
    pub root: PathBuf,
    /// The process, where it lives: gives access to files that were deleted, and tells which file an
    /// image without build id was loaded from.
    pub pid: Option<u32>,
    /// Files with symbols, and folders in which they lie by name or by `.build-id/xx/yyyy.debug`.
    pub symbol_paths: Vec<PathBuf>,
    /// Where answers are kept between runs.
    pub cache: Option<CacheDir>,
    /// Who is asked for files that are not here.
    pub debuginfod: Option<Rc<Debuginfod>>,
    /// Go without debug information, which takes tens of megabytes: answers come from symbol tables and the cache.
    pub skip_debug_info: bool,
}

impl Default for ImageOptions {
    /// The files of this machine, and no cache.
    fn default() -> ImageOptions {
        ImageOptions {
            root: PathBuf::from("/"),
            pid: None,
            symbol_paths: Vec::new(),
            cache: None,
            debuginfod: None,
            skip_debug_info: false,
        }
    }
}

/// Finds, opens and keeps the images of the modules it is asked about.
#[derive(Debug, Default)]
pub struct Images {
    /// `None`: no file is looked at.
    options: Option<ImageOptions>,
    entries: RefCell<HashMap<Key, Entry>>,
}

/// A module without build id is told by its place, too.
type Key = (String, Result<BuildId, Addr>);

fn key(module: &Module) -> Key {
    (module.path.clone(), module.build_id.clone().ok_or(module.range.start))
}

#[derive(Clone, Debug)]
struct Entry {
    image: Result<Rc<Image>, ImageError>,
    /// Opened with the first address.
    cache: Rc<OnceCell<Option<RefCell<SymbolCache>>>>,
}

impl Images {
    /// Looks for files as `options` say.
    pub fn new(options: ImageOptions) -> Images {
        Images {
            options: Some(options),
            entries: RefCell::default(),
        }
    }

    /// Looks at no file at all.
    pub fn offline_only() -> Images {
        Images::default()
    }

    /// The folder below which the paths of the process lie, where files are looked at.
    pub fn root(&self) -> Option<&Path> {
        self.options.as_ref().map(|options| options.root.as_path())
    }

    /// Whether the file at a module's own path is the one that was loaded.
    pub fn is_in_place(&self, module: &Module) -> bool {
        let path = Path::new(&module.path);
        let at = self.root().map(|root| shown_below(root, path));
        self.image(module)
            .is_ok_and(|image| at.is_some_and(|at| at == image.path()))
    }

    /// The image of a module, from files that are here.
    ///
    /// # Errors
    /// Where there is no file, or none of the same build.
    pub fn image(&self, module: &Module) -> Result<Rc<Image>, ImageError> {
        self.entry(module).image
    }

    /// The same for a module whose contents matter: where no file of it is here, servers are asked.
    ///
    /// # Errors
    /// As [`Images::image`].
    pub fn demand(&self, module: &Module) -> Result<Rc<Image>, ImageError> {
        let has_contents = |image: &Image| image.has_contents();
        self.or_fetched(module, &[Artifact::Executable], has_contents).image
    }

    /// The image of a module whose build id is not known: the file at its path, or one that the user
    /// gave, where its dynamic section is the one in `memory`. From then on it is this module's image.
    ///
    /// # Errors
    /// Where there is no such file.
    pub fn identify(&self, module: &Module, memory: &dyn Memory) -> Result<Rc<Image>, ImageError> {
        let options = self.options.as_ref().ok_or(ImageError::Offline)?;
        let image = Rc::new(options.open_agreeing(module, |image| image.agrees(memory, module.range.start))?);
        self.entries
            .borrow_mut()
            .insert(key(module), Entry::new(Ok(image.clone())));
        Ok(image)
    }

    /// The image in a file that the user named, of whatever build it is, with its debug information.
    ///
    /// # Errors
    /// Where it cannot be read or is not an ELF file.
    pub fn open_named(&self, path: &Path) -> Result<Image, ImageError> {
        self.options.as_ref().ok_or(ImageError::Offline)?.open_named(path)
    }

    /// The build id of a file that the user gave.
    ///
    /// # Errors
    /// Where it cannot be read or is not an ELF file.
    pub fn build_id_of(path: &Path) -> Result<Option<BuildId>, ImageError> {
        build_id_of(path)
    }

    /// The functions at an address in the process, inlined ones first; empty where the image's files
    /// do not name it. From the cache, where it was asked before.
    ///
    /// # Errors
    /// As [`Images::image`].
    pub fn symbolize(&self, module: &Module, address: Addr) -> Result<Vec<SymbolFrame>, ImageError> {
        // To name addresses, debug information alone will do.
        let wanted = [Artifact::DebugInfo, Artifact::Executable];
        let entry = self.or_fetched(module, &wanted, |_| true);
        let image = entry.image?;
        let Some(bias) = image.bias(module.range.start) else {
            return Ok(Vec::new());
        };
        let svma = Svma(address.0.wrapping_sub(bias));
        let Some(cache) = entry.cache.get_or_init(|| self.symbol_cache(&image)) else {
            return Ok(image.symbolize(svma));
        };
        let known = cache.borrow().get(svma);
        Ok(known.unwrap_or_else(|| {
            let (frames, is_complete) = image.symbolize_fully(svma);
            if is_complete {
                cache.borrow_mut().put(svma, frames.clone());
            }
            frames
        }))
    }

    /// Writes new answers to the cache. Also happens when this is dropped.
    pub fn save(&self) {
        let Some(dir) = self.options.as_ref().and_then(|options| options.cache.as_ref()) else {
            return;
        };
        for entry in self.entries.borrow().values() {
            if let Some(Some(cache)) = entry.cache.get() {
                cache.borrow_mut().save(dir);
            }
        }
    }

    fn entry(&self, module: &Module) -> Entry {
        let mut entries = self.entries.borrow_mut();
        entries.entry(key(module)).or_insert_with(|| self.open(module)).clone()
    }

    fn open(&self, module: &Module) -> Entry {
        Entry::new(match &self.options {
            Some(options) => options.open(module).map(Rc::new),
            None => Err(ImageError::Offline),
        })
    }

    /// The entry of a module; where its image is not `enough`, with the first of `wanted` that a server has.
    fn or_fetched(&self, module: &Module, wanted: &[Artifact], enough: impl Fn(&Image) -> bool) -> Entry {
        let entry = self.entry(module);
        if entry.image.as_deref().is_ok_and(enough) {
            return entry;
        }
        let fetch = |options: &ImageOptions| wanted.iter().find_map(|&artifact| options.fetch(module, artifact));
        let Some(image) = self.options.as_ref().and_then(fetch) else {
            return entry;
        };
        let entry = Entry::new(Ok(Rc::new(image)));
        self.entries.borrow_mut().insert(key(module), entry.clone());
        entry
    }

    fn symbol_cache(&self, image: &Image) -> Option<RefCell<SymbolCache>> {
        let dir = self.options.as_ref()?.cache.as_ref()?;
        let key = image.build_id()?.to_string();
        Some(RefCell::new(SymbolCache::load(dir, key, image.identity())))
    }
}

impl Entry {
    fn new(image: Result<Rc<Image>, ImageError>) -> Entry {
        Entry {
            image,
            cache: Rc::default(),
        }
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        self.save();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_debug_information_names_come_from_symbol_tables() {
        let program = std::env::current_exe().unwrap();
        let options = ImageOptions {
            skip_debug_info: true,
            ..ImageOptions::default()
        };
        let image = Images::new(options).open_named(&program).unwrap();
        assert!(image.dwarf().is_none());
        let main = image.symbol_address("main").unwrap();
        let (frames, is_complete) = image.symbolize_fully(main);
        assert_eq!(frames[0].function.as_deref(), Some("main"));
        assert!(!is_complete, "the cache must not keep it");
    }

    #[test]
    fn addresses_at_the_ends_have_no_names() {
        let program = std::env::current_exe().unwrap();
        let image = Images::new(ImageOptions::default()).open_named(&program).unwrap();
        assert!(image.dwarf().is_some());
        for address in [0, u64::MAX - 1, u64::MAX] {
            assert_eq!(image.symbolize(Svma(address)), []);
            assert!(image.read_only(Svma(address)).is_none_or(|_| address == 0));
        }
    }
}
