//! An image: an ELF file with its debug information, wherever that is.

use std::cell::OnceCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::addr::{Addr, Svma};
use crate::source::streams::SymbolFrame;
use crate::source::{BuildId, Memory};

use super::dwarf::{DebugFiles, LineIndex, Slice};
use super::elf_file::{ElfFile, Section};
use super::loaded::Loaded;
use super::symbol_table::SymbolTable;

/// An ELF image opened from files. Everything is read at first use.
pub struct Image {
    main: Rc<ElfFile>,
    /// The separate debug file.
    debug: Option<Rc<ElfFile>>,
    /// The file that dwz moved common parts of the debug information to.
    shared: Option<Rc<ElfFile>>,
    symbols: OnceCell<SymbolTable>,
    debug_files: OnceCell<Option<Rc<DebugFiles>>>,
    lines: OnceCell<Option<LineIndex>>,
    loaded: OnceCell<Loaded>,
}

impl Image {
    pub(super) fn new(main: Rc<ElfFile>, debug: Option<Rc<ElfFile>>, shared: Option<Rc<ElfFile>>) -> Image {
        Image {
            main,
            debug,
            shared,
            symbols: OnceCell::new(),
            debug_files: OnceCell::new(),
            lines: OnceCell::new(),
            loaded: OnceCell::new(),
        }
    }

    /// The image's own file.
    pub(super) fn into_main(self) -> Rc<ElfFile> {
        self.main
    }

    /// Where the file was found.
    pub fn path(&self) -> &Path {
        &self.main.path
    }

    /// Where the separate debug file was found, if there is one.
    pub fn debug_path(&self) -> Option<&Path> {
        self.debug.as_deref().map(|file| file.path.as_path())
    }

    /// Its build id.
    pub fn build_id(&self) -> Option<&BuildId> {
        self.main.build_id.as_ref()
    }

    /// Address in the process minus stated address (to be added with wrapping), for an image whose file
    /// offset 0 is mapped at `base`. `None` where the file has no loadable segment.
    pub fn bias(&self, base: Addr) -> Option<u64> {
        self.main.bias(base)
    }

    /// The bytes from a stated address to the end of its segment, as they are in memory; `None` where that
    /// segment can be written to, or where only a debug file of this build was found.
    pub fn read_only(&self, address: Svma) -> Option<&[u8]> {
        self.loaded().read_only(&self.main, address)
    }

    /// Whether the image whose file offset 0 is mapped at `base` was loaded from this file, as far as its
    /// dynamic section in memory tells: for images whose build id is not to be had.
    pub fn agrees(&self, memory: &dyn Memory, base: Addr) -> bool {
        self.bias(base)
            .is_some_and(|bias| self.loaded().agrees(&self.main, memory, bias))
    }

    /// How many bytes of address space its segments take, in whole pages.
    pub fn extent(&self) -> Option<u64> {
        Loaded::extent(&self.main)
    }

    fn loaded(&self) -> &Loaded {
        self.loaded.get_or_init(|| Loaded::new(&self.main))
    }

    /// A section by name, from the image or else its debug file; compressed ones come unpacked.
    pub fn section(&self, name: &str) -> Option<Section<'_>> {
        let in_debug = || self.debug.as_ref().and_then(|file| file.section(name));
        self.main.section(name).or_else(in_debug)
    }

    /// The address of a defined symbol, local ones included where the symbol table is there.
    pub fn symbol_address(&self, name: &str) -> Option<Svma> {
        self.symbols().address_of(name)
    }

    /// The size in bytes of a defined symbol, as the symbol table states it.
    pub fn symbol_size(&self, name: &str) -> Option<u64> {
        self.symbols().size_of(name)
    }

    /// The debug information; `None` where there is none.
    pub fn dwarf(&self) -> Option<gimli::Dwarf<Slice<'_>>> {
        self.debug_files().map(|files| files.dwarf())
    }

    /// Names of the libraries that are loaded with it (`DT_NEEDED`).
    pub fn needed(&self) -> Vec<String> {
        self.main.needed()
    }

    /// Where the dynamic linker of this machine would find one of those.
    pub fn find_needed(&self, name: &str) -> Option<PathBuf> {
        self.main.find_needed(name)
    }

    /// The functions at an address, inlined ones before the one they are inlined into; empty where
    /// neither the debug information nor a symbol covers it.
    pub fn symbolize(&self, address: Svma) -> Vec<SymbolFrame> {
        let lines = self.lines.get_or_init(|| {
            let files = self.debug_files()?.clone();
            LineIndex::new(files)
        });
        let mut frames = lines.as_ref().map(|lines| lines.frames(address)).unwrap_or_default();
        let named_by_table = || self.symbols().function_at(address);
        match frames.last_mut() {
            // Assembly has lines without functions.
            Some(outermost) if outermost.function.is_none() => outermost.function = named_by_table(),
            Some(_) => {}
            None => frames.extend(named_by_table().map(|name| SymbolFrame {
                function: Some(name),
                ..SymbolFrame::default()
            })),
        }
        frames
    }

    /// What answers about this image depend on: the files, and their state.
    pub(super) fn identity(&self) -> String {
        let files = [Some(&self.main), self.debug.as_ref(), self.shared.as_ref()];
        let parts = files.map(|file| file.map_or("", |file| file.identity.as_str()));
        parts.join("|")
    }

    fn symbols(&self) -> &SymbolTable {
        self.symbols
            .get_or_init(|| SymbolTable::new(self.main.clone(), self.debug.clone()))
    }

    fn debug_files(&self) -> Option<&Rc<DebugFiles>> {
        let files = self.debug_files.get_or_init(|| {
            let candidates = [self.debug.as_ref(), Some(&self.main)];
            let main = candidates
                .into_iter()
                .flatten()
                .find(|file| file.has_section(".debug_info"))?;
            Some(Rc::new(DebugFiles::new(main.clone(), self.shared.clone())))
        });
        files.as_ref()
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("path", &self.path())
            .field("build_id", &self.build_id())
            .field("debug_path", &self.debug_path())
            .finish_non_exhaustive()
    }
}
