use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use coldframe::addr::AddrRange;
use coldframe::image::{ImageOptions, Images};
use coldframe::layout::{
    BuiltinRow, Flavour, Offsets, PythonVersion, VERSIONS, builtin, builtin_table, extensions_beside, format_table,
    offsets_from_dwarf,
};
use coldframe::source::{BuildId, Module};
use object::{Object, ObjectSection};

use crate::harness::{Folder, has};
use crate::pythons::{Python, pythons};
use crate::tools::skip;

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
    offsets_from_dwarf(image.dwarf()?).ok()
}

/// A file below a root that describes a build, which need not run here.
struct Described {
    version: PythonVersion,
    flavour: Flavour,
    root: PathBuf,
    path: PathBuf,
}

/// The builds in private roots: `COLDFRAME_PYTHON_ROOTS`, separated by colons.
fn builds_in_private_roots() -> Vec<Described> {
    in_private_roots(&["", "d"], |minor, suffix| format!("/usr/bin/python3.{minor}{suffix}"))
}

/// What tests/header-layouts made of the headers there.
fn headers_in_private_roots(suffix: &str) -> Vec<Described> {
    in_private_roots(&[suffix], |minor, suffix| {
        format!("/usr/lib/python3.{minor}{suffix}-headers.so")
    })
}

/// Their version stands in `_Py_DebugOffsets`, at the start of the section `.PyRuntime` (3.13+).
fn in_private_roots(suffixes: &[&str], path: impl Fn(u8, &str) -> String) -> Vec<Described> {
    let roots = std::env::var_os("COLDFRAME_PYTHON_ROOTS").unwrap_or_default();
    let mut found = Vec::new();
    for root in std::env::split_paths(&roots) {
        for (row, suffix) in VERSIONS.iter().flat_map(|row| suffixes.iter().map(move |s| (row, s))) {
            let path = PathBuf::from(path(row.minor, suffix));
            let Ok(data) = std::fs::read(root.join(path.strip_prefix("/").unwrap())) else {
                continue;
            };
            let file = object::File::parse(&*data).unwrap();
            let section = file.section_by_name(".PyRuntime").expect("CPython 3.13 or later");
            let table = section.data().unwrap();
            let version = u32::from_le_bytes(table[8..12].try_into().unwrap());
            found.push(Described {
                version: PythonVersion(version),
                flavour: Flavour::from_suffix(suffix).unwrap(),
                root: root.clone(),
                path,
            });
        }
    }
    found
}

/// What the headers of a release leave to its .c files, from another build of that minor version.
fn complete(headers: &Offsets, other: &Offsets) -> Offsets {
    let mut map = headers.to_map();
    for (name, bytes) in other.to_map() {
        let structure = name.split('.').next().unwrap();
        if !headers.to_map().contains_key(&format!("{structure}.size")) {
            map.insert(name, bytes);
        }
    }
    Offsets::from_map(&map)
}

/// The table that is compiled in states, for each build at hand that has debug information, exactly
/// what that says. `UPDATE_GOLDENS=1` rewrites those columns and adds new ones.
#[test]
fn builtin_table_is_current() {
    let mut rows = builtin_table();
    let mut prereleases = Vec::new();
    for python in pythons() {
        let Some(offsets) = offsets_of(Path::new("/"), &python.library, python.version, python.flavour) else {
            continue;
        };
        if !python.version.is_final() {
            prereleases.push((python.version.minor(), python.flavour, offsets));
            continue;
        }
        // A distribution's build is no source of the table: its patches are its own.
        if is_distribution(&python) || python.traces_refs {
            continue;
        }
        put(&mut rows, python.version, python.flavour, offsets);
    }
    for build in builds_in_private_roots() {
        if let Some(offsets) = offsets_of(&build.root, &build.path, build.version, build.flavour) {
            put(&mut rows, build.version, build.flavour, offsets);
        }
    }
    for Described {
        version,
        flavour,
        root,
        path,
    } in headers_in_private_roots("t")
    {
        let offsets = offsets_of_file(&root, &path).expect("debug information");
        // A prerelease serves for the structures of .c files alone: where one differs after all, the size of the type
        // tells, and its values are not taken apart.
        let prerelease = prereleases
            .iter()
            .find(|(minor, of, _)| (*minor, *of) == (version.minor(), flavour));
        let other = prerelease.map(|(_, _, offsets)| *offsets);
        let other = other.or_else(|| Some(builtin(version, flavour)?.offsets));
        put(
            &mut rows,
            version,
            flavour,
            complete(&offsets, &other.unwrap_or_default()),
        );
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
/// release and debug builds, and builds with and without a compiler at run time.
fn differing(row: &BuiltinRow, stated: &Offsets) -> Vec<String> {
    let mut names = row.clone().offsets.overlay(stated);
    names.retain(|name| !["runtime.size", "interpreter.size", "thread_impl.size"].contains(&name.as_str()));
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
        .map(|build| (build.version, build.flavour, build.root.as_path(), build.path.as_path()));
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

/// However a compiler lays out debug information, it says the same: types in units of their own, which others refer to by
/// signature, and what several units have in common in a third file.
#[test]
fn types_in_units_of_their_own_say_the_same() {
    if !["gcc", "dwz"].iter().all(|tool| has(tool)) {
        return;
    }
    let pythons = pythons();
    let include = |python: &Python| {
        let minor = format!("include/python3.{}", python.version.minor());
        let prefix = python.executable.parent()?.parent()?;
        Some(prefix.join(minor)).filter(|path| path.join("internal/pycore_runtime.h").is_file())
    };
    let is_usual = |python: &&Python| python.version.minor() >= 13 && python.flavour == Flavour::default();
    let Some((python, include)) = pythons.iter().filter(is_usual).find_map(|p| Some((p, include(p)?))) else {
        return skip("headers of CPython 3.13 or later");
    };
    let name = format!("python3.{}", python.version.minor());
    let library = format!("/usr/lib/{name}-headers.so");
    let build = |flags: &str| {
        let root = Folder::new();
        for folder in ["usr/include", "usr/lib"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::os::unix::fs::symlink(&include, root.join(format!("usr/include/{name}"))).unwrap();
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/header-layouts"));
        command.arg(root.path()).env("CC", format!("gcc {flags}"));
        assert!(command.status().unwrap().success());
        root
    };
    let offsets = |root: &Folder| offsets_of_file(root.path(), library.as_ref()).expect("offsets");
    let has_section = |root: &Folder, section: &str| {
        let data = std::fs::read(root.join(&library[1..])).unwrap();
        object::File::parse(&*data).unwrap().section_by_name(section).is_some()
    };
    let expected = offsets(&build("-gdwarf-5"));
    assert!(expected.to_map().len() > 100, "{:?}", expected.to_map());
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let units = build(&format!("{version} -fdebug-types-section"));
        assert_eq!(has_section(&units, ".debug_types"), version == "-gdwarf-4");
        // Of types that nothing uses gcc then leaves out most.
        let stated = offsets(&units).to_map();
        for name in [
            "runtime.interpreters_head",
            "interpreter.threads_head",
            "thread.current_frame",
            "frame.previous",
        ] {
            assert!(stated.contains_key(name), "{name}: {stated:?}");
        }
        let of_described = expected.to_map().into_iter().filter(|(name, _)| {
            let structure = name.split('.').next().unwrap();
            stated.contains_key(&format!("{structure}.size"))
        });
        assert_eq!(
            of_described.collect::<BTreeMap<_, _>>(),
            stated,
            "{version} -fdebug-types-section"
        );
        let shared = build(version);
        let common = shared.join("usr/lib/common.debug");
        // Both builds of the headers have nearly all in common.
        let mut dwz = Command::new("dwz");
        dwz.arg("-m")
            .arg(&common)
            .args(["-M", "/usr/lib/common.debug", "-L", "none", "-l", "none"]);
        dwz.arg(shared.join(&library[1..]));
        dwz.arg(shared.join(format!("usr/lib/{name}t-headers.so")));
        assert!(dwz.status().unwrap().success());
        assert!(has_section(&shared, ".gnu_debugaltlink"));
        assert_eq!(offsets(&shared), expected, "{version} and dwz");
        std::fs::remove_file(common).unwrap();
        // What is left is no half of a layout.
        assert_eq!(offsets_of_file(shared.path(), library.as_ref()), None);
    }
}

/// Headers compiled as an ordinary build say what such a build says, so they can be trusted to say what a free-threaded
/// one would.
#[test]
fn headers_say_what_the_build_says() {
    let builds = builds_in_private_roots();
    for headers in headers_in_private_roots("") {
        let same = |build: &&Described| (build.version, build.flavour) == (headers.version, headers.flavour);
        let build = builds.iter().find(same).expect("the build that the headers are of");
        let stated = offsets_of_file(&headers.root, &headers.path).expect("debug information");
        let Some(offsets) = offsets_of(&build.root, &build.path, build.version, build.flavour) else {
            println!("SKIP no debug information for {}", build.path.display());
            continue;
        };
        let row = BuiltinRow {
            version: build.version,
            flavour: build.flavour,
            offsets,
        };
        assert_eq!(
            differing(&row, &stated),
            Vec::<String>::new(),
            "{}",
            headers.path.display()
        );
        assert_eq!(differing(&row, &complete(&stated, &offsets)), Vec::<String>::new());
        println!("{}: {} fields", headers.path.display(), stated.to_map().len());
    }
}
