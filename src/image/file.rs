//! An image: an ELF file with its debug information, wherever that is.

use std::cell::OnceCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::addr::{Addr, Svma};
use crate::source::streams::SymbolFrame;
use crate::source::{BuildId, Memory};

use super::debuginfod::{Artifact, Debuginfod};
use super::dwarf::{DebugFiles, LineIndex, Slice};
use super::elf_file::{ElfFile, Section};
use super::loaded::Loaded;
use super::split::SplitPlaces;
use super::symbol_table::SymbolTable;

const DEBUG_INFO: &str = ".debug_info";

/// An ELF image opened from files. Everything is read at first use.
pub struct Image {
    main: Rc<ElfFile>,
    /// The separate debug file, and the file that dwz moved common parts of the debug information to.
    local: Companions,
    /// The same from a server; asked only where there is no debug information here, and some is needed.
    remote: Option<Remote>,
    split: SplitPlaces,
    skips_debug_info: bool,
    fetched: OnceCell<Companions>,
    symbols: OnceCell<SymbolTable>,
    /// With the symbol table of the debug file that was fetched.
    fetched_symbols: OnceCell<SymbolTable>,
    debug_files: OnceCell<Option<Rc<DebugFiles>>>,
    lines: OnceCell<Option<LineIndex>>,
    loaded: OnceCell<Loaded>,
}

/// Files that belong to an image.
#[derive(Clone, Default)]
pub(super) struct Companions {
    /// The separate debug file.
    pub debug: Option<Rc<ElfFile>>,
    /// The file that dwz moved common parts of the debug information to.
    pub shared: Option<Rc<ElfFile>>,
}

/// Where debug information may be had.
pub(super) struct Remote {
    pub servers: Rc<Debuginfod>,
    /// Name of the module, for messages.
    pub module: String,
}

impl Image {
    pub(super) fn new(main: Rc<ElfFile>, local: Companions, remote: Option<Remote>, split: SplitPlaces) -> Image {
        Image {
            main,
            local,
            remote,
            split,
            skips_debug_info: false,
            fetched: OnceCell::new(),
            symbols: OnceCell::new(),
            fetched_symbols: OnceCell::new(),
            debug_files: OnceCell::new(),
            lines: OnceCell::new(),
            loaded: OnceCell::new(),
        }
    }

    /// The same image, which does as if there were no debug information.
    pub(super) fn skipping_debug_info(self, skips_debug_info: bool) -> Image {
        Image {
            skips_debug_info,
            ..self
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
        self.companions().debug.as_deref().map(|file| file.path.as_path())
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

    /// Whether code and constants are in it: a debug file has their headers only.
    pub(super) fn has_contents(&self) -> bool {
        self.main.has_section(".text")
    }

    fn loaded(&self) -> &Loaded {
        self.loaded.get_or_init(|| Loaded::new(&self.main))
    }

    /// A section by name, from the image or else its debug file; compressed ones come unpacked.
    pub fn section(&self, name: &str) -> Option<Section<'_>> {
        let in_debug = || self.companions().debug.as_ref().and_then(|file| file.section(name));
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

    /// The debug information; `None` where there is none. May ask a server for it.
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
    /// neither the debug information nor a symbol covers it. May ask a server for debug information.
    pub fn symbolize(&self, address: Svma) -> Vec<SymbolFrame> {
        self.symbolize_fully(address).0
    }

    /// The same, and whether all files were there that would tell more.
    pub(super) fn symbolize_fully(&self, address: Svma) -> (Vec<SymbolFrame>, bool) {
        if !self.loaded().is_code(address) {
            return (Vec::new(), true);
        }
        let in_lines = self.lines().map(|lines| lines.frames(address));
        let (mut frames, is_complete) = in_lines.unwrap_or((Vec::new(), !self.skips_debug_info));
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
        (frames, is_complete)
    }

    fn lines(&self) -> Option<&LineIndex> {
        let lines = self.lines.get_or_init(|| {
            let files = self.debug_files()?.clone();
            LineIndex::new(files)
        });
        lines.as_ref()
    }

    /// Where the unit begins that holds the code at an address; `None` where there is no debug information of it, or
    /// it is in a file of its own.
    pub fn unit_at(&self, address: Svma) -> Option<gimli::DebugInfoOffset> {
        self.lines()?.unit_at(address)
    }

    /// The debug information, for a look at a few units.
    pub fn dwarf_for_few_units(&self) -> Option<gimli::Dwarf<Slice<'_>>> {
        self.debug_files().map(|files| files.dwarf_for_few_units())
    }

    /// What answers about this image depend on: the files, and their state.
    pub(super) fn identity(&self) -> String {
        let Companions { debug, shared } = self.with_fetched();
        let files = [Some(&self.main), debug.as_ref(), shared.as_ref()];
        let parts = files.map(|file| file.map_or("", |file| file.identity.as_str()));
        parts.join("|")
    }

    /// What is at hand now.
    fn companions(&self) -> &Companions {
        match self.fetched.get() {
            Some(fetched) if fetched.debug.is_some() => fetched,
            _ => &self.local,
        }
    }

    /// What is at hand after servers were asked, where debug information is missing.
    fn with_fetched(&self) -> &Companions {
        let has_own = [Some(&self.main), self.local.debug.as_ref()]
            .into_iter()
            .flatten()
            .any(|file| file.has_section(DEBUG_INFO));
        if let (false, Some(Remote { servers, module }), Some(id)) = (has_own, &self.remote, self.build_id()) {
            self.fetched.get_or_init(|| {
                let debug = servers.find(module, id, Artifact::DebugInfo);
                let link = debug.as_ref().and_then(|debug| debug.debug_alt_link());
                let shared = link.and_then(|(_, id)| servers.find(module, &id, Artifact::DebugInfo));
                Companions { debug, shared }
            });
        }
        self.companions()
    }

    fn symbols(&self) -> &SymbolTable {
        let debug = &self.companions().debug;
        let is_fetched = self.fetched.get().is_some_and(|fetched| fetched.debug.is_some());
        let cell = if is_fetched {
            &self.fetched_symbols
        } else {
            &self.symbols
        };
        cell.get_or_init(|| SymbolTable::new(self.main.clone(), debug.clone()))
    }

    fn debug_files(&self) -> Option<&Rc<DebugFiles>> {
        let files = self.debug_files.get_or_init(|| {
            if self.skips_debug_info {
                return None;
            }
            let Companions { debug, shared } = self.with_fetched();
            let candidates = [debug.as_ref(), Some(&self.main)];
            let main = candidates
                .into_iter()
                .flatten()
                .find(|file| file.has_section(DEBUG_INFO))?;
            Some(Rc::new(DebugFiles::new(
                main.clone(),
                shared.clone(),
                self.split.clone(),
            )))
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
