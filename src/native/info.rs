//! The debug information of one image, seen from the unit that holds the code.

use gimli::{DebugInfoOffset, DwAt};

use crate::addr::Svma;
use crate::image::{Die, Entries, Entry, Image};

/// How far entries that refer to each other are followed; compilers need 3.
const MAX_DEPTH: u32 = 8;

/// Debug information, and where in it one starts.
pub(super) struct Info<'a> {
    pub entries: Entries<'a>,
    root: Die<'a>,
}

impl<'a> Info<'a> {
    /// Of the unit that holds the code at an address; `None` where none does.
    pub fn of_unit(image: &'a Image, address: Svma) -> Option<Info<'a>> {
        let start = image.unit_at(address)?;
        let entries = Entries::new(image.dwarf_for_few_units()?);
        let root = entries.root_at(start)?;
        Some(Info { entries, root })
    }

    pub fn root(&self) -> Die<'a> {
        self.root.clone()
    }

    /// The entry that an attribute refers to.
    pub fn target(&self, from: &Die<'a>, entry: &Entry<'a>, attribute: DwAt) -> Option<Die<'a>> {
        self.entries.target(from, entry, attribute)
    }

    /// The entry at a place in the section, in whichever unit.
    pub fn at(&self, offset: DebugInfoOffset) -> Option<Die<'a>> {
        self.entries.at(offset)
    }

    /// The first of an entry and of those it completes (`DW_AT_abstract_origin`, `DW_AT_specification`) for which there
    /// is an answer.
    pub fn inherited<T>(&self, die: &Die<'a>, ask: impl Fn(&Die<'a>, &Entry<'a>) -> Option<T>) -> Option<T> {
        let mut die = die.clone();
        for _ in 0..MAX_DEPTH {
            let entry = die.entry()?;
            if let Some(found) = ask(&die, &entry) {
                return Some(found);
            }
            let origin = self.target(&die, &entry, gimli::DW_AT_abstract_origin);
            die = origin.or_else(|| self.target(&die, &entry, gimli::DW_AT_specification))?;
        }
        None
    }

    /// The name of an entry, its own or that of the one it completes.
    pub fn name(&self, die: &Die<'a>) -> Option<String> {
        self.inherited(die, |die, entry| {
            let name = self.entries.name(die, entry).ok()??;
            Some(name.to_string_lossy().into_owned())
        })
    }

    /// The type of an entry.
    pub fn type_of(&self, die: &Die<'a>) -> Option<Die<'a>> {
        self.inherited(die, |die, entry| self.target(die, entry, gimli::DW_AT_type))
    }

    /// Whether the code of an entry holds an address.
    pub fn covers(&self, die: &Die<'a>, entry: &Entry<'a>, address: Svma) -> bool {
        self.range_at(die, entry, address).is_some()
    }

    /// The part of an entry's code that holds an address.
    pub fn range_at(&self, die: &Die<'a>, entry: &Entry<'a>, address: Svma) -> Option<gimli::Range> {
        let mut ranges = self.entries.file(die).die_ranges(&die.unit, entry).ok()?;
        while let Ok(Some(range)) = ranges.next() {
            if (range.begin..range.end).contains(&address.0) {
                return Some(range);
            }
        }
        None
    }
}
