//! Facts flow one way: which module may use which.

use super::File;

/// The modules in the order of the flow. Those of one row do not use each other.
const ORDER: [&[&str]; 13] = [
    &["addr", "notes"],
    &["redact"],
    &["source"],
    &["image"],
    &["unwind", "layout", "machine"],
    &["python"],
    &["stack", "native"],
    &["report"],
    &["triage"],
    &["findings"],
    &["session"],
    &["capture", "export", "helpers"],
    &["cli", "shell", "dap"],
];

/// What a module must not name although the order would allow it: the module, a path, and why.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("report", "crate::source::Memory", "a report never sees a memory"),
    ("report", "crate::source::MemoryExt", "a report never sees a memory"),
    ("report", "crate::source::Target", "a report never sees a process"),
    ("report", "std::fs", "a report never sees a file"),
    ("triage", "crate::source::Memory", "triage works on reports"),
    ("triage", "crate::source::MemoryExt", "triage works on reports"),
    ("triage", "crate::source::Target", "triage works on reports"),
    (
        "python",
        "crate::image",
        "Python structures are read through a layout and a memory",
    ),
    (
        "python",
        "std::fs",
        "Python structures are read through a layout and a memory",
    ),
    (
        "python",
        "std::path",
        "Python structures are read through a layout and a memory",
    ),
    (
        "findings",
        "std::fs",
        "what a dump does not hold cannot be found in one",
    ),
    ("unwind", "std::fs", "unwinding reads memory only"),
    ("stack", "std::fs", "merging takes two lists of frames"),
];

/// `helpers` generates from the table alone.
const HELPERS_MAY_USE: [&str; 3] = ["addr", "notes", "layout"];

/// A module uses only those before it.
pub fn order(file: &File<'_>) -> Vec<(usize, String)> {
    let module = module_of(file.path);
    let Some(own) = rank(module) else {
        return vec![(
            1,
            format!("module {module} has no place in the order (tests/it/tidy/flow.rs)"),
        )];
    };
    let mut broken = Vec::new();
    for (line, path) in paths(file) {
        let Some(used) = path
            .strip_prefix("crate::")
            .map(|rest| rest.split("::").next().unwrap_or(rest))
        else {
            continue;
        };
        let allowed = used == module
            || match rank(used) {
                Some(_) if module == "helpers" => HELPERS_MAY_USE.contains(&used),
                Some(rank) => rank < own,
                // An item of lib.rs itself, or a macro.
                None => true,
            };
        if !allowed {
            broken.push((line, format!("{module} uses {path}: facts flow the other way")));
        }
    }
    broken
}

/// A module does not name what it must know nothing of.
pub fn forbidden(file: &File<'_>) -> Vec<(usize, String)> {
    let module = module_of(file.path);
    let tests = tests_begin(file);
    let mut broken = Vec::new();
    for (line, path) in paths(file).into_iter().filter(|&(line, _)| line < tests) {
        for (of, banned, why) in FORBIDDEN {
            // A glob import of the parent names it too.
            let by_glob = path
                .strip_suffix("::*")
                .is_some_and(|parent| banned.rsplit_once("::").is_some_and(|(module, _)| module == parent));
            let is_it = path == *banned || path.starts_with(&format!("{banned}::")) || by_glob;
            if *of == module && is_it {
                broken.push((line, format!("{module} names {path}: {why}")));
            }
        }
    }
    broken
}

/// The line where the file's own tests begin: they may know more than the module does.
fn tests_begin(file: &File<'_>) -> usize {
    let start = ["#![cfg(test)]", "#[cfg(test)]\nmod tests"]
        .iter()
        .filter_map(|mark| file.code.find(mark))
        .min();
    start.map_or(usize::MAX, |start| file.code[..start].matches('\n').count() + 1)
}

/// `src/python/frame.rs` and `src/python.rs` belong to `python`.
fn module_of(path: &str) -> &str {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    let first = inner.split('/').next().unwrap_or(inner);
    first.strip_suffix(".rs").unwrap_or(first)
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|row| row.contains(&module))
}

/// The paths that begin with `crate::`, `coldframe::` or `std::`, groups taken apart, `super` resolved
/// where it leads out of the module.
fn paths(file: &File<'_>) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for root in ["crate::", "std::", "super::"] {
        let mut from = 0;
        while let Some(offset) = file.code[from..].find(root) {
            let start = from + offset;
            from = start + root.len();
            let before = file.code[..start].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let line = file.code[..start].matches('\n').count() + 1;
            let mut ends = Vec::new();
            expand(&file.code[start..], String::new(), &mut ends);
            found.extend(
                ends.into_iter()
                    .filter_map(|path| absolute(file, start, path))
                    .map(|path| (line, path)),
            );
        }
    }
    found.sort();
    found
}

/// Appends the paths that `text` begins with, each after `prefix`; returns what follows them.
fn expand<'a>(text: &'a str, prefix: String, found: &mut Vec<String>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                return rest;
            }
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            let after = expand(rest, prefix.clone(), found);
            let after = after.trim_start();
            // `as name`, and anything this does not understand, up to the next item.
            let skip = after.find([',', '}']).unwrap_or(after.len());
            rest = after[skip..].strip_prefix(',').unwrap_or(&after[skip..]);
        }
    }
    let length = text
        .find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*')
        .unwrap_or(text.len());
    let path = format!("{prefix}{}", &text[..length]);
    match text[length..].strip_prefix("::") {
        // A turbofish ends the path.
        Some(rest) if !rest.trim_start().starts_with('<') => expand(rest, format!("{path}::"), found),
        _ => {
            found.push(path);
            &text[length..]
        }
    }
}

/// Turns `super::…` that leads to the root of the crate into `crate::…`.
fn absolute(file: &File<'_>, start: usize, path: String) -> Option<String> {
    if !path.starts_with("super::") {
        return Some(path);
    }
    let ups = path.matches("super::").count();
    let inner = file.path.strip_prefix("src/").unwrap_or(file.path);
    let is_folder = inner.ends_with("/mod.rs");
    let depth = inner.split('/').count() - usize::from(is_folder);
    // Inside `mod tests { … }` one step leads to the file itself.
    let in_tests = file.code[..start].contains("mod tests {");
    (ups >= depth + usize::from(in_tests)).then(|| path.replacen(&"super::".repeat(ups), "crate::", 1))
}

#[cfg(test)]
mod tests {
    use super::super::broken;
    use super::*;

    #[test]
    fn a_use_against_the_flow_is_found() {
        let uses = "use crate::addr::Addr;\nuse crate::report::Report;\n";
        assert_eq!(broken(order, "src/python/frame.rs", uses), [2]);
        assert_eq!(broken(order, "src/cli/run.rs", uses), [0; 0]);
        assert_eq!(broken(order, "src/python.rs", "fn f() { crate::stack::merge() }"), [1]);
        assert_eq!(
            broken(
                order,
                "src/unwind/mod.rs",
                "use crate::{addr, layout::{Layout, field}};"
            ),
            [1, 1]
        );
        assert_eq!(
            broken(
                order,
                "src/helpers/mod.rs",
                "use crate::layout::Layout;\nuse crate::python::Frame;"
            ),
            [2]
        );
        assert_eq!(broken(order, "src/novel/mod.rs", ""), [1]);
    }

    #[test]
    fn super_does_not_get_around_it() {
        assert_eq!(broken(order, "src/addr.rs", "use super::source::Memory;"), [1]);
        assert_eq!(
            broken(
                order,
                "src/image/elf.rs",
                "use super::super::python::Frame;\nuse super::python;"
            ),
            [1]
        );
        assert_eq!(
            broken(
                order,
                "src/image/mod.rs",
                "mod tests {\n use super::super::python;\n use super::stack;\n}"
            ),
            [2]
        );
    }

    #[test]
    fn comments_and_other_crates_do_not_count() {
        let text = "//! See crate::report.\nuse gimli::report::X;\nconst S: &str = \"crate::cli\";";
        assert_eq!(broken(order, "src/image/mod.rs", text), [0; 0]);
    }

    #[test]
    fn what_a_module_must_not_know_is_found() {
        let text = "use crate::source::streams::Trust;\nuse crate::source::{\n    Crash,\n    Memory as M,\n};\n";
        assert_eq!(broken(forbidden, "src/report/text/mod.rs", text), [2]);
        assert_eq!(broken(forbidden, "src/report/mod.rs", "use crate::source::*;"), [1; 3]);
        assert_eq!(broken(forbidden, "src/python/mod.rs", "use std::{fmt, fs::File};"), [1]);
        assert_eq!(
            broken(forbidden, "src/python/mod.rs", "let x = std::fs::read(path);"),
            [1]
        );
        assert_eq!(broken(forbidden, "src/stack/mod.rs", text), [0; 0]);
        let with_tests = "use std::path::Path;\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
        assert_eq!(broken(forbidden, "src/python/mod.rs", with_tests), [1]);
    }

    #[test]
    fn groups_are_taken_apart() {
        let mut found = Vec::new();
        expand("crate::{a, b::{self, c as d}, e::*};", String::new(), &mut found);
        assert_eq!(found, ["crate::a", "crate::b::self", "crate::b::c", "crate::e::*"]);
        for odd in ["crate::{", "crate::{{{", "crate::", "crate::{,,}"] {
            expand(odd, String::new(), &mut Vec::new());
        }
    }
}
