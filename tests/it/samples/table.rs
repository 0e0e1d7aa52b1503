//! The table of what became of each sample on each Python.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use super::short;
use crate::pythons::Python;

/// What became of one sample on one Python.
pub enum Verdict {
    Ok,
    Failed(Vec<String>),
    /// For want of something that could be installed.
    Skipped(String),
    /// This Python cannot run it.
    Impossible(String),
}

pub struct Cell {
    pub sample: String,
    pub python: usize,
    pub verdict: Verdict,
    pub took: Duration,
}

/// Prints the table past the capture of the test harness; returns the problems.
pub fn print(title: &str, pythons: &[Python], cells: &[Cell], took: Duration) -> Vec<String> {
    let mut table = format!("\n{title:22}");
    let mut failures = Vec::new();
    let mut skipped = BTreeSet::new();
    let mut impossible = BTreeMap::new();
    for python in pythons {
        let _ = write!(table, "{:>12}", short(python));
    }
    for cell in cells {
        if cell.python == 0 {
            let _ = write!(table, "\n{:22}", cell.sample);
        }
        let word = match &cell.verdict {
            Verdict::Ok => "ok",
            Verdict::Failed(problems) => {
                let place = format!("{} on {}", cell.sample, short(&pythons[cell.python]));
                failures.extend(problems.iter().map(|problem| format!("{place}: {problem}")));
                "FAILED"
            }
            Verdict::Skipped(reason) => {
                skipped.insert(format!("{} on {}: {reason}", cell.sample, short(&pythons[cell.python])));
                "skipped"
            }
            Verdict::Impossible(reason) => {
                impossible
                    .entry((&cell.sample, reason))
                    .or_insert_with(Vec::new)
                    .push(short(&pythons[cell.python]));
                "-"
            }
        };
        let _ = write!(table, "{word:>12}");
    }
    for ((sample, reason), pythons) in impossible {
        let _ = write!(table, "\n- {sample}: {reason}: {}", pythons.join(", "));
    }
    let slowest = cells.iter().max_by_key(|cell| cell.took).expect("there are cells");
    let _ = writeln!(
        table,
        "\n{} cells in {:.1} s; the slowest: {} on {}, {:.1} s",
        cells.len(),
        took.as_secs_f64(),
        slowest.sample,
        short(&pythons[slowest.python]),
        slowest.took.as_secs_f64()
    );
    let _ = std::io::stderr().lock().write_all(table.as_bytes());
    for reason in skipped {
        crate::tools::skip(&reason);
    }
    failures
}
