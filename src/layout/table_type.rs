//! The type of `_Py_DebugOffsets`, from the debug information of a build: what the words of its table are.

use std::fmt;

use gimli::{Dwarf, Reader, Unit, UnitOffset};

use super::dwarf::{complete_structure, type_of};

/// CPython's has 19 groups of at most 24 words.
const MAX_GROUPS: usize = 100;
const MAX_WORDS: usize = 200;

/// The groups of the table and their fields, in order, all by their C names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableType {
    /// Name of a group, then its fields.
    pub groups: Vec<Vec<String>>,
}

impl TableType {
    /// The words in order, by their names `group.field`.
    pub fn words(&self) -> Vec<String> {
        let groups = self.groups.iter().filter_map(|group| group.split_first());
        groups
            .flat_map(|(group, fields)| fields.iter().map(move |field| format!("{group}.{field}")))
            .collect()
    }
}

impl fmt::Display for TableType {
    /// As it stands in debug_offsets.rs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for group in &self.groups {
            writeln!(f, "        \"{}\",", group.join(" "))?;
        }
        Ok(())
    }
}

/// The type, from the first unit that describes it. `None` where none does, or the debug information is broken.
pub fn debug_offsets_type<R: Reader>(dwarf: &Dwarf<R>) -> Option<TableType> {
    let mut units = dwarf.units();
    while let Some(header) = units.next().ok()? {
        let unit = dwarf.unit(header).ok()?;
        if let Some(found) = in_unit(dwarf, &unit).ok()? {
            return Some(found);
        }
    }
    None
}

fn in_unit<R: Reader>(dwarf: &Dwarf<R>, unit: &Unit<R>) -> gimli::Result<Option<TableType>> {
    let mut entries = unit.entries();
    if entries.next_dfs()?.is_none() {
        return Ok(None);
    }
    let mut next = entries.next_dfs()?;
    while let Some(entry) = next {
        if entry.tag() == gimli::DW_TAG_structure_type
            && let Some(name) = entry.attr_value(gimli::DW_AT_name)
            && dwarf.attr_string(unit, name)?.to_string_lossy()? == "_Py_DebugOffsets"
            && let Some(structure) = complete_structure(unit, entry.offset(), 0)?
        {
            let mut groups = Vec::new();
            // Cookie, version and the free-threaded flag are no structures.
            for (name, of_type) in members(dwarf, unit, structure, MAX_GROUPS)? {
                let Some(of_type) = of_type else { continue };
                let Some(inner) = complete_structure(unit, of_type, 0)? else {
                    continue;
                };
                let words = members(dwarf, unit, inner, MAX_WORDS)?;
                groups.push([name].into_iter().chain(words.into_iter().map(|word| word.0)).collect());
            }
            return Ok(Some(TableType { groups }));
        }
        next = entries.next_sibling()?;
    }
    Ok(None)
}

type Member<R> = (String, Option<UnitOffset<<R as Reader>::Offset>>);

fn members<R: Reader>(
    dwarf: &Dwarf<R>,
    unit: &Unit<R>,
    structure: UnitOffset<R::Offset>,
    max: usize,
) -> gimli::Result<Vec<Member<R>>> {
    let mut tree = unit.entries_tree(Some(structure))?;
    let mut children = tree.root()?.children();
    let mut list = Vec::new();
    while let Some(child) = children.next()? {
        let member = child.entry();
        if member.tag() != gimli::DW_TAG_member || list.len() == max {
            continue;
        }
        let name = match member.attr_value(gimli::DW_AT_name) {
            Some(name) => dwarf.attr_string(unit, name)?.to_string_lossy()?.into_owned(),
            None => String::new(),
        };
        list.push((name, type_of(member)));
    }
    Ok(list)
}
