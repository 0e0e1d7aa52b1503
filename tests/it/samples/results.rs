//! The results section of docs/support-matrix.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use super::full::{Build, Finding, INPUTS, Outcome, Result};
use super::peers::Peer;
use crate::golden::repository;

const BEGIN: &str = "<!-- results -->";
const END: &str = "<!-- /results -->";

/// How many cells came out how.
#[derive(Default)]
struct Count {
    right: usize,
    wrong: usize,
    unsupported: usize,
}

/// Writes the section; returns what is wrong.
pub fn write(builds: &[Build], results: &[Result], peers: &BTreeMap<&'static str, Peer>) -> Vec<String> {
    let mut names: Vec<&str> = builds.iter().map(|build| &*build.name).collect();
    names.dedup();
    let mut rows: BTreeMap<&str, BTreeMap<&str, Vec<&Result>>> = BTreeMap::new();
    for result in results {
        let row = rows.entry(&result.sample).or_default();
        row.entry(&builds[result.build].name).or_default().push(result);
    }
    let mut count = Count::default();
    let mut problems = Vec::new();
    let mut unsupported: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut table = format!(
        "| situation | {} |\n|---|{}\n",
        names.join(" | "),
        "---|".repeat(names.len())
    );
    for (sample, row) in &rows {
        let _ = write!(table, "| {sample} |");
        for name in &names {
            let text = cell(
                sample,
                name,
                row.get(name),
                builds,
                &mut count,
                &mut problems,
                &mut unsupported,
            );
            let _ = write!(table, " {text} |");
        }
        table.push('\n');
    }
    let mut text = format!(
        "Made by tests/full on {}, at commit {}: {} cells of build, input (dump, kernel core, live process), with and \
         without symbols, and situation. {} right, {} wrong, {} not supported.\n\nA cell is right when function, \
         qualified name, file, line, columns and the names and values of the locals of every Python frame are what \
         CPython itself said just before the crash, and the native frames are those that the sample states. `6/6`: \
         with and without symbols, three inputs each; `3/3`: the build has no symbols. What is missing to that and not bold \
         is not supported, and the report says so in a note; bold is wrong. Situations are \
         the files in samples/. Builds: `t` free-threaded, `d` debug, `s` static.\n\n{table}",
        today(),
        commit(),
        count.right + count.wrong + count.unsupported,
        count.right,
        count.wrong,
        count.unsupported,
    );
    if !unsupported.is_empty() {
        text.push_str("\nNot supported:\n\n");
        for (reason, places) in &unsupported {
            let places: Vec<&str> = places.iter().map(String::as_str).collect();
            let _ = writeln!(text, "- {reason}: {}", places.join("; "));
        }
    }
    text.push_str(&compared(peers));
    for (name, peer) in peers {
        problems.extend(
            peer.missing
                .iter()
                .map(|frame| format!("{name} finds a frame more: {frame}")),
        );
    }
    insert("docs/support-matrix.md", &text);
    problems
}

/// `6/6`, or `-` where the sample does not run.
fn cell(
    sample: &str,
    name: &str,
    results: Option<&Vec<&Result>>,
    builds: &[Build],
    count: &mut Count,
    problems: &mut Vec<String>,
    unsupported: &mut BTreeMap<String, BTreeSet<String>>,
) -> String {
    let (mut right, mut wrong_ones, mut all) = (0, 0, 0);
    for result in results.into_iter().flatten() {
        match &result.outcome {
            Outcome::Unsupported(reason) => {
                count.unsupported += INPUTS.len();
                let places = unsupported.entry(format!("{reason} ({sample})")).or_default();
                places.insert(name.to_string());
            }
            Outcome::Ran(inputs) => {
                let with = if builds[result.build].with_symbols {
                    "with"
                } else {
                    "without"
                };
                for (input, finding) in INPUTS.iter().zip(inputs) {
                    let place = format!("{sample} on {name} {with} symbols, {input}");
                    match finding {
                        Finding::Right => right += 1,
                        Finding::Wrong(wrong) => {
                            wrong_ones += 1;
                            problems.extend(wrong.iter().map(|problem| format!("{place}: {problem}")));
                        }
                        Finding::Less(reason) => {
                            count.unsupported += 1;
                            let places = unsupported.entry(general(reason)).or_default();
                            places.insert(format!("{name} {with} symbols"));
                        }
                    }
                    all += 1;
                }
            }
        }
    }
    count.right += right;
    count.wrong += wrong_ones;
    match (all, wrong_ones) {
        (0, _) => "-".to_string(),
        (_, 0) => format!("{right}/{all}"),
        _ => format!("**{right}/{all}**"),
    }
}

/// Without addresses, and without the folders of files.
fn general(reason: &str) -> String {
    let word = |word: &str| match word.rsplit_once('/') {
        Some((_, name)) => name.to_string(),
        None if word.starts_with("0x") => "0x…".to_string(),
        None => word.to_string(),
    };
    reason.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn compared(peers: &BTreeMap<&'static str, Peer>) -> String {
    let mut text = String::new();
    for (name, peer) in peers {
        let _ = write!(
            text,
            "\n{name} on kernel cores of the same crashes: {} cores, no Python frame found in {} of them, {} frames in \
             the others. coldframe lacks {} of them, and {} where it says why it has none.\n",
            peer.cores,
            peer.without_frames,
            peer.frames,
            peer.missing.len(),
            peer.declined
        );
    }
    if peers.is_empty() {
        text.push_str("\npystack and py-spy were not at hand to be compared with.\n");
    }
    text
}

/// Puts the text between the markers of a document.
pub fn insert(document: &str, text: &str) {
    let path = repository(document);
    let old = fs::read_to_string(&path).expect("the document");
    let (before, rest) = old.split_once(BEGIN).expect("the marker of results");
    let (_, after) = rest.split_once(END).expect("the end marker of results");
    fs::write(&path, format!("{before}{BEGIN}\n{text}{END}{after}")).expect("the document");
}

fn said(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(repository("."));
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_string()
}

/// The date.
pub fn today() -> String {
    said("date", &["+%Y-%m-%d"])
}

/// What is checked out.
pub fn commit() -> String {
    said("git", &["rev-parse", "--short=10", "HEAD"])
}
