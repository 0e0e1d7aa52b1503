//! Offsets from the debug information of a build (DWARF 5, sections 5.7.1 and 5.7.6).

use std::cell::Cell;
use std::collections::HashMap;

use super::schema::{Offset, Offsets, Slot};
use crate::image::{Die, Entries, Entry, Slice};

/// Debug information that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DwarfError {
    /// A unit or entry is broken.
    #[error("broken debug information: {0}")]
    Read(#[from] gimli::Error),
    /// A type is in a file that is not there, or damaged.
    #[error("the debug information refers to a type that is not there")]
    Elsewhere,
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
pub fn offsets_from_dwarf(dwarf: gimli::Dwarf<Slice<'_>>) -> Result<Offsets, DwarfError> {
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
    let entries = Entries::new(dwarf);
    for root in entries.roots() {
        scan_unit(&entries, &root?, &mut wanted, &mut found)?;
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
fn scan_unit<'a>(
    entries: &Entries<'a>,
    root: &Die<'a>,
    wanted: &mut HashMap<&'static str, Vec<Wanted>>,
    found: &mut [Offset],
) -> Result<(), DwarfError> {
    top_level(entries, root, |name, die| {
        let Some((&key, _)) = wanted.get_key_value(name) else {
            return Ok(());
        };
        let Some(structure) = complete_structure(entries, &die, 0)? else {
            return Ok(());
        };
        for field in wanted.remove(key).unwrap_or_default() {
            let offset = if field.members.is_empty() {
                byte_size(&structure)?
            } else {
                first_path(entries, &structure, field.members)?
            };
            if let (Some(bytes), Some(slot)) = (offset, found.get_mut(field.slot)) {
                *slot = Offset::new(bytes);
            }
        }
        Ok(())
    })
}

/// Visits the structures and typedefs at the top of a unit, with their names.
pub(super) fn top_level<'a>(
    entries: &Entries<'a>,
    root: &Die<'a>,
    mut visit: impl FnMut(&str, Die<'a>) -> Result<(), DwarfError>,
) -> Result<(), DwarfError> {
    let mut cursor = root.unit.entries();
    // The root, then its first child; functions below are skipped by DW_AT_sibling.
    if cursor.next_dfs()?.is_none() {
        return Ok(());
    }
    let mut next = cursor.next_dfs()?;
    while let Some(entry) = next {
        if matches!(entry.tag(), gimli::DW_TAG_structure_type | gimli::DW_TAG_typedef)
            && let Some(name) = entries.name(root, entry)?
            && let Ok(name) = name.to_string()
        {
            visit(name, root.beside(entry.offset()))?;
        }
        next = cursor.next_sibling()?;
    }
    Ok(())
}

/// Follows typedefs and qualifiers to a structure or union with members.
pub(super) fn complete_structure<'a>(
    entries: &Entries<'a>,
    at: &Die<'a>,
    depth: u32,
) -> Result<Option<Die<'a>>, DwarfError> {
    let entry = at.unit.entry(at.offset)?;
    match entry.tag() {
        gimli::DW_TAG_structure_type | gimli::DW_TAG_union_type => {
            Ok((!entry.has_attr(gimli::DW_AT_declaration)).then(|| at.clone()))
        }
        gimli::DW_TAG_typedef | gimli::DW_TAG_const_type | gimli::DW_TAG_volatile_type | gimli::DW_TAG_atomic_type
            if depth < MAX_DEPTH =>
        {
            structure_of(entries, at, &entry, depth + 1)
        }
        _ => Ok(None),
    }
}

/// The structure that is the type of an entry.
pub(super) fn structure_of<'a>(
    entries: &Entries<'a>,
    at: &Die<'a>,
    entry: &Entry<'a>,
    depth: u32,
) -> Result<Option<Die<'a>>, DwarfError> {
    match entries.target(at, entry, gimli::DW_AT_type) {
        Some(target) => complete_structure(entries, &target, depth),
        None if entry.has_attr(gimli::DW_AT_type) => Err(DwarfError::Elsewhere),
        None => Ok(None),
    }
}

fn byte_size(structure: &Die<'_>) -> Result<Option<u64>, DwarfError> {
    let entry = structure.unit.entry(structure.offset)?;
    Ok(entry
        .attr_value(gimli::DW_AT_byte_size)
        .and_then(|size| size.udata_value()))
}

fn first_path<'a>(entries: &Entries<'a>, structure: &Die<'a>, paths: &[&str]) -> Result<Option<u64>, DwarfError> {
    for path in paths {
        if let Some(offset) = member_offset(entries, structure, path, &Cell::new(MAX_STRUCTURES))? {
            return Ok(Some(offset));
        }
    }
    Ok(None)
}

/// The offset of `path` ("interpreters.head") in a structure; unnamed members are looked into, `left` structures in all.
fn member_offset<'a>(
    entries: &Entries<'a>,
    structure: &Die<'a>,
    path: &str,
    left: &Cell<u32>,
) -> Result<Option<u64>, DwarfError> {
    match left.get().checked_sub(1) {
        Some(less) => left.set(less),
        None => return Ok(None),
    }
    let (first, rest) = path
        .split_once('.')
        .map_or((path, None), |(first, rest)| (first, Some(rest)));
    let mut tree = structure.unit.entries_tree(Some(structure.offset))?;
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
        let name = entries.name(structure, member)?;
        let inner = |path: &str| -> Result<Option<u64>, DwarfError> {
            let Some(target) = structure_of(entries, structure, member, 0)? else {
                return Ok(None);
            };
            let offset = member_offset(entries, &target, path, left)?;
            Ok(offset.and_then(|offset| start.checked_add(offset)))
        };
        match name {
            Some(name) if name.slice() == first.as_bytes() => {
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
    use gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};

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
        assert!(matches!(offsets_from_dwarf(dwarf), Err(DwarfError::NothingFound)));
    }
}
