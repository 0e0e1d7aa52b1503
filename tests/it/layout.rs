use std::path::Path;

use coldframe::layout::{BuiltinRow, builtin_table, format_table, offsets_from_dwarf};
use object::{Object, ObjectSection};

use crate::pythons::pythons;

type Bytes<'a> = gimli::EndianSlice<'a, gimli::LittleEndian>;

fn offsets_of(library: &Path) -> Option<coldframe::layout::Offsets> {
    let data = std::fs::read(library).ok()?;
    let file = object::File::parse(&*data).ok()?;
    file.section_by_name(".debug_info")?;
    let sections = gimli::DwarfSections::load(|id| -> Result<_, gimli::Error> {
        Ok(file
            .section_by_name(id.name())
            .and_then(|s| s.uncompressed_data().ok())
            .unwrap_or_default())
    })
    .ok()?;
    let dwarf = sections.borrow(|bytes| Bytes::new(bytes, gimli::LittleEndian));
    let start = std::time::Instant::now();
    let offsets = offsets_from_dwarf(&dwarf).ok();
    println!("{}: {:?}", library.display(), start.elapsed());
    offsets
}

/// The table that is compiled in states, for each build at hand that has debug information, exactly
/// what that says. `UPDATE_GOLDENS=1` rewrites those columns and adds new ones.
#[test]
fn builtin_table_is_current() {
    let mut rows = builtin_table();
    for python in pythons() {
        let Some(offsets) = offsets_of(&python.library) else {
            continue;
        };
        let row = BuiltinRow {
            version: python.version,
            offsets,
        };
        match rows.iter_mut().find(|known| known.version == python.version) {
            Some(known) => *known = row,
            None => rows.push(row),
        }
    }
    rows.sort_by_key(|row| row.version);
    let current = format_table(&rows);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/layout/builtin.tsv");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap();
    assert!(
        known == current,
        "{} is out of date: run with UPDATE_GOLDENS=1",
        path.display()
    );
}
