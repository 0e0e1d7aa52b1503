//! `coldframe warm`.

use std::fs;

use crate::harness::{COLDFRAME, Folder, bare, output, python, stderr};

#[test]
fn the_cache_is_filled_and_nothing_else_is_left() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    let mut warm = bare(COLDFRAME.as_ref(), &folder);
    warm.arg("warm").arg(&python);
    let result = output(warm);
    assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
    assert!(stderr(&result).contains("CPython 3."), "{}", stderr(&result));
    let cached = fs::read_dir(folder.join("cache")).expect("a cache").flatten();
    let mut files = cached.flat_map(|entry| fs::read_dir(entry.path()).into_iter().flatten());
    assert!(files.next().is_some(), "{}", stderr(&result));
    assert!(!folder.join("coldframe-dumps").exists());

    let mut wrong = bare(COLDFRAME.as_ref(), &folder);
    wrong.args(["warm", "/bin/true", "/nonexistent"]);
    let result = output(wrong);
    assert_eq!(result.status.code(), Some(1));
    let said = stderr(&result);
    assert!(
        said.contains("/bin/true: ") && said.contains("/nonexistent: "),
        "{said}"
    );
}
