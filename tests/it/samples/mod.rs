//! Every sample on every Python: the report at the crash against the sample's header and against what CPython says, and
//! the report of the dump, read where nothing else is, against the one at the crash.
//!
//! COLDFRAME_REQUIRE=3.8,3.9 makes a Python that is not there a failure; COLDFRAME_SAMPLES=thread,values runs only these.

mod cell;
mod check;
mod glob;
mod header;
mod offline;
mod oracle;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::golden::repository;
use crate::harness::{Folder, has};
use crate::pythons::{Python, pythons};
use check::Problems;
use header::Header;
use offline::EmptyRoot;

/// What became of one sample on one Python.
enum Verdict {
    Ok,
    Failed(Vec<String>),
    Skipped(String),
}

struct Cell {
    sample: usize,
    python: usize,
    verdict: Verdict,
    took: Duration,
}

/// The samples are the programs that begin with a directive.
fn samples() -> Vec<PathBuf> {
    let wanted = env::var("COLDFRAME_SAMPLES").ok();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(repository("samples"))
        .expect("the samples")
        .map(|entry| entry.expect("a sample").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
        .filter(|path| std::fs::read_to_string(path).is_ok_and(|text| text.starts_with("#: ")))
        .filter(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            wanted
                .as_ref()
                .is_none_or(|wanted| wanted.split(',').any(|wanted| wanted == name))
        })
        .collect();
    paths.sort();
    paths
}

fn short(python: &Python) -> String {
    let is_system = python.executable.starts_with("/usr/bin");
    format!("{}{}", python.version, if is_system { "s" } else { "" })
}

/// Runs `job` for each index on as many threads as there are processors.
fn in_parallel<T: Send>(count: usize, job: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(index) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&index| index < count) {
                    let result = job(index);
                    results
                        .lock()
                        .expect("no job panics while it holds it")
                        .push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("all jobs ended");
    results.sort_by_key(|&(index, _)| index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[test]
fn every_sample_on_every_python() {
    let pythons = pythons();
    require(&pythons);
    if pythons.is_empty() {
        return crate::tools::skip("the samples: no Python");
    }
    if !has("cc") || !has("c++") {
        return;
    }
    let samples = samples();
    assert!(!samples.is_empty(), "the samples were not found");
    let started = Instant::now();
    let folder = Folder::new();
    let root = EmptyRoot::new();
    let headers: Vec<Vec<Header>> = pythons
        .iter()
        .map(|python| samples.iter().map(|path| Header::read(path, python.version)).collect())
        .collect();
    let builds = in_parallel(pythons.len(), |index| {
        let commands: BTreeSet<String> = headers[index].iter().flat_map(|header| header.builds.clone()).collect();
        let out = folder.join(format!("native-{index}"));
        let commands: Vec<String> = commands.into_iter().collect();
        cell::build(&pythons[index], &commands, &out).map(|()| out)
    });
    let cells = in_parallel(samples.len() * pythons.len(), |index| {
        let (sample, python) = (index / pythons.len(), index % pythons.len());
        let begun = Instant::now();
        let verdict = run(
            &folder,
            &root,
            &pythons[python],
            &headers[python][sample],
            &builds[python],
        );
        Cell {
            sample,
            python,
            verdict,
            took: begun.elapsed(),
        }
    });
    let failures = print(&samples, &pythons, &cells, started.elapsed());
    assert!(
        failures.is_empty(),
        "{} problems:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn require(pythons: &[Python]) {
    let wanted = env::var("COLDFRAME_REQUIRE").unwrap_or_default();
    let here: Vec<String> = pythons
        .iter()
        .map(|python| format!("{}.{}", python.version.major(), python.version.minor()))
        .collect();
    for version in wanted.split(',').map(str::trim).filter(|version| !version.is_empty()) {
        assert!(
            here.iter().any(|here| here == version),
            "required but missing: Python {version}"
        );
    }
}

fn run(
    folder: &Folder,
    root: &EmptyRoot,
    python: &Python,
    header: &Header,
    build: &Result<PathBuf, String>,
) -> Verdict {
    if !header.applies(python.version) {
        return Verdict::Skipped("not for this version".to_string());
    }
    let out = match build {
        Ok(out) => out.clone(),
        Err(reason) if !header.builds.is_empty() => return Verdict::Skipped(reason.clone()),
        Err(_) => folder.join("nothing"),
    };
    let label = format!("{}-{}", header.name(), short(python));
    let mut problems = untouched(folder, root, &label, python, header, &out);
    problems.extend(asked(folder, &label, python, header, &out));
    if problems.is_empty() {
        Verdict::Ok
    } else {
        Verdict::Failed(problems)
    }
}

/// As users run it; and its dump.
fn untouched(
    folder: &Folder,
    root: &EmptyRoot,
    label: &str,
    python: &Python,
    header: &Header,
    out: &std::path::Path,
) -> Vec<String> {
    let run = cell::run(folder, label, python, header, out, &[], &BTreeMap::new()).and_then(|outcome| {
        let (report, value, dump) = outcome.single()?;
        let mut problems = check::check(header, &outcome, &report, has_qualnames(python));
        offline::check(root, dump, &value, &mut problems);
        Ok(problems)
    });
    run.map_or_else(|problem| vec![problem], |problems| problems.0)
}

/// With the oracle asked before the crash.
fn asked(folder: &Folder, label: &str, python: &Python, header: &Header, out: &std::path::Path) -> Vec<String> {
    let label = format!("{label}-oracle");
    let file = folder.join(&label).join("oracle.json");
    let variables = BTreeMap::from([("COLDFRAME_ORACLE", file.display().to_string())]);
    let run = cell::run(folder, &label, python, header, out, &[], &variables).and_then(|outcome| {
        let (report, _, _) = outcome.single()?;
        let mut problems = check::check(header, &outcome, &report, has_qualnames(python));
        let oracle = std::fs::read_to_string(&file).map_err(|error| format!("the oracle: {error}"))?;
        let oracle = serde_json::from_str(&oracle).map_err(|error| format!("the oracle: {error}"))?;
        oracle::check(header, &oracle, &report, &mut problems);
        if let Some(function) = header.get("values") {
            let lines = std::fs::read_to_string(file.with_extension("json.tsv")).map_err(|error| error.to_string())?;
            oracle::check_values(function, &lines, &report, &mut problems);
        }
        Ok(problems)
    });
    let problems: Problems = run.unwrap_or_else(|problem| Problems(vec![problem]));
    problems
        .0
        .into_iter()
        .map(|problem| format!("with the oracle: {problem}"))
        .collect()
}

/// Code objects have `co_qualname` since 3.11.
fn has_qualnames(python: &Python) -> bool {
    python.version.minor() >= 11
}

/// Prints the table past the capture of the test harness; returns the problems.
fn print(samples: &[PathBuf], pythons: &[Python], cells: &[Cell], took: Duration) -> Vec<String> {
    use std::fmt::Write;
    let name = |cell: &Cell| {
        samples[cell.sample]
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let mut table = format!("{:22}", "");
    let mut failures = Vec::new();
    let mut skipped = BTreeSet::new();
    for python in pythons {
        let _ = write!(table, "{:>9}", short(python));
    }
    for cell in cells {
        if cell.python == 0 {
            let _ = write!(table, "\n{:22}", name(cell));
        }
        let word = match &cell.verdict {
            Verdict::Ok => "ok",
            Verdict::Failed(problems) => {
                let place = format!("{} on {}", name(cell), short(&pythons[cell.python]));
                failures.extend(problems.iter().map(|problem| format!("{place}: {problem}")));
                "FAILED"
            }
            Verdict::Skipped(reason) => {
                skipped.insert(format!("{} on {}: {reason}", name(cell), short(&pythons[cell.python])));
                "skipped"
            }
        };
        let _ = write!(table, "{word:>9}");
    }
    let slowest = cells.iter().max_by_key(|cell| cell.took).expect("there are cells");
    let _ = writeln!(
        table,
        "\n{} cells in {:.1} s; the slowest: {} on {}, {:.1} s",
        cells.len(),
        took.as_secs_f64(),
        name(slowest),
        short(&pythons[slowest.python]),
        slowest.took.as_secs_f64()
    );
    eprint_past_capture(&table);
    for reason in skipped {
        crate::tools::skip(&reason);
    }
    failures
}

fn eprint_past_capture(text: &str) {
    use std::io::Write;
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
