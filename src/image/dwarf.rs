//! The debug information of an image, and its index of addresses.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::convert::Infallible;
use std::rc::Rc;

use gimli::{EndianSlice, LittleEndian, SectionId};
use self_cell::self_cell;

use crate::addr::Svma;
use crate::source::streams::SymbolFrame;

use super::elf_file::ElfFile;

/// What [`gimli`] reads: bytes of a mapped file, or of an unpacked section.
pub type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// Inlining nests some ten deep; the bound is for tables that are damaged.
const MAX_INLINED: usize = 200;

/// The debug sections of an image: in its own file, or in a separate one; with what dwz moved to a
/// third.
#[derive(Debug)]
pub(super) struct DebugFiles {
    main: Rc<ElfFile>,
    shared: Option<Rc<ElfFile>>,
    /// Sections that are stored compressed, unpacked at first use: by file, then as in [`SECTIONS`].
    unpacked: [[OnceCell<Option<Vec<u8>>>; SECTIONS.len()]; 2],
}

/// Which of the two files.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Main,
    Shared,
}

impl DebugFiles {
    pub fn new(main: Rc<ElfFile>, shared: Option<Rc<ElfFile>>) -> DebugFiles {
        DebugFiles {
            main,
            shared,
            unpacked: Default::default(),
        }
    }

    /// All sections.
    pub fn dwarf(&self) -> gimli::Dwarf<Slice<'_>> {
        self.load(|_| true)
    }

    /// The sections with functions and lines: unpacking the others would double the time and memory.
    fn lines(&self) -> gimli::Dwarf<Slice<'_>> {
        use SectionId::{DebugLoc, DebugLocLists, DebugMacinfo, DebugMacro, DebugTypes};
        self.load(|id| !matches!(id, DebugLoc | DebugLocLists | DebugMacinfo | DebugMacro | DebugTypes))
    }

    fn load(&self, wanted: impl Fn(SectionId) -> bool) -> gimli::Dwarf<Slice<'_>> {
        let load = |part: Part| {
            let loaded = gimli::Dwarf::load(|id: SectionId| {
                let bytes = if wanted(id) { self.section(part, id) } else { &[] };
                Ok::<_, Infallible>(EndianSlice::new(bytes, LittleEndian))
            });
            let Ok(dwarf) = loaded;
            dwarf
        };
        let mut dwarf = load(Part::Main);
        if self.shared.is_some() {
            dwarf.set_sup(load(Part::Shared));
        }
        dwarf.populate_abbreviations_cache(gimli::AbbreviationsCacheStrategy::Duplicates);
        dwarf
    }

    fn section(&self, part: Part, id: SectionId) -> &[u8] {
        let file = match part {
            Part::Main => Some(&*self.main),
            Part::Shared => self.shared.as_deref(),
        };
        let Some(file) = file else { return &[] };
        let index = SECTIONS.iter().position(|&known| known == id);
        let cell = index.and_then(|index| self.unpacked.get(part as usize)?.get(index));
        let unpacked = cell.and_then(|cell| {
            let unpack = || match file.section(id.name())?.bytes {
                Cow::Owned(bytes) => Some(bytes),
                Cow::Borrowed(_) => None,
            };
            cell.get_or_init(unpack).as_deref()
        });
        unpacked.or_else(|| file.raw_section(id.name())).unwrap_or_default()
    }
}

/// Those that gimli and addr2line read.
const SECTIONS: [SectionId; 15] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugAranges,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugLoc,
    SectionId::DebugLocLists,
    SectionId::DebugMacinfo,
    SectionId::DebugMacro,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
    SectionId::DebugTypes,
];

type Index<'a> = addr2line::Context<Slice<'a>>;

self_cell!(
    struct IndexCell {
        owner: Rc<DebugFiles>,
        #[not_covariant]
        dependent: Index,
    }
);

/// Functions and lines by address. Making it reads the list of units, each look-up those it needs.
pub(super) struct LineIndex {
    cell: IndexCell,
}

impl LineIndex {
    pub fn new(files: Rc<DebugFiles>) -> Option<LineIndex> {
        let cell = IndexCell::try_new(files, |files| addr2line::Context::from_dwarf(files.lines()));
        Some(LineIndex { cell: cell.ok()? })
    }

    /// The functions at an address, inlined ones first. Where the debug information is damaged, those
    /// read before that.
    pub fn frames(&self, address: Svma) -> Vec<SymbolFrame> {
        // addr2line adds one to it; nothing lies there.
        if address.0 == u64::MAX {
            return Vec::new();
        }
        self.cell.with_dependent(|_, index| {
            let mut frames = Vec::new();
            let Ok(mut found) = index.find_frames(address.0).skip_all_loads() else {
                return frames;
            };
            while let Ok(Some(frame)) = found.next() {
                let name = frame.function.as_ref().and_then(|name| name.demangle().ok());
                let location = frame.location.as_ref();
                frames.push(SymbolFrame {
                    function: name.map(Cow::into_owned),
                    file: location.and_then(|l| l.file).map(str::to_owned),
                    line: location.and_then(|l| l.line).filter(|&line| line > 0),
                    column: location.and_then(|l| l.column).filter(|&column| column > 0),
                    inlined: true,
                });
                if frames.len() == MAX_INLINED {
                    break;
                }
            }
            if let Some(outermost) = frames.last_mut() {
                outermost.inlined = false;
            }
            frames
        })
    }
}
