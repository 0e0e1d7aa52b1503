//! `coldframe layout`, on the builds at hand.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Output;

use coldframe::layout::{Flavour, VERSIONS};
use object::{Object, ObjectSection};
use serde_json::Value;

use crate::golden;
use crate::harness::{COLDFRAME, Folder, bare, output, skip, stderr};
use crate::pythons::{Python, pythons};

fn layout<A: AsRef<OsStr>>(folder: &Folder, arguments: &[A]) -> Output {
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process.arg("layout").args(arguments);
    let result = output(process);
    assert!(!stderr(&result).contains("panicked"), "{}", stderr(&result));
    result
}

fn json(folder: &Folder, arguments: &[&OsStr]) -> Value {
    let arguments: Vec<&OsStr> = arguments
        .iter()
        .copied()
        .chain(["--format".as_ref(), "json".as_ref()])
        .collect();
    let result = layout(folder, &arguments);
    serde_json::from_slice(&result.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", stderr(&result)))
}

/// Those whose layout the built-in table states exactly.
fn release_builds() -> Vec<Python> {
    let mut list = pythons();
    list.retain(|python| python.flavour == Flavour::default() && python.version.is_final());
    list
}

fn field<'a>(report: &'a Value, name: &str) -> &'a Value {
    let fields = report["fields"].as_array().expect("fields");
    fields.iter().find(|field| field["name"] == name).expect("the field")
}

#[test]
fn help_is_as_expected() {
    let folder = Folder::new();
    let result = layout(&folder, &["--help"]);
    golden::check("help/layout.txt", &String::from_utf8_lossy(&result.stdout)).unwrap();
}

/// Every build at hand agrees with the built-in table, and says who states what.
#[test]
fn builds_at_hand_agree_with_the_table() {
    let folder = Folder::new();
    let pythons = release_builds();
    if pythons.is_empty() {
        skip("no CPython is at hand");
    }
    for python in pythons {
        let report = json(&folder, &[python.executable.as_os_str(), "--check".as_ref()]);
        let name = python.executable.display();
        assert_eq!(report["check"]["differences"], Value::Array(vec![]), "{name}");
        assert_eq!(report["check"]["missing"], Value::Array(vec![]), "{name}");
        assert!(report["check"]["compared"].as_u64() > Some(40), "{name}: {report}");
        assert_eq!(report["version"], python.version.to_string(), "{name}");
        let file = report["file"].as_str().expect("a file");
        let holders = [&python.library, &python.executable];
        assert!(
            holders.iter().any(|holder| holder.as_path() == Path::new(file)),
            "{name}: {file}"
        );
        let has_information = report.get("notes").is_none();
        for field in report["fields"].as_array().expect("fields") {
            let (offset, provider) = (field.get("offset"), field.get("provider").and_then(Value::as_str));
            assert_eq!(offset.is_some(), provider.is_some(), "{name}: {field}");
            let allowed: &[_] = if has_information {
                &["dwarf", "debug-offsets"]
            } else {
                &["built-in", "debug-offsets"]
            };
            assert!(provider.is_none_or(|word| allowed.contains(&word)), "{name}: {field}");
        }
        assert!(field(&report, "type_object.name")["offset"].is_u64(), "{name}");
        assert!(
            report["behaviour"].as_array().is_some_and(|list| list.len() > 8),
            "{name}"
        );
    }
}

/// Stripped builds in private roots: their own table and the built-in row; with a folder of debug files, DWARF.
#[test]
fn debug_files_are_found_with_symbols() {
    let folder = Folder::new();
    let roots = std::env::var_os("COLDFRAME_PYTHON_ROOTS").unwrap_or_default();
    for root in std::env::split_paths(&roots) {
        let symbols = root.join("usr/lib/debug");
        for row in VERSIONS {
            let program = root.join(format!("usr/bin/python3.{}", row.minor));
            if !program.is_file() || !symbols.is_dir() {
                continue;
            }
            let plain = json(&folder, &[program.as_os_str()]);
            assert_eq!(field(&plain, "runtime.size")["provider"], "debug-offsets", "{plain}");
            assert_eq!(field(&plain, "code.flags")["provider"], "built-in", "{plain}");
            let with: [&OsStr; 4] = [
                program.as_os_str(),
                "--symbols".as_ref(),
                symbols.as_os_str(),
                "--check".as_ref(),
            ];
            let full = json(&folder, &with);
            assert_eq!(field(&full, "code.flags")["provider"], "dwarf");
            assert!(full["debug_file"].is_string());
            assert_eq!(full["check"]["differences"], Value::Array(vec![]));
            assert!(full["check"]["compared"].as_u64() > plain["fields"].as_array().map(|list| list.len() as u64 / 2));
        }
    }
}

/// The same build by its interpreter, a link to that, a script it runs, and the file that holds it.
#[test]
fn every_way_to_name_a_build() {
    let folder = Folder::new();
    let Some(python) = release_builds().into_iter().next_back() else {
        return skip("no CPython is at hand");
    };
    let link = folder.join("python");
    symlink(&python.executable, &link).unwrap();
    let script = folder.join("tool");
    fs::write(&script, format!("#!{}\nprint()\n", link.display())).unwrap();
    let by_env = folder.join("other");
    fs::write(&by_env, "#!/usr/bin/env -S python -I\n").unwrap();
    for file in [&script, &by_env] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let expected = json(&folder, &[python.executable.as_os_str()]);
    let holder = PathBuf::from(expected["file"].as_str().expect("a file"));
    for way in [&link, &script, &by_env, &holder] {
        let mut process = bare(COLDFRAME.as_ref(), &folder);
        process
            .env("PATH", folder.path())
            .args(["layout", "--format", "json"])
            .arg(way);
        let result = output(process);
        let report: Value = serde_json::from_slice(&result.stdout).unwrap_or_else(|_| panic!("{}", stderr(&result)));
        assert_eq!(report, expected, "{}", way.display());
    }
}

/// A copy of a build whose own table says something else: every difference is listed, and the exit code tells.
#[test]
fn a_difference_is_found() {
    let folder = Folder::new();
    let mut with_table = release_builds().into_iter().filter_map(|python| {
        let bytes = fs::read(&python.library).ok()?;
        let range = object::File::parse(&*bytes)
            .ok()?
            .section_by_name(".PyRuntime")?
            .file_range()?;
        bytes
            .get(range.0 as usize..)?
            .starts_with(b"xdebugpy")
            .then_some((python, bytes, range.0 as usize))
    });
    let Some((python, mut bytes, at)) = with_table.next() else {
        return skip("no CPython 3.13 or later is at hand");
    };
    // The second word after the flag: `runtime_state.finalizing`.
    let word = at + 24 + 8;
    bytes[word..word + 8].copy_from_slice(&12344_u64.to_le_bytes());
    let copy = folder.join(python.library.file_name().unwrap());
    fs::write(&copy, bytes).unwrap();
    let result = layout(&folder, &[copy.as_os_str(), "--check".as_ref()]);
    let text = String::from_utf8_lossy(&result.stdout).into_owned();
    assert_eq!(result.status.code(), Some(1), "{text}{}", stderr(&result));
    assert!(text.contains("\n1 of "), "{text}");
    let line = text
        .lines()
        .find(|line| line.trim_start().starts_with("runtime.finalizing"));
    assert!(line.is_some_and(|line| line.contains("12344")), "{text}");
}

#[test]
fn versions_are_printed_from_the_table() {
    let folder = Folder::new();
    for row in VERSIONS {
        let version = format!("3.{}", row.minor);
        let report = json(&folder, &[version.as_ref()]);
        assert_eq!(report["schema"], "coldframe-layout/1");
        assert!(
            report["built_in_row"]
                .as_str()
                .is_some_and(|made_from| made_from.starts_with(&version))
        );
        assert_eq!(field(&report, "object.ob_type")["offset"], 8);
        assert_eq!(field(&report, "object.ob_type")["provider"], "built-in");
    }
    let file = folder.join("layout.txt");
    let result = layout(&folder, &["3.12.1".as_ref(), "-o".as_ref(), file.as_os_str()]);
    assert!(result.status.success() && result.stdout.is_empty());
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("CPython 3.12.1, release build, with the GIL\nbuilt-in row  3.12.1\n"),
        "{text}"
    );
    let is_said = |line: &str| line.split_whitespace().eq(["frame_root", "CFrame"]);
    assert!(text.lines().any(is_said), "{text}");
}

#[test]
fn messages_name_the_file_and_what_to_do() {
    let folder = Folder::new();
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let cases: [(PathBuf, &[&str]); 6] = [
        (folder.join("nothing"), &["nothing is not there"]),
        (write("text", "hello"), &["not a 64-bit little-endian ELF file"]),
        (
            write("script", "#!/usr/bin/env no-such-python\n"),
            &["a script for no-such-python, which is not in PATH"],
        ),
        (
            write("loop", &format!("#!{}\n", folder.join("loop").display())),
            &["a script of a script"],
        ),
        ("/bin/sh".into(), &["no Python runtime", "give an interpreter"]),
        (
            "3.99".into(),
            &["no built-in row for CPython 3.99", "give the path of an interpreter"],
        ),
    ];
    for (path, words) in cases {
        let result = layout(&folder, &[&path]);
        let text = stderr(&result);
        assert_eq!(result.status.code(), Some(1), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        for word in words {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
    let result = layout(&folder, &["3.12", "--check"]);
    assert!(stderr(&result).contains("give the path of an interpreter"));
    assert_eq!(layout::<&str>(&folder, &[]).status.code(), Some(2));
}
