use std::path::{Path, PathBuf};

use coldframe::addr::AddrRange;
use coldframe::image::{ImageOptions, Images};
use coldframe::layout::{
    BuiltinRow, Offsets, PythonVersion, VERSIONS, builtin, builtin_table, format_table, offsets_from_dwarf,
};
use coldframe::source::{BuildId, Module};
use object::{Object, ObjectSection};

use crate::pythons::{Python, pythons};

/// Offsets from the debug information of a build, inside the file or in a separate one, both below `root`.
fn offsets_of(root: &Path, library: &Path) -> Option<Offsets> {
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

/// The same, completed by the debug information of the extension modules that come with the build.
fn all_offsets_of(root: &Path, library: &Path, version: PythonVersion) -> Option<Offsets> {
    let mut offsets = offsets_of(root, library)?;
    let folder = format!("lib/python3.{}/lib-dynload", version.minor());
    let folders = library.ancestors().map(|above| above.join(&folder));
    let exists = |folder: &PathBuf| root.join(folder.strip_prefix("/").unwrap_or(folder)).is_dir();
    let Some(folder) = folders.into_iter().find(exists) else {
        return Some(offsets);
    };
    for entry in std::fs::read_dir(root.join(folder.strip_prefix("/").ok()?)).ok()? {
        let file = entry.ok()?.file_name().into_string().ok()?;
        let module = file.split('.').next().unwrap_or_default();
        if ["_ctypes", "_datetime", "_decimal", "array"].contains(&module)
            && let Some(extension) = offsets_of(root, &folder.join(&file))
        {
            offsets.complete_extensions(&extension);
        }
    }
    Some(offsets)
}

/// Builds in private roots, which need not run here: `COLDFRAME_PYTHON_ROOTS`, separated by colons. Their version stands
/// in `_Py_DebugOffsets`, at the start of the section `.PyRuntime` (3.13+).
fn builds_in_private_roots() -> Vec<(PythonVersion, PathBuf, PathBuf)> {
    let roots = std::env::var_os("COLDFRAME_PYTHON_ROOTS").unwrap_or_default();
    let mut builds = Vec::new();
    for root in std::env::split_paths(&roots) {
        for row in VERSIONS {
            let path = PathBuf::from(format!("/usr/bin/python3.{}", row.minor));
            let Ok(data) = std::fs::read(root.join(path.strip_prefix("/").unwrap())) else {
                continue;
            };
            let file = object::File::parse(&*data).unwrap();
            let section = file.section_by_name(".PyRuntime").expect("CPython 3.13 or later");
            let table = section.data().unwrap();
            let version = u32::from_le_bytes(table[8..12].try_into().unwrap());
            builds.push((PythonVersion(version), root.clone(), path));
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
        let Some(offsets) = all_offsets_of(Path::new("/"), &python.library, python.version) else {
            continue;
        };
        // A distribution's build is no source of the table: its patches are its own.
        if is_distribution(&python) {
            continue;
        }
        let row = BuiltinRow {
            version: python.version,
            offsets,
        };
        match rows.iter_mut().find(|known| known.version == python.version) {
            Some(known) => *known = row,
            None => rows.push(row),
        }
    }
    for (version, root, path) in builds_in_private_roots() {
        let Some(offsets) = all_offsets_of(&root, &path, version) else {
            continue;
        };
        let row = BuiltinRow { version, offsets };
        match rows.iter_mut().find(|known| known.version == version) {
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

fn is_distribution(python: &Python) -> bool {
    python.executable.starts_with("/usr")
}

/// A build that has no row of its own is served by that of the nearest micro release: where its debug
/// information is at hand, the row says the same.
#[test]
fn builtin_rows_fit_the_other_builds_at_hand() {
    let mut compared = 0;
    for python in pythons().iter().filter(|python| is_distribution(python)) {
        let Some(mut row) = builtin(python.version) else {
            continue;
        };
        let Some(stated) = offsets_of(Path::new("/"), &python.library) else {
            println!("SKIP no debug information for {}", python.library.display());
            continue;
        };
        compared += 1;
        let differing = row.offsets.overlay(&stated);
        assert_eq!(
            differing,
            Vec::<String>::new(),
            "{} differs from row {}",
            python.version,
            row.version
        );
    }
    println!("{compared} builds compared");
}
