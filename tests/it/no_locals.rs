//! `run --no-locals`: no value of a variable reaches the disk.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use crate::harness::{COLDFRAME, Folder, analyze, bare, output, skip, stderr};
use crate::pythons::pythons;

/// The secret is made at run time, so that neither the source nor a constant holds it. It is a local, an argument, a
/// global, an element and an attribute.
const PROGRAM: &str = "
import ctypes

class Holder:
    pass

def crash(argument, listed):
    local = argument + '!'
    holder = Holder()
    holder.attribute = argument + '?'
    ctypes.string_at(0)

value = ''.join(reversed('7e5-gnikaeps-fo-drow-eht'))
crash(value, [value, {value: value}])
";
const SECRET: &str = "the-word-of-speaking-5e7";

/// Runs the program and returns its only dump and what was printed.
fn crash(folder: &Folder, python: &OsStr, options: &[&str], variable: Option<&str>) -> (PathBuf, String) {
    let program = folder.join("program.py");
    fs::write(&program, PROGRAM).expect("the program");
    let _ = fs::remove_dir_all(folder.join("dumps"));
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process
        .args(["run", "--report", "full", "-o", "dumps"])
        .args(options)
        .arg("--");
    process.arg(python).arg(program);
    if let Some(value) = variable {
        process.env("COLDFRAME_LOCALS", value);
    }
    let text = stderr(&output(process));
    let mut files = fs::read_dir(folder.join("dumps")).expect("a dump folder").flatten();
    let file = files.next().expect("a dump").path();
    assert!(files.next().is_none());
    (file, text)
}

fn holds(bytes: &[u8], text: &str) -> bool {
    let is_there = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    is_there(text.as_bytes()) || is_there(&utf16)
}

#[test]
fn no_value_reaches_the_disk() {
    let all = pythons();
    if all.is_empty() {
        return skip("no supported CPython was found");
    }
    for python in &all {
        let folder = Folder::new();
        let python_path = python.executable.as_os_str();
        // The test can see it where it is.
        let (dump, text) = crash(&folder, python_path, &[], None);
        assert!(holds(&fs::read(&dump).expect("the dump"), SECRET), "{}", python.version);
        assert!(text.contains(SECRET), "{text}");

        for (options, variable) in [(&["--no-locals"][..], None), (&[][..], Some("0"))] {
            let (dump, text) = crash(&folder, python_path, options, variable);
            assert!(
                !holds(&fs::read(&dump).expect("the dump"), SECRET),
                "{}",
                python.version
            );
            assert!(text.contains("crash") && text.contains("string_at"), "{text}");
            let offline = analyze(&dump, &[]);
            for text in [&text, &offline] {
                assert!(!text.contains(SECRET), "{text}");
                assert!(!text.contains("listed = ") && !text.contains("unreadable"), "{text}");
                assert_eq!(text.matches("as --no-locals asked").count(), 1, "{text}");
                assert!(!text.contains("    local = "), "{text}");
            }
        }
    }
}
