use std::path::{Path, PathBuf};

use coldframe::addr::AddrRange;
use coldframe::image::{ImageOptions, Images};
use coldframe::layout::{
    BuiltinRow, Flavour, Offsets, PythonVersion, VERSIONS, builtin, builtin_table, extensions_beside, format_table,
    offsets_from_dwarf,
};
use coldframe::source::{BuildId, Module};
use object::{Object, ObjectSection};

use crate::pythons::{Python, pythons};

/// Offsets from the debug information of a build, inside the file or in a separate one, both below `root`; those of
/// its extension modules among them.
fn offsets_of(root: &Path, library: &Path, version: PythonVersion, flavour: Flavour) -> Option<Offsets> {
    let mut offsets = offsets_of_file(root, library)?;
    let place = root.join(library.strip_prefix("/").ok()?);
    for module in extensions_beside(&place, version, flavour) {
        let module = Path::new("/").join(module.strip_prefix(root).ok()?);
        if let Some(more) = offsets_of_file(root, &module) {
            offsets.complete_extensions(&more);
        }
    }
    Some(offsets)
}

fn offsets_of_file(root: &Path, library: &Path) -> Option<Offsets> {
    let data = std::fs::read(root.join(library.strip_prefix("/").ok()?)).ok()?;
    let build_id = object::File::parse(&*data).ok()?.build_id().ok()??.to_vec();
    let module = Module {
        range: AddrRange::default(),
        path: library.display().to_string(),
        build_id: Some(BuildId(build_id)),
    };
    let options = ImageOptions {
        root: root.to_path_buf(),
        ..ImageOptions::default()
    };
    let image = Images::new(options).image(&module).ok()?;
    offsets_from_dwarf(&image.dwarf()?).ok()
}

/// Builds in private roots, which need not run here: `COLDFRAME_PYTHON_ROOTS`, separated by colons. Their version stands
/// in `_Py_DebugOffsets`, at the start of the section `.PyRuntime` (3.13+).
fn builds_in_private_roots() -> Vec<(PythonVersion, Flavour, PathBuf, PathBuf)> {
    let roots = std::env::var_os("COLDFRAME_PYTHON_ROOTS").unwrap_or_default();
    let mut builds = Vec::new();
    for root in std::env::split_paths(&roots) {
        for (row, suffix) in VERSIONS.iter().flat_map(|row| [(row, ""), (row, "d")]) {
            let path = PathBuf::from(format!("/usr/bin/python3.{}{suffix}", row.minor));
            let Ok(data) = std::fs::read(root.join(path.strip_prefix("/").unwrap())) else {
                continue;
            };
            let file = object::File::parse(&*data).unwrap();
            let section = file.section_by_name(".PyRuntime").expect("CPython 3.13 or later");
            let table = section.data().unwrap();
            let version = u32::from_le_bytes(table[8..12].try_into().unwrap());
            let flavour = Flavour::from_suffix(suffix).unwrap();
            builds.push((PythonVersion(version), flavour, root.clone(), path));
        }
    }
    builds
}

/// The table that is compiled in states, for each build at hand that has debug information, exactly
/// what that says. `UPDATE_GOLDENS=1` rewrites those columns and adds new ones.
#[test]
fn builtin_table_is_current() {
    let mut rows = builtin_table();
    for python in pythons() {
        let Some(offsets) = offsets_of(Path::new("/"), &python.library, python.version, python.flavour) else {
            continue;
        };
        // A distribution's build is no source of the table: its patches are its own. Nor is one before its final release.
        if is_distribution(&python) || python.traces_refs || !python.version.is_final() {
            continue;
        }
        put(&mut rows, python.version, python.flavour, offsets);
    }
    for (version, flavour, root, path) in builds_in_private_roots() {
        if let Some(offsets) = offsets_of(&root, &path, version, flavour) {
            put(&mut rows, version, flavour, offsets);
        }
    }
    // Debug builds have rows of their own only where a release build's would not do.
    let all = rows.clone();
    rows.retain(|row| {
        let release = Flavour {
            debug: false,
            ..row.flavour
        };
        let release = all
            .iter()
            .find(|other| (other.version, other.flavour) == (row.version, release));
        !row.flavour.debug || release.is_none_or(|release| !differing(release, &row.offsets).is_empty())
    });
    rows.sort_by_key(|row| (row.version.major(), row.version.minor(), row.flavour, row.version));
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

/// The fields that lie elsewhere. The ends of the largest structures, which nothing is read behind, differ between
/// release and debug builds.
fn differing(row: &BuiltinRow, stated: &Offsets) -> Vec<String> {
    let mut names = row.clone().offsets.overlay(stated);
    names.retain(|name| !["runtime.size", "interpreter.size"].contains(&name.as_str()));
    names
}

fn put(rows: &mut Vec<BuiltinRow>, version: PythonVersion, flavour: Flavour, offsets: Offsets) {
    rows.retain(|row| (row.version, row.flavour) != (version, flavour));
    rows.push(BuiltinRow {
        version,
        flavour,
        offsets,
    });
}

fn is_distribution(python: &Python) -> bool {
    python.executable.starts_with("/usr")
}

/// A build that has no row of its own is served by that of the nearest micro release: where its debug
/// information is at hand, the row says the same.
#[test]
fn builtin_rows_fit_the_other_builds_at_hand() {
    let mut compared = 0;
    let in_roots = builds_in_private_roots();
    let of_roots = in_roots
        .iter()
        .map(|(version, flavour, root, path)| (*version, *flavour, root.as_path(), path.as_path()));
    let pythons = pythons();
    let of_system = pythons
        .iter()
        .filter(|python| is_distribution(python))
        .map(|python| (python.version, python.flavour, Path::new("/"), python.library.as_path()));
    for (version, flavour, root, library) in of_system.chain(of_roots) {
        let Some(row) = builtin(version, flavour) else {
            continue;
        };
        let Some(stated) = offsets_of(root, library, version, flavour) else {
            println!("SKIP no debug information for {}", library.display());
            continue;
        };
        compared += 1;
        assert_eq!(
            differing(&row, &stated),
            Vec::<String>::new(),
            "{version}{flavour} differs from row {}{}",
            row.version,
            row.flavour
        );
    }
    println!("{compared} builds compared");
}
