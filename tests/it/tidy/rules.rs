//! Rules about single files.

use super::File;
use super::code::words;

/// Files longer than this hold more than one thing.
const MAX_LINES: usize = 500;
/// Where `unsafe` may stand: at the borders to the operating system and to mapped files.
const UNSAFE_ALLOWED: [&str; 4] = [
    "src/source/live",
    "src/source/mapped",
    "src/capture/",
    "crates/handler/",
];
/// Names that hold a Python version, wherever they occur.
const VERSION_NAMES: [&str; 5] = ["minor", "version_hex", "hexversion", "py_version", "python_version"];

/// The head of a mod.rs says what is absent there.
pub fn invariant(file: &File<'_>) -> Vec<(usize, String)> {
    let head = file.text.lines().take_while(|line| line.starts_with("//!"));
    if head.into_iter().any(|line| line.contains("Invariant:")) {
        Vec::new()
    } else {
        vec![(1, "its opening comment has no line \"Invariant:\"".to_string())]
    }
}

/// What differs between versions of CPython is data of the layout.
pub fn no_version_comparison(file: &File<'_>) -> Vec<(usize, String)> {
    let is_comparison = |rest: &str| {
        ["==", "!=", "<=", ">=", "< ", "> "]
            .iter()
            .any(|op| rest.trim_start().starts_with(op))
    };
    let mut broken = Vec::new();
    for (number, line) in numbered(file.code) {
        let words = words(line);
        let compared = words.iter().any(|&(start, word)| {
            let after = line[start + word.len()..].trim_start_matches("()");
            let before = line[..start]
                .trim_end_matches(|c: char| c.is_alphanumeric() || c == '_' || c == '.')
                .trim_end();
            let is_matched =
                before.ends_with("match") || ["==", "!=", "<=", ">="].iter().any(|op| before.ends_with(op));
            VERSION_NAMES.contains(&word) && (is_comparison(after) || is_matched)
        });
        let literal = words
            .iter()
            .any(|(_, word)| word.len() == 10 && word.starts_with("0x03"));
        let tuple = line.replace(' ', "").contains("(3,1");
        if compared || literal || tuple {
            broken.push((number, "a Python version is compared outside src/layout".to_string()));
        }
    }
    broken
}

/// `unsafe` is for the borders only.
pub fn no_unsafe(file: &File<'_>) -> Vec<(usize, String)> {
    if UNSAFE_ALLOWED.iter().any(|place| file.path.starts_with(place)) {
        return Vec::new();
    }
    numbered(file.code)
        .filter(|(_, line)| {
            words(line)
                .iter()
                .any(|(_, word)| ["unsafe", "unsafe_code"].contains(word))
        })
        .map(|(number, _)| (number, "unsafe code is not allowed here".to_string()))
        .collect()
}

/// Files are short, tables excepted.
pub fn short(file: &File<'_>) -> Vec<(usize, String)> {
    let lines = file.text.lines().count();
    if lines <= MAX_LINES || file.text.starts_with("// table") {
        return Vec::new();
    }
    vec![(
        lines,
        format!("more than {MAX_LINES} lines: split it, or say `// table` on line 1"),
    )]
}

/// What is true on one machine does not belong here.
pub fn no_machine_path(file: &File<'_>) -> Vec<(usize, String)> {
    let homes = ["work", "root"].map(|folder| format!("/{folder}/"));
    // `/proc/PID/root/` is a path of every machine.
    let is_inside = |c: char| c.is_alphanumeric() || "_-.}>)]*".contains(c);
    numbered(file.text)
        .filter(|(_, line)| {
            homes.iter().any(|home| {
                let mut starts = line.match_indices(home.as_str());
                starts.any(|(at, _)| !line[..at].chars().next_back().is_some_and(is_inside))
            })
        })
        .map(|(number, _)| (number, "a path of one machine".to_string()))
        .collect()
}

/// What is missing is stated in the documents, not left in the code.
pub fn nothing_unfinished(file: &File<'_>) -> Vec<(usize, String)> {
    // Put together here, so that this file does not break its own rule.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["X", "XX"]].map(|parts| parts.concat());
    let macros = ["dbg", "todo", "unimplemented"];
    let mut broken = Vec::new();
    for ((number, line), code) in numbered(file.text).zip(file.code.lines()) {
        let is_marked = words(line)
            .iter()
            .any(|(_, word)| marks.iter().any(|mark| mark == word));
        let calls = words(code)
            .iter()
            .any(|(at, word)| macros.contains(word) && code[at + word.len()..].starts_with('!'));
        if is_marked || calls {
            broken.push((number, "left unfinished".to_string()));
        }
    }
    broken
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::super::broken;
    use super::*;

    const NONE: [usize; 0] = [];

    #[test]
    fn a_missing_invariant_is_found() {
        assert_eq!(
            broken(
                invariant,
                "src/x/mod.rs",
                "//! What it is for.\n\n// Invariant: too late\n"
            ),
            [1]
        );
        assert_eq!(
            broken(
                invariant,
                "src/x/mod.rs",
                "//! What it is for.\n//!\n//! Invariant: no files.\n"
            ),
            NONE
        );
    }

    #[test]
    fn version_comparisons_are_found() {
        for text in [
            "if version.minor >= 11 {",
            "if 12 <= v.minor {",
            "match version.minor {",
            "if minor() == 8 {",
            "x.version_hex < 0x03",
            "if hex > 0x030c0000 {",
            "if version >= (3, 12) {",
        ] {
            assert_eq!(broken(no_version_comparison, "src/python/x.rs", text), [1], "{text}");
        }
        for text in [
            "let minor = 3;",
            "f(minor)",
            "match layout.frame_root {",
            "// minor >= 12",
            "minor: u8,",
        ] {
            assert_eq!(broken(no_version_comparison, "src/python/x.rs", text), NONE, "{text}");
        }
    }

    #[test]
    fn unsafe_is_found() {
        let text = "#![allow(unsafe_code)]\nfn f() { unsafe { g() } }\n// unsafe\n";
        assert_eq!(broken(no_unsafe, "src/python/x.rs", text), [1, 2]);
        assert_eq!(broken(no_unsafe, "src/source/live/memory.rs", text), NONE);
    }

    #[test]
    fn long_files_are_found() {
        let long = "\n".repeat(501);
        assert_eq!(broken(short, "src/x.rs", &long), [501]);
        assert_eq!(broken(short, "src/x.rs", &format!("// table of signals\n{long}")), NONE);
    }

    #[test]
    fn machine_paths_are_found() {
        let home = ["/ro", "ot/x"].concat();
        let lines = [
            format!("see {home}"),
            format!("\"{home}\""),
            home.clone(),
            format!("/proc/PID{home}"),
        ]
        .join("\n");
        assert_eq!(broken(no_machine_path, "README.md", &lines), [1, 2, 3]);
    }

    #[test]
    fn unfinished_work_is_found() {
        let text = [
            "// TO",
            "DO later\ndb",
            "g!(x);\nlet todo = 1;\n\"FIX",
            "ME\"\nto",
            "do!()",
        ]
        .concat();
        assert_eq!(broken(nothing_unfinished, "src/x.rs", &text), [1, 2, 4, 5]);
    }
}
