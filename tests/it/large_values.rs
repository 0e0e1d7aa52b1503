//! Values of gigabytes: the dump stays small, and the report says how large they are.

use serde_json::Value;

use crate::golden::repository;
use crate::harness::{COLDFRAME, Folder, bare, output};
use crate::pythons::{Python, pythons};

/// The most that a dump may have, in bytes.
const MAX_DUMP: u64 = 8 << 20;

/// What benches/figures/programs/values.py holds: a word for it, its true length, how its text begins, and what it ends
/// with.
const VALUES: &[(&str, u64, &str, &str)] = &[
    ("list", (5 << 30) / 8, "[None, None, None", "… 671088590 more]"),
    ("str", 2 << 30, "'xxxxxxxx", "'… 2147483136 more"),
    ("dict", 1_000_000, "{0: '0', 1: '1'", "… 999950 more}"),
    ("nested", 1, "[[[[[[…", "]]]]]]"),
];

#[test]
fn large_values_are_elided_with_their_length() {
    let all = pythons();
    let mut chosen: Vec<&Python> = [all.first(), all.last()].into_iter().flatten().collect();
    chosen.dedup_by(|a, b| a.executable == b.executable);
    for python in chosen {
        let version = python.version;
        for &(word, length, beginning, end) in VALUES {
            let value = held(python, word);
            let text = value["value"].as_str().unwrap_or_default();
            assert_eq!(value["length"], length, "{version}: {word}");
            assert!(text.starts_with(beginning) && text.ends_with(end), "{version}: {text}");
            assert!(text.len() < 2000, "{version}: {} bytes of {word}", text.len());
        }
        let node = held(python, "cycle");
        let parts = node["children"].as_array().expect("attributes");
        let next = parts.iter().find(|part| part["name"] == ".next").expect("an attribute");
        for value in [&node, next] {
            let text = value["value"].as_str().unwrap_or_default();
            assert!(text.starts_with("<__main__.Node object at 0x"), "{version}: {value}");
        }
    }
}

/// The variable of the frame that crashes, of a dump that is small. On a machine that is very busy a capture may run out
/// of time and lack it: then once more.
fn held(python: &Python, word: &str) -> Value {
    let found = (0..3).find_map(|_| captured(python, word));
    found.unwrap_or_else(|| panic!("{}: no value of {word}", python.version))
}

fn captured(python: &Python, word: &str) -> Option<Value> {
    let folder = Folder::new();
    let dumps = folder.join("dumps");
    let mut run = bare(COLDFRAME.as_ref(), &folder);
    run.args(["run", "--report", "none", "-o"]).arg(&dumps).arg("--");
    run.arg(&python.executable);
    run.arg(repository("benches/figures/programs/values.py")).arg(word);
    output(run);
    let dump = std::fs::read_dir(&dumps).ok()?.next()?.expect("its name").path();
    let size = dump.metadata().expect("its size").len();
    assert!(size < MAX_DUMP, "{}: {size} bytes of {word}", python.version);
    let mut analyze = bare(COLDFRAME.as_ref(), &folder);
    analyze.args(["analyze", "--format", "json"]).arg(&dump);
    let report: Value = serde_json::from_slice(&output(analyze).stdout).expect("a report");
    let mut frames = report["threads"][0]["frames"].as_array()?.iter();
    let frame = frames.find(|frame| frame["function"] == "hold")?;
    let mut locals = frame["locals"].as_array()?.iter();
    locals.find(|local| local["name"] == "value").cloned()
}
