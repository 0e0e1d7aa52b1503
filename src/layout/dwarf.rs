//! Offsets from the debug information of a build (DWARF 5, sections 5.7.1 and 5.7.6).

use std::cell::Cell;
use std::collections::HashMap;

use gimli::{AttributeValue, DebuggingInformationEntry, Dwarf, Reader, Unit, UnitOffset};

use super::schema::{Offset, Offsets, Slot};

/// Debug information that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DwarfError {
    /// A unit or entry is broken.
    #[error("broken debug information: {0}")]
    Read(#[from] gimli::Error),
    /// None of CPython's structures is described.
    #[error("the debug information describes none of CPython's structures")]
    NothingFound,
}

/// How many names of one type are followed; CPython's have 4.
const MAX_DEPTH: u32 = 8;
/// How many structures are looked into for one member path. Unnamed members that hold themselves would multiply with
/// each step.
const MAX_STRUCTURES: u32 = 100;

/// One wanted field: index of its slot in schema order, and its member paths.
struct Wanted {
    slot: usize,
    members: &'static [&'static str],
}

/// Reads the offsets of all fields of the schema from one file's debug information.
///
/// # Errors
/// When the debug information is broken or describes no structure of CPython.
pub fn offsets_from_dwarf<R: Reader>(dwarf: &Dwarf<R>) -> Result<Offsets, DwarfError> {
    let mut wanted: HashMap<&'static str, Vec<Wanted>> = HashMap::new();
    let mut index = 0;
    Offsets::default().for_each(&mut |slot: Slot<'_>| {
        for structure in slot.structures {
            wanted.entry(structure).or_default().push(Wanted {
                slot: index,
                members: slot.members,
            });
        }
        index += 1;
    });
    let mut found = vec![Offset::ABSENT; index];
    let mut units = dwarf.units();
    while let Some(header) = units.next()? {
        let unit = dwarf.unit(header)?;
        scan_unit(dwarf, &unit, &mut wanted, &mut found)?;
        if wanted.is_empty() {
            break;
        }
    }
    let mut offsets = Offsets::default();
    let mut values = found.iter().copied();
    offsets.for_each(&mut |slot| *slot.offset = values.next().unwrap_or_default());
    if offsets == Offsets::default() {
        Err(DwarfError::NothingFound)
    } else {
        Ok(offsets)
    }
}

/// Looks at the top-level types of a unit; a structure that was found leaves `wanted`.
fn scan_unit<R: Reader>(
    dwarf: &Dwarf<R>,
    unit: &Unit<R>,
    wanted: &mut HashMap<&'static str, Vec<Wanted>>,
    found: &mut [Offset],
) -> gimli::Result<()> {
    let mut entries = unit.entries();
    // The root, then its first child; functions below are skipped by DW_AT_sibling.
    if entries.next_dfs()?.is_none() {
        return Ok(());
    }
    let mut next = entries.next_dfs()?;
    while let Some(entry) = next {
        if matches!(entry.tag(), gimli::DW_TAG_structure_type | gimli::DW_TAG_typedef)
            && let Some(name) = entry.attr_value(gimli::DW_AT_name)
        {
            let name = dwarf.attr_string(unit, name)?;
            let name = name.to_string_lossy()?;
            if wanted.contains_key(name.as_ref())
                && let Some(structure) = complete_structure(unit, entry.offset(), 0)?
                && let Some((&key, _)) = wanted.get_key_value(name.as_ref())
                && let Some(fields) = wanted.remove(key)
            {
                for field in fields {
                    let offset = if field.members.is_empty() {
                        byte_size(unit, structure)?
                    } else {
                        first_path(dwarf, unit, structure, field.members)?
                    };
                    if let (Some(bytes), Some(slot)) = (offset, found.get_mut(field.slot)) {
                        *slot = Offset::new(bytes);
                    }
                }
            }
        }
        next = entries.next_sibling()?;
    }
    Ok(())
}

/// Follows typedefs and qualifiers to a structure or union with members.
pub(super) fn complete_structure<R: Reader>(
    unit: &Unit<R>,
    at: UnitOffset<R::Offset>,
    depth: u32,
) -> gimli::Result<Option<UnitOffset<R::Offset>>> {
    let entry = unit.entry(at)?;
    match entry.tag() {
        gimli::DW_TAG_structure_type | gimli::DW_TAG_union_type => {
            Ok((!entry.has_attr(gimli::DW_AT_declaration)).then_some(at))
        }
        gimli::DW_TAG_typedef | gimli::DW_TAG_const_type | gimli::DW_TAG_volatile_type | gimli::DW_TAG_atomic_type
            if depth < MAX_DEPTH =>
        {
            match type_of(&entry) {
                Some(target) => complete_structure(unit, target, depth + 1),
                None => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

pub(super) fn type_of<R: Reader>(entry: &DebuggingInformationEntry<R>) -> Option<UnitOffset<R::Offset>> {
    match entry.attr_value(gimli::DW_AT_type)? {
        AttributeValue::UnitRef(offset) => Some(offset),
        _ => None,
    }
}

fn byte_size<R: Reader>(unit: &Unit<R>, structure: UnitOffset<R::Offset>) -> gimli::Result<Option<u64>> {
    let entry = unit.entry(structure)?;
    Ok(entry
        .attr_value(gimli::DW_AT_byte_size)
        .and_then(|size| size.udata_value()))
}

fn first_path<R: Reader>(
    dwarf: &Dwarf<R>,
    unit: &Unit<R>,
    structure: UnitOffset<R::Offset>,
    paths: &[&str],
) -> gimli::Result<Option<u64>> {
    for path in paths {
        if let Some(offset) = member_offset(dwarf, unit, structure, path, &Cell::new(MAX_STRUCTURES))? {
            return Ok(Some(offset));
        }
    }
    Ok(None)
}

/// The offset of `path` ("interpreters.head") in a structure; unnamed members are looked into, `left` structures in all.
fn member_offset<R: Reader>(
    dwarf: &Dwarf<R>,
    unit: &Unit<R>,
    structure: UnitOffset<R::Offset>,
    path: &str,
    left: &Cell<u32>,
) -> gimli::Result<Option<u64>> {
    match left.get().checked_sub(1) {
        Some(less) => left.set(less),
        None => return Ok(None),
    }
    let (first, rest) = path
        .split_once('.')
        .map_or((path, None), |(first, rest)| (first, Some(rest)));
    let mut tree = unit.entries_tree(Some(structure))?;
    let mut children = tree.root()?.children();
    while let Some(child) = children.next()? {
        let member = child.entry();
        if member.tag() != gimli::DW_TAG_member {
            continue;
        }
        let start = member
            .attr_value(gimli::DW_AT_data_member_location)
            .and_then(|at| at.udata_value())
            .unwrap_or(0);
        let name = match member.attr_value(gimli::DW_AT_name) {
            Some(name) => Some(dwarf.attr_string(unit, name)?),
            None => None,
        };
        let inner = |path: &str| -> gimli::Result<Option<u64>> {
            let Some(target) = type_of(member) else { return Ok(None) };
            let Some(target) = complete_structure(unit, target, 0)? else {
                return Ok(None);
            };
            Ok(member_offset(dwarf, unit, target, path, left)?.map(|offset| start + offset))
        };
        match name {
            Some(name) if name.to_string_lossy()? == first => {
                return match rest {
                    None => Ok(Some(start)),
                    Some(rest) => inner(rest),
                };
            }
            Some(_) => {}
            None => {
                if let Some(offset) = inner(path)? {
                    return Ok(Some(offset));
                }
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use gimli::{EndianSlice, LittleEndian, SectionId};

    use super::*;

    #[test]
    fn members_without_names_that_hold_themselves_end() {
        const ABBREVIATIONS: &[u8] = &[
            1, 0x11, 1, 0, 0, // DW_TAG_compile_unit
            2, 0x13, 1, 0x03, 0x08, 0, 0, // DW_TAG_structure_type: DW_AT_name as DW_FORM_string
            3, 0x0d, 0, 0x49, 0x13, 0, 0, // DW_TAG_member: DW_AT_type as DW_FORM_ref4
            0,
        ];
        let mut unit = vec![4, 0, 0, 0, 0, 0, 8, 1];
        let structure = 4 + unit.len() as u32;
        unit.extend(b"\x02_ts\0");
        for _ in 0..50 {
            unit.push(3);
            unit.extend(structure.to_le_bytes());
        }
        unit.extend([0, 0]);
        let mut info = (unit.len() as u32).to_le_bytes().to_vec();
        info.append(&mut unit);
        let dwarf = Dwarf::load(|id| -> Result<_, gimli::Error> {
            let section: &[u8] = match id {
                SectionId::DebugAbbrev => ABBREVIATIONS,
                SectionId::DebugInfo => &info,
                _ => &[],
            };
            Ok(EndianSlice::new(section, LittleEndian))
        })
        .unwrap();
        // The structure is read: its size is asked for, and it has none.
        assert!(matches!(offsets_from_dwarf(&dwarf), Err(DwarfError::NothingFound)));
    }
}
