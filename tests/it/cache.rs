//! The cache folder in use: many processes at once, damaged entries, folders that cannot be written, bounds.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::{COLDFRAME, Folder, bare, can_unshare, coldframe_run, output, python, stderr};

/// A dump whose symbols are asked of files.
fn dump(folder: &Folder) -> Option<PathBuf> {
    let python = python()?;
    let script = "import ctypes\nctypes.string_at(0)";
    let mut process = coldframe_run(folder, &[python.as_os_str(), "-c".as_ref(), script.as_ref()]);
    process.env("COLDFRAME_CACHE", folder.join("of-the-capture"));
    output(process);
    let mut files = fs::read_dir(folder.join("dumps")).expect("a dump folder").flatten();
    Some(files.next().expect("a dump").path())
}

fn analyze(folder: &Folder, dump: &Path, cache: &Path) -> Command {
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process
        .args(["analyze", "--format", "json"])
        .arg(dump)
        .env("COLDFRAME_CACHE", cache);
    process
}

fn report(process: Command) -> String {
    let result = output(process);
    assert!(result.status.success(), "{}", stderr(&result));
    assert_eq!(stderr(&result), "");
    String::from_utf8(result.stdout).expect("UTF-8")
}

/// The files below `folder`, with their contents.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            all.extend(files(&entry.path()));
        } else {
            all.insert(entry.path(), fs::read(entry.path()).expect("the file"));
        }
    }
    all
}

#[test]
fn many_processes_at_once() {
    let folder = Folder::new();
    let Some(dump) = dump(&folder) else { return };
    let expected = report(analyze(&folder, &dump, Path::new("")));
    let cache = folder.join("cache");
    for _ in 0..3 {
        let running: Vec<_> = (0..12)
            .map(|number| {
                let mut process = analyze(&folder, &dump, &cache);
                // Every third evicts all that it finds.
                if number % 3 == 0 {
                    process.env("COLDFRAME_CACHE_MAX", "0");
                }
                process
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .expect("it starts")
            })
            .collect();
        for process in running {
            let result = process.wait_with_output().expect("it ends");
            assert_eq!(stderr(&result), "");
            assert!(String::from_utf8_lossy(&result.stdout) == expected, "a report differs");
        }
    }
    assert!(report(analyze(&folder, &dump, &cache)) == expected);
    let left = files(&cache);
    assert!(
        left.keys()
            .all(|path| path.extension().is_none_or(|kind| kind != "part")),
        "{:?}",
        left.keys()
    );
}

#[test]
fn damaged_entries_are_ignored_and_written_again() {
    let folder = Folder::new();
    let Some(dump) = dump(&folder) else { return };
    let cache = folder.join("cache");
    let expected = report(analyze(&folder, &dump, &cache));
    let entries = |files: BTreeMap<PathBuf, Vec<u8>>| -> BTreeMap<PathBuf, Vec<u8>> {
        files
            .into_iter()
            .filter(|(path, _)| {
                path.strip_prefix(&cache)
                    .is_ok_and(|path| path.to_string_lossy().starts_with("symbols-"))
            })
            .collect()
    };
    let whole = entries(files(&cache));
    assert!(whole.len() >= 2, "{:?}", whole.keys());
    for (number, (path, bytes)) in whole.iter().enumerate() {
        let mut damaged = bytes.clone();
        match number % 3 {
            0 => damaged.truncate(bytes.len() / 2),
            1 => damaged.clear(),
            _ => damaged[bytes.len() - 1] ^= 1,
        }
        fs::write(path, damaged).unwrap();
    }
    assert!(
        report(analyze(&folder, &dump, &cache)) == expected,
        "the report differs"
    );
    assert_eq!(entries(files(&cache)), whole);
}

#[test]
fn folders_that_cannot_be_written() {
    let folder = Folder::new();
    let Some(dump) = dump(&folder) else { return };
    let cache = folder.join("cache");
    let expected = report(analyze(&folder, &dump, &cache));
    // Not even root can write there.
    assert!(report(analyze(&folder, &dump, Path::new("/sys/kernel"))) == expected);
    if !can_unshare(&["--mount"]) {
        return;
    }
    let before = files(&cache);
    let mut process = bare("unshare".as_ref(), &folder);
    process
        .args(["--mount", "sh", "-c"])
        .arg("mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && exec \"$@\"")
        .arg(&cache)
        .args([COLDFRAME, "analyze", "--format", "json"])
        .arg(&dump)
        .env("COLDFRAME_CACHE", &cache)
        .env("COLDFRAME_CACHE_MAX", "0");
    assert!(report(process) == expected);
    assert_eq!(files(&cache), before);
}

#[test]
fn the_bound_is_kept() {
    let folder = Folder::new();
    let Some(dump) = dump(&folder) else { return };
    let cache = folder.join("cache");
    report(analyze(&folder, &dump, &cache));
    let stored = |files: BTreeMap<PathBuf, Vec<u8>>| files.values().filter(|bytes| !bytes.is_empty()).count();
    assert!(stored(files(&cache)) > 0);
    // Nothing is stored this time, so the stamp of the last trim counts.
    let mut process = analyze(&folder, &dump, &cache);
    process.env("COLDFRAME_CACHE_MAX", "0");
    report(process);
    assert!(stored(files(&cache)) > 0);
    fs::remove_file(cache.join("trimmed")).unwrap();
    let mut process = analyze(&folder, &dump, &cache);
    process.env("COLDFRAME_CACHE_MAX", "0");
    report(process);
    assert_eq!(stored(files(&cache)), 0);
}
