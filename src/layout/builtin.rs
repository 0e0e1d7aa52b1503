//! The built-in rows: offsets of builds whose debug information was read when the table was made.

use std::collections::BTreeMap;

use super::schema::Offsets;
use super::versions::{Flavour, PythonVersion};

/// One line per field, one column per build (`3.14.4t` for a free-threaded one, `d` for a debug build); `-` where the
/// build has no such field. Generated:
/// `UPDATE_GOLDENS=1 cargo test --test it layout` rewrites it from the builds at hand.
pub const TABLE: &str = include_str!("builtin.tsv");

/// One column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltinRow {
    /// The build it was made from.
    pub version: PythonVersion,
    /// How that was configured.
    pub flavour: Flavour,
    /// Its offsets.
    pub offsets: Offsets,
}

/// The table that is compiled in.
pub fn builtin_table() -> Vec<BuiltinRow> {
    parse_table(TABLE)
}

/// The row for a build of `version`: same minor and flavour, the nearest micro release at or before it, else the nearest
/// after it. Offsets do move within a minor, so whoever uses it probes it first.
///
/// A debug build has nearly all fields where a release build has them: what its own row lacks, or all where it has none,
/// is as in the release row.
pub fn builtin(version: PythonVersion, flavour: Flavour) -> Option<BuiltinRow> {
    let own = nearest(version, flavour);
    if !flavour.debug {
        return own;
    }
    let release = Flavour {
        debug: false,
        ..flavour
    };
    match (nearest(version, release), own) {
        (Some(mut release), Some(own)) => {
            release.offsets.overlay(&own.offsets);
            Some(BuiltinRow {
                offsets: release.offsets,
                ..own
            })
        }
        (release, own) => own.or(release),
    }
}

fn nearest(version: PythonVersion, flavour: Flavour) -> Option<BuiltinRow> {
    let minor = |version: PythonVersion| (version.major(), version.minor());
    let mut rows = builtin_table();
    rows.retain(|row| minor(row.version) == minor(version) && row.flavour == flavour);
    rows.sort_by_key(|row| row.version);
    let at_or_before = rows.iter().rposition(|row| row.version <= version).unwrap_or(0);
    (at_or_before < rows.len()).then(|| rows.swap_remove(at_or_before))
}

/// Reads a table in the format of [`TABLE`].
pub fn parse_table(text: &str) -> Vec<BuiltinRow> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let builds: Vec<(PythonVersion, Flavour)> = lines
        .next()
        .unwrap_or_default()
        .split('\t')
        .skip(1)
        .filter_map(parse_build)
        .collect();
    let mut maps = vec![BTreeMap::new(); builds.len()];
    for line in lines {
        let mut cells = line.split('\t');
        let Some(field) = cells.next() else { continue };
        for (map, cell) in maps.iter_mut().zip(cells) {
            if let Ok(bytes) = cell.parse::<u32>() {
                map.insert(field.to_string(), bytes);
            }
        }
    }
    builds
        .into_iter()
        .zip(maps)
        .map(|((version, flavour), map)| BuiltinRow {
            version,
            flavour,
            offsets: Offsets::from_map(&map),
        })
        .collect()
}

/// Writes a table in the format of [`TABLE`].
pub fn format_table(rows: &[BuiltinRow]) -> String {
    let mut text = String::from(
        "# Generated from the DWARF of real builds, x86_64, t free-threaded, d debug; see builtin.rs.\nfield",
    );
    for row in rows {
        text.push_str(&format!("\t{}{}", row.version, row.flavour));
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

/// Parses `3.14.4t`: a version and the letters of [`Flavour`].
fn parse_build(text: &str) -> Option<(PythonVersion, Flavour)> {
    let end = text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len();
    Some((parse_version(&text[..end])?, Flavour::from_suffix(&text[end..])?))
}

/// Parses `3.12.1`.
pub fn parse_version(text: &str) -> Option<PythonVersion> {
    let mut parts = text.split('.').map(|part| part.parse::<u8>().ok());
    let version = PythonVersion::release(parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Structures that CPython defines in .c files: those of a free-threaded row may be a prerelease's.
    const OF_C_FILES: [&str; 28] = [
        "array",
        "array_descriptor",
        "async_gen_send",
        "async_gen_throw",
        "class_method",
        "coroutine_wrapper",
        "ctypes_data",
        "ctypes_field",
        "defaultdict",
        "deque",
        "deque_block",
        "future",
        "future_iterator",
        "generic_alias",
        "lock",
        "mapping_proxy",
        "match_object",
        "ordered_dict",
        "ordered_dict_node",
        "partial",
        "pattern",
        "range",
        "rlock",
        "static_method",
        "task",
        "timezone",
        "union_type",
        "wrapper",
    ];
    /// Of them, those that are no objects.
    const NO_OBJECTS: [&str; 3] = ["array_descriptor", "deque_block", "ordered_dict_node"];

    /// Nothing but the head of all objects is larger in a free-threaded build, so what a row has from a prerelease is what
    /// the release has.
    #[test]
    fn structures_of_c_files_are_those_of_the_release() {
        let rows = builtin_table();
        let mut compared = 0;
        for free_threaded in rows.iter().filter(|row| row.flavour.free_threaded) {
            let is_release =
                |row: &&BuiltinRow| row.version == free_threaded.version && row.flavour == Flavour::default();
            let Some(release) = rows.iter().find(is_release) else {
                continue;
            };
            let head = |row: &BuiltinRow| row.offsets.object.size.bytes().unwrap() as u32;
            let larger = head(free_threaded) - head(release);
            let known = release.offsets.to_map();
            for (name, offset) in free_threaded.offsets.to_map() {
                let (structure, field) = name.split_once('.').unwrap();
                if !OF_C_FILES.contains(&structure) || field == "size" {
                    continue;
                }
                let moved = if NO_OBJECTS.contains(&structure) { 0 } else { larger };
                assert_eq!(
                    Some(offset - moved),
                    known.get(&name).copied(),
                    "{name} of {}t",
                    free_threaded.version
                );
                compared += 1;
            }
        }
        assert!(compared > 100, "{compared}");
    }

    #[test]
    fn fields_move_with_those_around_them() {
        let of = |fields: &[(&str, u32)]| {
            let named = fields.iter().map(|(name, bytes)| ((*name).to_string(), *bytes));
            Offsets::from_map(&named.collect())
        };
        let row = of(&[
            ("interpreter.id", 8),
            ("interpreter.finalizing", 16),
            ("interpreter.gil", 24),
            ("interpreter.gc_collecting", 32),
            ("interpreter.sysdict", 40),
            ("interpreter.eval_frame", 48),
            ("interpreter.size", 56),
            ("code.name", 64),
        ]);
        let stated = of(&[
            ("interpreter.id", 8),
            ("interpreter.gil", 24),
            ("interpreter.sysdict", 64),
            ("interpreter.size", 80),
        ]);
        let moved = row.moved_with(&stated).to_map();
        let at = |name: &str| moved.get(name).copied();
        assert_eq!(at("interpreter.finalizing"), Some(16), "both neighbours stay");
        assert_eq!(at("interpreter.gc_collecting"), None, "one moves, one stays");
        assert_eq!(at("interpreter.eval_frame"), Some(72), "both move");
        assert_eq!(at("code.name"), Some(64), "nothing is stated of the structure");
        let stated = of(&[("interpreter.sysdict", 64)]);
        assert_eq!(row.moved_with(&stated).to_map().get("interpreter.size"), None);
    }
}
