//! The type of `_Py_DebugOffsets`, from the debug information of a build: what the words of its table are.

use std::fmt;

use super::dwarf::{complete_structure, structure_of, top_level};
use crate::image::{Die, Entries, Slice};

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
pub fn debug_offsets_type(dwarf: gimli::Dwarf<Slice<'_>>) -> Option<TableType> {
    let entries = Entries::new(dwarf);
    for root in entries.roots() {
        let mut structure = None;
        let search = top_level(&entries, &root.ok()?, |name, die| {
            if name == "_Py_DebugOffsets" && structure.is_none() {
                structure = complete_structure(&entries, &die, 0)?;
            }
            Ok(())
        });
        search.ok()?;
        if let Some(structure) = structure {
            return Some(described(&entries, &structure));
        }
    }
    None
}

fn described<'a>(entries: &Entries<'a>, structure: &Die<'a>) -> TableType {
    let mut groups = Vec::new();
    // Cookie, version and the free-threaded flag are no structures.
    for (name, member) in members(entries, structure, MAX_GROUPS) {
        let inner = member
            .entry()
            .and_then(|entry| structure_of(entries, &member, &entry, 0).ok()?);
        let Some(inner) = inner else { continue };
        let words = members(entries, &inner, MAX_WORDS).into_iter().map(|word| word.0);
        groups.push([name].into_iter().chain(words).collect());
    }
    TableType { groups }
}

fn members<'a>(entries: &Entries<'a>, structure: &Die<'a>, max: usize) -> Vec<(String, Die<'a>)> {
    let children = structure.children().into_iter();
    let members = children
        .filter(|(_, entry)| entry.tag() == gimli::DW_TAG_member)
        .take(max);
    let named = members.map(|(die, entry)| {
        let name = entries.name(&die, &entry).ok().flatten();
        (
            name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            die,
        )
    });
    named.collect()
}
