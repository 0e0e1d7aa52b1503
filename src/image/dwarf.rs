//! The debug information of an image, and its index of addresses.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use addr2line::{LookupContinuation, LookupResult, SplitDwarfLoad};
use gimli::{DebugInfoOffset, EndianSlice, LittleEndian, SectionId};
use self_cell::self_cell;

use crate::addr::Svma;
use crate::source::streams::SymbolFrame;

use super::elf_file::ElfFile;
use super::split::SplitPlaces;

/// What [`gimli`] reads: bytes of a mapped file, or of an unpacked section.
pub type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// Inlining nests some ten deep; the bound is for tables that are damaged.
const MAX_INLINED: usize = 200;

/// The debug sections of an image: in its own file, or in a separate one; with what dwz moved to a
/// third, and what the compiler left in others.
#[derive(Debug)]
pub(super) struct DebugFiles {
    main: Sections,
    shared: Option<Sections>,
    /// Where split units are, and the package of them, which is looked for with the first.
    split: SplitPlaces,
    package: OnceCell<Option<Sections>>,
    /// Files of split units that were needed so far.
    opened: OnceCell<Box<Opened>>,
}

/// A list that only grows, so that what is in it can be borrowed as long as the list.
#[derive(Debug)]
struct Opened {
    file: Sections,
    next: OnceCell<Box<Opened>>,
}

/// The debug sections of one file.
#[derive(Debug)]
struct Sections {
    file: Rc<ElfFile>,
    /// Those that are stored compressed, unpacked at first use, as in [`SECTIONS`].
    unpacked: [OnceCell<Option<Vec<u8>>>; SECTIONS.len()],
}

impl Sections {
    fn new(file: Rc<ElfFile>) -> Sections {
        Sections {
            file,
            unpacked: Default::default(),
        }
    }

    /// The contents of a section; `name` is that of `id` itself or the one that it has in files of split units.
    fn get(&self, id: SectionId, name: &str) -> Slice<'_> {
        let index = SECTIONS.iter().position(|&known| known == id);
        let cell = index.and_then(|index| self.unpacked.get(index));
        let unpacked = cell.and_then(|cell| {
            let unpack = || match self.file.section(name)?.bytes {
                Cow::Owned(bytes) => Some(bytes),
                Cow::Borrowed(_) => None,
            };
            cell.get_or_init(unpack).as_deref()
        });
        let bytes = unpacked.or_else(|| self.file.raw_section(name)).unwrap_or_default();
        EndianSlice::new(bytes, LittleEndian)
    }

    fn split(&self, id: SectionId) -> Slice<'_> {
        id.dwo_name().map_or(empty(), |name| self.get(id, name))
    }
}

fn empty() -> Slice<'static> {
    EndianSlice::new(&[], LittleEndian)
}

impl DebugFiles {
    pub fn new(main: Rc<ElfFile>, shared: Option<Rc<ElfFile>>, split: SplitPlaces) -> DebugFiles {
        DebugFiles {
            main: Sections::new(main),
            shared: shared.map(Sections::new),
            split,
            package: OnceCell::new(),
            opened: OnceCell::new(),
        }
    }

    /// All sections.
    pub fn dwarf(&self) -> gimli::Dwarf<Slice<'_>> {
        self.load(|_| true)
    }

    /// All sections, for a look at a few units: their abbreviations are read when they are needed.
    pub fn dwarf_for_few_units(&self) -> gimli::Dwarf<Slice<'_>> {
        let mut dwarf = loaded(|id| self.main.get(id, id.name()));
        if let Some(shared) = &self.shared {
            dwarf.set_sup(loaded(|id| shared.get(id, id.name())));
        }
        dwarf
    }

    /// The sections with functions and lines: unpacking the others would double the time and memory.
    fn lines(&self) -> gimli::Dwarf<Slice<'_>> {
        use SectionId::{DebugLoc, DebugLocLists, DebugMacinfo, DebugMacro, DebugTypes};
        self.load(|id| !matches!(id, DebugLoc | DebugLocLists | DebugMacinfo | DebugMacro | DebugTypes))
    }

    fn load<'a>(&'a self, wanted: impl Fn(SectionId) -> bool) -> gimli::Dwarf<Slice<'a>> {
        let section = |sections: &'a Sections, id: SectionId| match wanted(id) {
            true => sections.get(id, id.name()),
            false => empty(),
        };
        let mut dwarf = loaded(|id| section(&self.main, id));
        if let Some(shared) = &self.shared {
            dwarf.set_sup(loaded(|id| section(shared, id)));
        }
        dwarf.populate_abbreviations_cache(gimli::AbbreviationsCacheStrategy::Duplicates);
        dwarf
    }

    /// A unit that the compiler left in a file of its own (DWARF 5, section 7.3.2), from a package beside the image
    /// or from that file.
    fn split_unit<'a>(&'a self, wanted: &SplitDwarfLoad<Slice<'a>>) -> Option<gimli::Dwarf<Slice<'a>>> {
        let package = self
            .package
            .get_or_init(|| Some(Sections::new(Rc::new(self.split.package()?))));
        let in_package = || {
            let sections = package.as_ref()?;
            let package = gimli::DwarfPackage::load(|id| Ok::<_, gimli::Error>(sections.split(id)), empty()).ok()?;
            package.find_cu(wanted.dwo_id, &wanted.parent).ok()?
        };
        in_package().or_else(|| {
            let text = |bytes: Option<&Slice<'_>>| Some(bytes?.to_string().ok()?.to_string());
            let (folder, name) = (text(wanted.comp_dir.as_ref()), text(wanted.path.as_ref())?);
            let candidates = self.split.units(&folder.unwrap_or_default(), &name);
            let mut sections = candidates.into_iter().map(|file| Sections::new(Rc::new(file)));
            let is_it = |sections: &Sections| {
                let dwarf = loaded(|id| sections.split(id));
                let header = dwarf.units().next().ok().flatten();
                let unit = header.and_then(|header| dwarf.unit(header).ok());
                unit.is_some_and(|unit| unit.dwo_id == Some(wanted.dwo_id))
            };
            let sections = self.keep(sections.find(is_it)?);
            let mut dwarf = loaded(|id| sections.split(id));
            dwarf.make_dwo(&wanted.parent);
            Some(dwarf)
        })
    }

    fn keep(&self, file: Sections) -> &Sections {
        let mut end = &self.opened;
        while let Some(opened) = end.get() {
            end = &opened.next;
        }
        let next = OnceCell::new();
        &end.get_or_init(|| Box::new(Opened { file, next })).file
    }
}

fn loaded<'a>(section: impl Fn(SectionId) -> Slice<'a>) -> gimli::Dwarf<Slice<'a>> {
    let Ok(dwarf) = gimli::Dwarf::load(|id| Ok::<_, Infallible>(section(id)));
    dwarf
}

/// Those that gimli and addr2line read.
const SECTIONS: [SectionId; 17] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugAranges,
    SectionId::DebugCuIndex,
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
    SectionId::DebugTuIndex,
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

    /// Where the unit that holds the code at an address begins; `None` also where that unit is in a file of its own.
    pub fn unit_at(&self, address: Svma) -> Option<DebugInfoOffset> {
        if address.0 == u64::MAX {
            return None;
        }
        self.cell
            .with_dependent(|_, index| match index.find_dwarf_and_unit(address.0) {
                LookupResult::Output(unit) => unit?.unit.header.debug_info_offset(),
                LookupResult::Load { .. } => None,
            })
    }

    /// The functions at an address, inlined ones first, and whether all files were there that name them. Where the
    /// debug information is damaged, those read before that.
    pub fn frames(&self, address: Svma) -> (Vec<SymbolFrame>, bool) {
        // addr2line adds one to it; nothing lies there.
        if address.0 == u64::MAX {
            return (Vec::new(), true);
        }
        self.cell.with_dependent(|files, index| {
            let mut frames = Vec::new();
            let mut is_complete = true;
            let mut step = index.find_frames(address.0);
            let found = loop {
                step = match step {
                    LookupResult::Output(found) => break found,
                    LookupResult::Load { load, continuation } => {
                        let unit = files.split_unit(&load).map(Arc::new);
                        is_complete &= unit.is_some();
                        continuation.resume(unit)
                    }
                };
            };
            let Ok(mut found) = found else {
                return (frames, is_complete);
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
            (frames, is_complete)
        })
    }
}
