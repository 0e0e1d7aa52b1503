//! The debug information of one image: its entries, and where they refer to.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use gimli::{AttributeValue, DebugInfoOffset, DebuggingInformationEntry, DwAt, Unit, UnitOffset};

use crate::addr::Svma;
use crate::image::{Image, Slice};

/// How far entries that refer to each other are followed; compilers need 3.
const MAX_DEPTH: u32 = 8;
/// The most children of one entry that are looked at: tables may be damaged.
const MAX_CHILDREN: usize = 100_000;

/// Debug information, seen from one unit.
pub(super) struct Info<'a> {
    pub dwarf: gimli::Dwarf<Slice<'a>>,
    /// The unit that holds the code.
    pub unit: Rc<Unit<Slice<'a>>>,
    /// Units that others refer to, by where they begin.
    others: RefCell<BTreeMap<usize, Rc<Unit<Slice<'a>>>>>,
    /// Where each unit begins.
    starts: OnceCell<Vec<usize>>,
}

pub(super) type Entry<'a> = DebuggingInformationEntry<Slice<'a>>;

/// An entry, by its place.
#[derive(Clone)]
pub(super) struct Die<'a> {
    pub unit: Rc<Unit<Slice<'a>>>,
    pub offset: UnitOffset,
}

impl<'a> Die<'a> {
    pub fn entry(&self) -> Option<Entry<'a>> {
        self.unit.entry(self.offset).ok()
    }

    /// The entries below it.
    pub fn children(&self) -> Vec<(Die<'a>, Entry<'a>)> {
        let mut found = Vec::new();
        let Ok(mut tree) = self.unit.entries_tree(Some(self.offset)) else {
            return found;
        };
        let Ok(root) = tree.root() else { return found };
        let mut children = root.children();
        while let Ok(Some(child)) = children.next() {
            let entry = child.entry().clone();
            let die = Die {
                unit: self.unit.clone(),
                offset: entry.offset(),
            };
            found.push((die, entry));
            if found.len() == MAX_CHILDREN {
                break;
            }
        }
        found
    }
}

impl<'a> Info<'a> {
    /// Of the unit that holds the code at an address; `None` where none does.
    pub fn of_unit(image: &'a Image, address: Svma) -> Option<Info<'a>> {
        let start = image.unit_at(address)?;
        let dwarf = image.dwarf_for_few_units()?;
        let header = dwarf.unit_header(start).ok()?;
        let unit = Rc::new(dwarf.unit(header).ok()?);
        Some(Info {
            dwarf,
            unit,
            others: RefCell::default(),
            starts: OnceCell::new(),
        })
    }

    pub fn root(&self) -> Die<'a> {
        Die {
            unit: self.unit.clone(),
            offset: self.unit.header.root_offset(),
        }
    }

    /// The entry that an attribute refers to.
    pub fn target(&self, from: &Die<'a>, entry: &Entry<'a>, attribute: DwAt) -> Option<Die<'a>> {
        match entry.attr_value(attribute)? {
            AttributeValue::UnitRef(offset) => Some(Die {
                unit: from.unit.clone(),
                offset,
            }),
            AttributeValue::DebugInfoRef(offset) => self.at(offset),
            _ => None,
        }
    }

    /// The entry at a place in the section, in whichever unit.
    pub fn at(&self, offset: DebugInfoOffset) -> Option<Die<'a>> {
        let starts = self.starts.get_or_init(|| {
            let mut starts = Vec::new();
            let mut units = self.dwarf.units();
            while let Ok(Some(header)) = units.next() {
                starts.extend(header.debug_info_offset().map(|start| start.0));
            }
            starts
        });
        let index = starts.partition_point(|&start| start <= offset.0).checked_sub(1)?;
        let start = *starts.get(index)?;
        let known = self.others.borrow().get(&start).cloned();
        let unit = match known {
            Some(unit) => unit,
            None => {
                let header = self.dwarf.unit_header(DebugInfoOffset(start)).ok()?;
                let unit = Rc::new(self.dwarf.unit(header).ok()?);
                self.others.borrow_mut().insert(start, unit.clone());
                unit
            }
        };
        let offset = offset.to_unit_offset(&unit.header)?;
        Some(Die { unit, offset })
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
            let name = entry.attr_value(gimli::DW_AT_name)?;
            let name = self.dwarf.attr_string(&die.unit, name).ok()?;
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
        let mut ranges = self.dwarf.die_ranges(&die.unit, entry).ok()?;
        while let Ok(Some(range)) = ranges.next() {
            if (range.begin..range.end).contains(&address.0) {
                return Some(range);
            }
        }
        None
    }
}
