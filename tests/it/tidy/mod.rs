//! Rules for the source tree itself. Each is a function over one file, tested on small bad inputs.

mod code;
mod flow;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};

use crate::golden::repository;

/// One file of the repository.
pub struct File<'a> {
    /// Path from the root of the repository.
    pub path: &'a str,
    /// The whole text.
    pub text: &'a str,
    /// The text with comments and the contents of string literals blanked out; line by line the same.
    pub code: &'a str,
}

/// A rule: the lines (from 1) that break it, and how.
pub type Rule = fn(&File<'_>) -> Vec<(usize, String)>;

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 6] = [
    "target",
    "coldframe-dumps",
    "__pycache__",
    "node_modules",
    "corpus",
    "artifacts",
];

/// The text files of the repository, by path.
fn files() -> Vec<(String, String)> {
    let root = repository("");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the repository can be read") {
            let path = entry.expect("the repository can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !SKIPPED.contains(&name.as_str()) && (!name.starts_with('.') || name == ".ci" || name == ".cargo") {
                    folders.push(path);
                }
            } else if let Some(text) = text_of(&path) {
                let relative = path.strip_prefix(&root).expect("it is below the root");
                files.push((relative.to_string_lossy().into_owned(), text));
            }
        }
    }
    files.sort();
    assert!(
        files.iter().any(|(path, _)| path == "src/lib.rs"),
        "the sources were not found"
    );
    files
}

/// The text of a file of ours; `None` for binaries and for what a program generated.
fn text_of(path: &PathBuf) -> Option<String> {
    let is_ours = match path.extension().and_then(|e| e.to_str()) {
        Some(extension) => ["rs", "py", "c", "h", "md", "toml", "json", "txt", "sh", "tsv"].contains(&extension),
        None => true,
    };
    // `.git` is a file in a linked work tree, and names its place on the machine.
    let is_git = path.file_name().is_some_and(|name| name == ".git");
    if is_ours && !is_git {
        fs::read_to_string(path).ok()
    } else {
        None
    }
}

fn check(rule: Rule, wanted: fn(&str) -> bool) {
    let mut broken = Vec::new();
    for (path, text) in files().iter().filter(|(path, _)| wanted(path)) {
        let code = code::code_of(text);
        let file = File {
            path,
            text,
            code: &code,
        };
        broken.extend(
            rule(&file)
                .into_iter()
                .map(|(line, what)| format!("{path}:{line}: {what}")),
        );
    }
    assert!(broken.is_empty(), "{} violations:\n{}", broken.len(), broken.join("\n"));
}

fn is_rust(path: &str) -> bool {
    path.ends_with(".rs")
}

fn is_module(path: &str) -> bool {
    path.starts_with("src/") && path.ends_with(".rs") && path != "src/main.rs" && path != "src/lib.rs"
}

#[test]
fn modules_use_only_those_before_them() {
    check(flow::order, is_module);
}

#[test]
fn modules_do_not_see_what_they_must_not_know() {
    check(flow::forbidden, is_module);
}

#[test]
fn every_folder_states_its_invariant() {
    check(rules::invariant, |path| {
        path.starts_with("src/") && path.ends_with("/mod.rs")
    });
    for entry in fs::read_dir(repository("src")).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        assert!(
            !path.is_dir() || path.join("mod.rs").is_file(),
            "{} has no mod.rs",
            path.display()
        );
    }
}

#[test]
fn versions_are_compared_only_where_they_are_described() {
    check(rules::no_version_comparison, |path| {
        is_module(path) && !path.starts_with("src/layout/")
    });
}

#[test]
fn unsafe_code_stays_where_it_is_allowed() {
    check(rules::no_unsafe, is_rust);
}

#[test]
fn files_are_short() {
    check(rules::short, is_rust);
}

#[test]
fn no_file_names_a_place_on_one_machine() {
    check(rules::no_machine_path, |_| true);
}

#[test]
fn nothing_is_left_for_later_in_silence() {
    check(rules::nothing_unfinished, |path| {
        is_rust(path) || path.ends_with(".py") || path.ends_with(".c")
    });
}

/// Runs a rule on a text, as if it stood in the file `path`; for the rules' own tests.
fn broken(rule: Rule, path: &str, text: &str) -> Vec<usize> {
    let code = code::code_of(text);
    let file = File {
        path,
        text,
        code: &code,
    };
    rule(&file).into_iter().map(|(line, _)| line).collect()
}

#[test]
fn the_walk_sees_hidden_folders_that_are_ours() {
    let files = files();
    assert!(files.iter().any(|(path, _)| path == ".ci/run"));
    assert!(!files.iter().any(|(path, _)| Path::new(path).starts_with("target")));
}
