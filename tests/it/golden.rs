//! Golden files: expected output, kept as plain text under tests/goldens so that reviews show it.
//!
//! `UPDATE_GOLDENS=1 cargo test` writes what the program now prints; look at the difference before
//! committing it.

use std::fs;
use std::path::{Path, PathBuf};

/// A path below the root of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Whether the run updates golden files.
pub fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDENS").is_some()
}

/// Compares `actual` with tests/goldens/`name`; says how they differ, if they do.
pub fn check(name: &str, actual: &str) -> Result<(), String> {
    let path = repository("tests/goldens").join(name);
    if updating() {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        }
        fs::write(&path, actual).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    let expected =
        fs::read_to_string(&path).map_err(|e| format!("{}: {e}; run with UPDATE_GOLDENS=1", path.display()))?;
    difference(&expected, actual).map_or(Ok(()), |text| Err(format!("tests/goldens/{name} differs\n{text}")))
}

/// The first line that differs, with what follows it on both sides.
fn difference(expected: &str, actual: &str) -> Option<String> {
    if expected == actual {
        return None;
    }
    let same = expected.lines().zip(actual.lines()).take_while(|(a, b)| a == b).count();
    let side = |sign: char, text: &str| -> String {
        text.lines()
            .skip(same)
            .take(12)
            .map(|line| format!("{sign} {line}\n"))
            .collect()
    };
    Some(format!(
        "from line {} on:\n{}{}",
        same + 1,
        side('-', expected),
        side('+', actual)
    ))
}

#[test]
fn differences_are_found() {
    assert_eq!(difference("a\nb\n", "a\nb\n"), None);
    assert_eq!(difference("a\nb\n", "a\nc\n").unwrap(), "from line 2 on:\n- b\n+ c\n");
    assert_eq!(difference("a\n", "a").unwrap(), "from line 2 on:\n");
}
