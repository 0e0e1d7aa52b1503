//! docs/support-matrix.md: what the version rows say. Its results section belongs to tests/full, and is kept.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::debug_offsets::known_words;
use super::{Behaviour, Flavour, PythonVersion, VERSIONS, Version, builtin_table};

const BEGIN: &str = "<!-- results -->";
const END: &str = "<!-- /results -->";

#[test]
fn the_support_matrix_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/support-matrix.md");
    let old = fs::read_to_string(&path).unwrap_or_default();
    let results = old
        .split_once(BEGIN)
        .and_then(|(_, rest)| Some(rest.split_once(END)?.0));
    let current = format!("{}{BEGIN}{}{END}\n", from_rows(), results.unwrap_or("\n"));
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(&path, &current).expect("docs can be written");
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == current,
        "docs/support-matrix.md is not what the version rows say: run with UPDATE_GOLDENS=1"
    );
}

fn from_rows() -> String {
    let mut text = String::from(
        "# Support matrix\n\nMade from the version rows (src/layout/versions.rs) and the built-in table by \
         `UPDATE_GOLDENS=1 cargo test support_matrix`; the results at the end are those of the last run of \
         `tests/full`.\n\nLinux on x86_64. CPython 2.7 and 3.0 to 3.7 and other implementations of \
         Python get their native stack and a note.\n\n\
         ## Builds\n\n\
         With debug information of the very build, in its file or in a separate one, any build of these versions is read by it. \
         Without, what is in the third column is used, and tried on the process before it is trusted.\n\n\
         | CPython | builds | without debug information | made from |\n|---|---|---|---|\n",
    );
    for row in VERSIONS {
        let _ = writeln!(
            text,
            "| 3.{} | {} | {} | {} |",
            row.minor,
            builds(row),
            if known_words(version(row)).is_some() {
                "`_Py_DebugOffsets`, completed by built-in offsets"
            } else {
                "built-in offsets"
            },
            sources(row).join(", ")
        );
    }
    text.push_str(
        "\nThe last column has the builds whose debug information the built-in offsets were taken from: `t` free-threaded, \
         `d` debug. A debug build that has none of its own differs in nothing from the release build. Where there is a \
         release build of the same version, the free-threaded row is from its headers, compiled as a free-threaded build \
         has them (tests/header-layouts). The structures that CPython defines in .c files are then from another \
         free-threaded build of that minor version, for 3.15 that of 3.15.0rc1; but for the larger head of all objects \
         they are those of the release build.\n\n\
         Between micro releases structures may change. Where `_Py_DebugOffsets` has a field elsewhere than these builds, \
         fields between two that lie the same distance further are taken to lie so, too; others of that structure are not \
         known.\n\n\
         Prereleases of these versions without debug information are read by `_Py_DebugOffsets` alone, where its words \
         are in the order of the final release: functions, lines and simple values. Later minor versions are read by \
         their own debug information as the last one here. Both are tried on the process first, and a note says so.\n\n\
         ## Behaviour\n\nHow each version behaves where that differs; only what changed against the column before is \
         written.\n\n",
    );
    text + &behaviours() + "\n## Results\n\n"
}

fn version(row: &Version) -> PythonVersion {
    PythonVersion::release(3, row.minor, 0)
}

fn builds(row: &Version) -> &'static str {
    match row.free_threaded {
        Some(_) => "release, debug, free-threaded",
        None => "release, debug",
    }
}

fn sources(row: &Version) -> Vec<String> {
    let rows = builtin_table().into_iter();
    let of_minor = rows.filter(|column| column.version.minor() == row.minor);
    of_minor
        .map(|column| format!("{}{}", column.version, column.flavour))
        .collect()
}

/// One line for each aspect in which not all are alike, one column for each version; free-threaded ones behind the others.
fn behaviours() -> String {
    let free_threaded = Flavour {
        free_threaded: true,
        ..Flavour::default()
    };
    let of = |flavour: Flavour| {
        let rows = VERSIONS
            .iter()
            .filter_map(move |row| Some((row, row.behaviour_of(flavour)?)));
        rows.map(move |(row, behaviour)| (format!("3.{}{flavour}", row.minor), behaviour))
    };
    let columns: Vec<(String, &Behaviour)> = of(Flavour::default()).chain(of(free_threaded)).collect();
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let mut text = format!("| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(columns.len()));
    let aspects: Vec<Vec<(&str, String)>> = columns.iter().map(|(_, behaviour)| behaviour.aspects()).collect();
    let count = aspects.first().map_or(0, Vec::len);
    for index in 0..count {
        let values: Vec<&str> = aspects.iter().map(|column| column[index].1.as_str()).collect();
        if values.iter().collect::<BTreeSet<_>>().len() == 1 {
            continue;
        }
        let mut last = "";
        let cells = values.iter().map(|value| {
            let is_new = *value != last;
            last = value;
            if is_new { format!("`{value}`") } else { String::new() }
        });
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(text, "| {} | {} |", aspects[0][index].0, cells.join(" | "));
    }
    text
}
