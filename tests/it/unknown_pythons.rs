//! Pythons that coldframe does not know: versions before 3.8, PyPy, and builds that say of themselves to be of a version
//! that does not exist yet. Their reports have the native stack and a note, and no Python frame that is guessed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use coldframe::layout::PythonVersion;
use object::{Object, ObjectSection};
use serde_json::Value;

use crate::harness::{Folder, coldframe_run, has, one_report, output, reports, write_program};
use crate::pythons::{pythons, stripped_copy};
use crate::tools::{find_program, skip};

/// Runs in every Python there is.
const PROGRAM: &str = "import os
def crash(count):
    os.abort()
crash(7)
";

/// The report of the program's crash.
fn crash(folder: &Folder, python: &Path) -> Value {
    crash_with(folder, python, None)
}

fn crash_with(folder: &Folder, python: &Path, libraries: Option<&Path>) -> Value {
    let program = folder.join("program.py");
    fs::write(&program, PROGRAM).expect("a program");
    let mut run = coldframe_run(folder, &[python, &program]);
    run.envs(libraries.map(|libraries| ("LD_LIBRARY_PATH", libraries)));
    let result = output(run);
    one_report(&result, libc::SIGABRT);
    reports(&result).remove(0)
}

fn frames<'a>(report: &'a Value, kind: &str) -> Vec<&'a Value> {
    let threads = report["threads"].as_array().expect("threads");
    let frames = threads
        .iter()
        .flat_map(|thread| thread["frames"].as_array().expect("frames"));
    frames.filter(|frame| frame["kind"] == kind).collect()
}

fn notes(report: &Value) -> Vec<&str> {
    let notes = report["notes"].as_array().expect("notes");
    notes.iter().filter_map(|note| note["what"].as_str()).collect()
}

/// Native frames from the signal to the program's start, no Python ones, and one note with these words.
fn check_refused(report: &Value, words: &[&str]) {
    let what = words.join(" ");
    assert_eq!(frames(report, "python"), Vec::<&Value>::new(), "{what}");
    let functions: Vec<&str> = frames(report, "native")
        .iter()
        .filter_map(|frame| frame["function"].as_str())
        .collect();
    // PyPy's `os.abort` is a signal to itself.
    let is_end = |name: &&str| name.contains("abort") || name.contains("kill");
    assert!(functions.iter().any(is_end), "{what}: {functions:?}");
    assert!(frames(report, "native").len() > 10, "{what}: {functions:?}");
    let fitting = notes(report)
        .into_iter()
        .filter(|note| words.iter().all(|word| note.contains(word)));
    assert_eq!(fitting.count(), 1, "{what}: {:?}", notes(report));
}

/// The only frames are those of the program.
fn check_known(report: &Value, what: &str) {
    let functions: Vec<&str> = frames(report, "python")
        .iter()
        .filter_map(|frame| frame["function"].as_str())
        .collect();
    assert_eq!(functions, ["crash", "<module>"], "{what}: {:?}", notes(report));
    let frame = frames(report, "python")[0];
    assert_eq!(frame["line"], 3, "{what}");
    assert_eq!(frame["locals"][0]["name"], "count", "{what}");
    assert_eq!(frame["locals"][0]["value"], "7", "{what}");
}

#[test]
fn versions_before_3_8_are_refused_in_a_sentence() {
    let root = Command::new("pyenv").arg("root").output();
    let root = root.map(|root| String::from_utf8_lossy(&root.stdout).trim().to_string());
    let mut seen = Vec::new();
    for entry in fs::read_dir(format!("{}/versions", root.unwrap_or_default()))
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        let minor = name.rsplit_once('.').map_or(name.as_str(), |(minor, _)| minor);
        if ["2.7", "3.6", "3.7"].contains(&minor) {
            let report = crash(&Folder::new(), &entry.path().join("bin/python"));
            check_refused(&report, &[&format!("is CPython {minor};"), "knows CPython 3.8 to"]);
            seen.push(name);
        }
    }
    println!("refused: {seen:?}");
}

#[test]
fn pypy_is_refused_in_a_sentence() {
    let Some(pypy) = find_program("pypy3") else {
        return skip("pypy3 to crash");
    };
    let report = crash(&Folder::new(), &pypy);
    check_refused(&report, &["is PyPy 3.", "knows CPython 3.8 to"]);
}

/// A Python of at least 3.13 whose `_Py_DebugOffsets` a test has changed.
struct Changed {
    folder: Folder,
    executable: PathBuf,
    /// Where the changed library is, where it is no part of the executable.
    libraries: Option<PathBuf>,
    version: PythonVersion,
}

impl Changed {
    fn crash(&self) -> Value {
        crash_with(&self.folder, &self.executable, self.libraries.as_deref())
    }
}

/// A copy of an interpreter that is one file and has no symbols, beside a `pyvenv.cfg` by which it finds its library;
/// `None`, after a SKIP line, where there is none.
fn changed(change: impl Fn(&mut [u8])) -> Option<Changed> {
    if !has("strip") {
        return None;
    }
    let all = pythons();
    let python = all.iter().find(|python| {
        python.version.minor() >= 13
            && python.version.is_final()
            && python.library == python.executable
            && !python.flavour.debug
    });
    let Some(python) = python else {
        skip("a static CPython 3.13 or later");
        return None;
    };
    let folder = Folder::new();
    // Without a build id nothing that was learned of the original counts.
    let options = ["--remove-section=.note.gnu.build-id"];
    let executable = stripped_copy(python, folder.path(), &options).expect("a copy");
    change_file(&executable, &executable, change);
    Some(Changed {
        folder,
        executable,
        libraries: None,
        version: python.version,
    })
}

/// An interpreter with a shared library that has its debug information inside, and a copy of that library.
fn changed_with_debug_information(change: impl Fn(&mut [u8])) -> Option<Changed> {
    let all = pythons();
    let python = all.iter().find(|python| {
        let has_debug_information = || {
            let data = fs::read(&python.library).expect("a library");
            let file = object::File::parse(&*data).expect("an ELF file");
            file.section_by_name(".debug_info").is_some()
        };
        let is_shared = python.library != python.executable;
        python.version.minor() >= 13 && python.version.is_final() && is_shared && has_debug_information()
    });
    let Some(python) = python else {
        skip("a shared CPython 3.13 or later with debug information");
        return None;
    };
    let folder = Folder::new();
    let copy = folder.join(python.library.file_name().expect("a name"));
    change_file(&python.library, &copy, change);
    Some(Changed {
        libraries: Some(folder.path().to_owned()),
        folder,
        executable: python.executable.clone(),
        version: python.version,
    })
}

fn change_file(from: &Path, to: &Path, change: impl Fn(&mut [u8])) {
    let mut data = fs::read(from).expect("its content");
    let range = object::File::parse(&*data)
        .expect("an ELF file")
        .section_by_name(".PyRuntime")
        .and_then(|section| section.file_range())
        .expect("_PyRuntime");
    let runtime = &mut data[range.0 as usize..][..range.1 as usize];
    assert_eq!(&runtime[..8], b"xdebugpy");
    change(runtime);
    write_program(to, data);
}

fn set_version(runtime: &mut [u8], version: u32) {
    runtime[8..16].copy_from_slice(&u64::from(version).to_le_bytes());
}

fn set_later(runtime: &mut [u8]) {
    set_version(runtime, 0x0363_02f0);
}

/// The third alpha release.
fn set_early(runtime: &mut [u8]) {
    runtime[8] = 0xa3;
}

#[test]
fn a_minor_version_of_the_future_is_refused() {
    let Some(python) = changed(set_later) else { return };
    check_refused(&python.crash(), &["is CPython 3.99;", "knows CPython 3.8 to"]);
}

#[test]
fn a_minor_version_of_the_future_is_read_by_its_own_debug_information() {
    let Some(python) = changed_with_debug_information(set_later) else {
        return;
    };
    let report = python.crash();
    check_known(&report, "a later minor version");
    assert_eq!(report["python"][0]["layout"]["provider"], "dwarf");
    let is_it = |note: &&str| note.contains("CPython 3.99.2 is later than what coldframe knows");
    assert_eq!(
        notes(&report).iter().copied().filter(|note| is_it(note)).count(),
        1,
        "{:?}",
        notes(&report)
    );
}

#[test]
fn before_a_final_release_what_it_says_of_itself_counts() {
    let Some(python) = changed(set_early) else { return };
    let report = python.crash();
    check_known(&report, "an alpha release");
    let layout = &report["python"][0]["layout"];
    assert_eq!(layout["provider"], "debug-offsets");
    assert_eq!(layout["detail"], "_Py_DebugOffsets alone");
    let name = format!("of CPython 3.{}", python.version.minor());
    let is_it = |note: &str| note.contains(&name) && note.ends_with("only _Py_DebugOffsets is known");
    assert_eq!(
        notes(&report).into_iter().filter(|note| is_it(note)).count(),
        1,
        "{:?}",
        notes(&report)
    );
}

/// The table of an alpha release may have a word more or less than that of the final one, wherever.
#[test]
fn an_order_that_is_not_known_is_refused() {
    // The shortest table, that of 3.13, has 73 words.
    for word in [4, 12, 40, 60] {
        let moved = |runtime: &mut [u8]| {
            set_early(runtime);
            runtime[..584].copy_within(word * 8..576, (word + 1) * 8);
        };
        let Some(python) = changed(moved) else { return };
        let name = format!("the layout of CPython 3.{}", python.version.minor());
        check_refused(&python.crash(), &[&name, "a3", "is not known"]);
    }
}

#[test]
fn a_later_micro_release_is_read_by_what_it_says_of_itself() {
    let later = |runtime: &mut [u8]| runtime[9] = 99;
    let Some(python) = changed(later) else { return };
    let report = python.crash();
    check_known(&report, "a later micro release");
    assert_eq!(report["python"][0]["layout"]["provider"], "debug-offsets");
}

/// The first words behind the flag are the runtime's size, `finalizing`, `interpreters_head`, the interpreter's size, `id`,
/// `next`, `threads_head`.
#[test]
fn offsets_that_do_not_fit_are_refused() {
    for (word, value) in [(5, 648u64), (9, 64), (9, 1 << 20)] {
        let wrong = |runtime: &mut [u8]| runtime[word * 8..][..8].copy_from_slice(&value.to_le_bytes());
        let Some(python) = changed(wrong) else { return };
        check_refused(&python.crash(), &["does not fit this process"]);
    }
}
