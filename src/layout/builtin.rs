//! The built-in rows: offsets of builds whose debug information was read when the table was made.

use std::collections::BTreeMap;

use super::schema::Offsets;
use super::versions::PythonVersion;

/// One line per field, one column per build; `-` where the build has no such field. Generated:
/// `UPDATE_GOLDENS=1 cargo test --test it layout` rewrites it from the builds at hand.
pub const TABLE: &str = include_str!("builtin.tsv");

/// One column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltinRow {
    /// The build it was made from.
    pub version: PythonVersion,
    /// Its offsets.
    pub offsets: Offsets,
}

/// The table that is compiled in.
pub fn builtin_table() -> Vec<BuiltinRow> {
    parse_table(TABLE)
}

/// The row for a release build of `version`: same minor, the nearest micro release at or before it,
/// else the nearest after it. Offsets do move within a minor, so whoever uses it probes it first.
pub fn builtin(version: PythonVersion) -> Option<BuiltinRow> {
    let mut rows: Vec<BuiltinRow> = builtin_table()
        .into_iter()
        .filter(|row| (row.version.major(), row.version.minor()) == (version.major(), version.minor()))
        .collect();
    rows.sort_by_key(|row| row.version);
    let at_or_before = rows.iter().rposition(|row| row.version <= version).unwrap_or(0);
    (at_or_before < rows.len()).then(|| rows.swap_remove(at_or_before))
}

/// Reads a table in the format of [`TABLE`].
pub fn parse_table(text: &str) -> Vec<BuiltinRow> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let versions: Vec<PythonVersion> = lines
        .next()
        .unwrap_or_default()
        .split('\t')
        .skip(1)
        .filter_map(parse_version)
        .collect();
    let mut maps = vec![BTreeMap::new(); versions.len()];
    for line in lines {
        let mut cells = line.split('\t');
        let Some(field) = cells.next() else { continue };
        for (map, cell) in maps.iter_mut().zip(cells) {
            if let Ok(bytes) = cell.parse::<u32>() {
                map.insert(field.to_string(), bytes);
            }
        }
    }
    versions
        .into_iter()
        .zip(maps)
        .map(|(version, map)| BuiltinRow {
            version,
            offsets: Offsets::from_map(&map),
        })
        .collect()
}

/// Writes a table in the format of [`TABLE`].
pub fn format_table(rows: &[BuiltinRow]) -> String {
    let mut text =
        String::from("# Generated from the DWARF of release builds, x86_64, with the GIL; see builtin.rs.\nfield");
    for row in rows {
        text.push_str(&format!("\t{}", row.version));
    }
    text.push('\n');
    let maps: Vec<_> = rows.iter().map(|row| row.offsets.to_map()).collect();
    let mut names = Vec::new();
    Offsets::default().for_each(&mut |slot| names.push(slot.name));
    for name in names {
        text.push_str(name);
        for map in &maps {
            match map.get(name) {
                Some(bytes) => text.push_str(&format!("\t{bytes}")),
                None => text.push_str("\t-"),
            }
        }
        text.push('\n');
    }
    text
}

/// Parses `3.12.1`.
pub fn parse_version(text: &str) -> Option<PythonVersion> {
    let mut parts = text.split('.').map(|part| part.parse::<u8>().ok());
    let version = PythonVersion::release(parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(version)
}
