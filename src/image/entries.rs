//! The entries of debug information, and where they refer to: into their own unit, another one, the unit of one type
//! (`-fdebug-types-section`), or the file that dwz moved common parts to.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use gimli::{
    AttributeValue, DebugInfoOffset, DebugTypeSignature, DebuggingInformationEntry, DwAt, Dwarf, Unit, UnitHeader,
    UnitOffset, UnitType,
};

use super::dwarf::Slice;

/// The most children of one entry that are looked at: tables may be damaged.
const MAX_CHILDREN: usize = 100_000;

/// An entry that was read.
pub type Entry<'a> = DebuggingInformationEntry<Slice<'a>>;

/// An entry, by its place.
#[derive(Clone)]
pub struct Die<'a> {
    /// The unit that holds it.
    pub unit: Rc<Unit<Slice<'a>>>,
    /// Where it is in that.
    pub offset: UnitOffset,
    /// Whether that unit is in the file of dwz.
    is_shared: bool,
}

impl<'a> Die<'a> {
    /// Reads it.
    pub fn entry(&self) -> Option<Entry<'a>> {
        self.unit.entry(self.offset).ok()
    }

    /// Another one of the same unit.
    pub fn beside(&self, offset: UnitOffset) -> Die<'a> {
        Die { offset, ..self.clone() }
    }

    /// The entries below it; those before the first that is broken.
    pub fn children(&self) -> Vec<(Die<'a>, Entry<'a>)> {
        let mut found = Vec::new();
        let Ok(mut tree) = self.unit.entries_tree(Some(self.offset)) else {
            return found;
        };
        let Ok(root) = tree.root() else { return found };
        let mut children = root.children();
        while let Ok(Some(child)) = children.next() {
            let entry = child.entry().clone();
            found.push((self.beside(entry.offset()), entry));
            if found.len() == MAX_CHILDREN {
                break;
            }
        }
        found
    }
}

/// Where a unit begins, behind whether it is in the file of dwz.
type Place = (bool, usize);

/// The debug information of one image.
pub struct Entries<'a> {
    /// Its sections.
    pub dwarf: Dwarf<Slice<'a>>,
    /// Units that others refer to.
    units: RefCell<BTreeMap<Place, Rc<Unit<Slice<'a>>>>>,
    /// Where the units of both files begin.
    starts: [OnceCell<Vec<usize>>; 2],
    /// The units of one type each.
    types: OnceCell<HashMap<DebugTypeSignature, UnitHeader<Slice<'a>>>>,
    /// Those that were referred to.
    used_types: RefCell<HashMap<DebugTypeSignature, Option<Die<'a>>>>,
}

impl<'a> Entries<'a> {
    /// Of these sections.
    pub fn new(dwarf: Dwarf<Slice<'a>>) -> Entries<'a> {
        Entries {
            dwarf,
            units: RefCell::default(),
            starts: Default::default(),
            types: OnceCell::new(),
            used_types: RefCell::default(),
        }
    }

    /// The first entry of each unit, those of types and of the shared file last.
    pub fn roots(&self) -> impl Iterator<Item = gimli::Result<Die<'a>>> {
        let mut units = self.dwarf.units();
        let mut types = self.dwarf.type_units();
        let mut shared = self.dwarf.sup().map(Dwarf::units);
        let own = std::iter::from_fn(move || units.next().transpose());
        let types = std::iter::from_fn(move || types.next().transpose());
        let shared = std::iter::from_fn(move || shared.as_mut()?.next().transpose());
        let own = own.chain(types).map(|header| self.root(header?, false));
        own.chain(shared.map(|header| self.root(header?, true)))
    }

    fn root(&self, header: UnitHeader<Slice<'a>>, is_shared: bool) -> gimli::Result<Die<'a>> {
        let file = if is_shared { self.dwarf.sup() } else { None };
        Ok(Die {
            offset: header.root_offset(),
            unit: Rc::new(file.unwrap_or(&self.dwarf).unit(header)?),
            is_shared,
        })
    }

    /// The first entry of the unit that begins there.
    pub fn root_at(&self, start: DebugInfoOffset) -> Option<Die<'a>> {
        self.root(self.dwarf.unit_header(start).ok()?, false).ok()
    }

    /// The sections that hold an entry.
    pub fn file(&self, die: &Die<'a>) -> &Dwarf<Slice<'a>> {
        match self.dwarf.sup() {
            Some(shared) if die.is_shared => shared,
            _ => &self.dwarf,
        }
    }

    /// The name of an entry; `None` where it has none.
    ///
    /// # Errors
    /// When it has one that cannot be read, as that of a file that is not there.
    pub fn name(&self, die: &Die<'a>, entry: &Entry<'a>) -> gimli::Result<Option<Slice<'a>>> {
        let name = entry.attr_value(gimli::DW_AT_name);
        name.map(|name| self.file(die).attr_string(&die.unit, name)).transpose()
    }

    /// The entry that an attribute refers to. Of a type that is only declared there, the one that has its members, where
    /// it says which.
    pub fn target(&self, from: &Die<'a>, entry: &Entry<'a>, attribute: DwAt) -> Option<Die<'a>> {
        let target = self.referred(from, entry, attribute)?;
        let of_type = target.entry().filter(|entry| entry.has_attr(gimli::DW_AT_declaration));
        let whole = of_type.and_then(|entry| self.referred(&target, &entry, gimli::DW_AT_signature));
        Some(whole.unwrap_or(target))
    }

    fn referred(&self, from: &Die<'a>, entry: &Entry<'a>, attribute: DwAt) -> Option<Die<'a>> {
        match entry.attr_value(attribute)? {
            AttributeValue::UnitRef(offset) => Some(from.beside(offset)),
            AttributeValue::DebugInfoRef(offset) => self.find(offset, from.is_shared),
            AttributeValue::DebugInfoRefSup(offset) => self.find(offset, true),
            AttributeValue::DebugTypesRef(signature) => self.of_type(signature),
            _ => None,
        }
    }

    /// The entry at a place in the section of the image's own file, in whichever unit.
    pub fn at(&self, offset: DebugInfoOffset) -> Option<Die<'a>> {
        self.find(offset, false)
    }

    fn find(&self, offset: DebugInfoOffset, is_shared: bool) -> Option<Die<'a>> {
        let file = if is_shared { self.dwarf.sup()? } else { &self.dwarf };
        let starts = self.starts[usize::from(is_shared)].get_or_init(|| {
            let mut starts = Vec::new();
            let mut units = file.units();
            while let Ok(Some(header)) = units.next() {
                starts.extend(header.debug_info_offset().map(|start| start.0));
            }
            starts
        });
        let index = starts.partition_point(|&start| start <= offset.0).checked_sub(1)?;
        let start = *starts.get(index)?;
        let known = self.units.borrow().get(&(is_shared, start)).cloned();
        let unit = match known {
            Some(unit) => unit,
            None => {
                let header = file.unit_header(DebugInfoOffset(start)).ok()?;
                let unit = Rc::new(file.unit(header).ok()?);
                self.units.borrow_mut().insert((is_shared, start), unit.clone());
                unit
            }
        };
        let offset = offset.to_unit_offset(&unit.header)?;
        Some(Die {
            unit,
            offset,
            is_shared,
        })
    }

    /// The type of a unit of its own (DWARF 5, section 7.5.1.3; `.debug_types` of DWARF 4).
    fn of_type(&self, signature: DebugTypeSignature) -> Option<Die<'a>> {
        if let Some(known) = self.used_types.borrow().get(&signature) {
            return known.clone();
        }
        let types = self.types.get_or_init(|| {
            let mut types = HashMap::new();
            let (mut units, mut old) = (self.dwarf.units(), self.dwarf.type_units());
            let headers = std::iter::from_fn(|| units.next().ok()?);
            for header in headers.chain(std::iter::from_fn(|| old.next().ok()?)) {
                if let UnitType::Type { type_signature, .. } = header.type_() {
                    types.insert(type_signature, header);
                }
            }
            types
        });
        let find = || {
            let header = *types.get(&signature)?;
            let UnitType::Type { type_offset, .. } = header.type_() else {
                return None;
            };
            Some(self.root(header, false).ok()?.beside(type_offset))
        };
        let found = find();
        self.used_types.borrow_mut().insert(signature, found.clone());
        found
    }
}
