//! Every sample on every Python: the report at the crash against the sample's header and against what CPython says, and
//! the report of the dump, read where nothing else is, against the one at the crash.
//!
//! COLDFRAME_REQUIRE=3.8,3.9 makes a Python that is not there a failure; COLDFRAME_SAMPLES=thread,values runs only these.

mod cell;
mod check;
mod debuggers;
mod exception;
mod faulthandler;
mod freeze;
mod full;
mod glob;
mod header;
mod inputs;
mod kinds;
mod offline;
mod oracle;
mod peers;
mod readers;
mod results;
mod state;
mod stripped;
mod table;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::golden::repository;
use crate::harness::{Folder, has};
use crate::pythons::{Python, pythons};
use cell::{Inputs, Unfit, Words};
use check::Problems;
pub use freeze::is_permitted;
use header::Header;
use offline::EmptyRoot;
use table::{Cell, Verdict};

/// The samples are the programs that begin with a directive.
fn samples() -> Vec<PathBuf> {
    let wanted = env::var("COLDFRAME_SAMPLES").ok();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(repository("samples"))
        .expect("the samples")
        .map(|entry| entry.expect("a sample").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
        .filter(|path| std::fs::read_to_string(path).is_ok_and(|text| text.starts_with("#: ")))
        .filter(|path| {
            let name = name_of(path);
            wanted
                .as_ref()
                .is_none_or(|wanted| wanted.split(',').any(|wanted| wanted == name))
        })
        .collect();
    paths.sort();
    paths
}

/// The Pythons that `COLDFRAME_BUILDS` names; all without it.
fn wanted_builds() -> Vec<Python> {
    let wanted = env::var("COLDFRAME_BUILDS").ok();
    let is_wanted = |python: &Python| {
        let mut names = wanted.iter().flat_map(|wanted| wanted.split(','));
        wanted.is_none() || names.any(|name| name == short(python))
    };
    pythons().into_iter().filter(is_wanted).collect()
}

fn short(python: &Python) -> String {
    // Those of a distribution are static, and stripped.
    let is_distribution = python.library == python.executable;
    let mark = if is_distribution { "s" } else { "" };
    format!("{}{}{mark}", python.version, python.flavour)
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

/// By command of a header: whether it did what it should.
type Built = BTreeMap<String, Result<(), Unfit>>;

/// The samples and Pythons of this machine, with the native parts built.
struct Bench {
    pythons: Vec<Python>,
    samples: Vec<PathBuf>,
    /// By Python, then sample.
    headers: Vec<Vec<Header>>,
    /// By Python: what the commands of headers stand for, and what came of those that build something.
    builds: Vec<(Words, Built)>,
    folder: Folder,
    inputs: Inputs,
}

/// One sample on one Python.
struct Job<'a> {
    folder: &'a Folder,
    python: &'a Python,
    header: &'a Header,
    /// What commands stand for.
    words: &'a Words,
    /// Names the cell's own folders.
    label: String,
    /// The numbers of the sample and of the Python, added: what is to take turns goes by it.
    turn: usize,
    /// What this machine lets be looked at.
    inputs: Inputs,
}

impl Bench {
    /// `None`, after a SKIP line, where Pythons or compilers are missing.
    fn new() -> Option<Bench> {
        let pythons = pythons();
        require(&pythons);
        Bench::of(pythons)
    }

    fn of(pythons: Vec<Python>) -> Option<Bench> {
        if pythons.is_empty() {
            crate::tools::skip("the samples: no Python");
            return None;
        }
        if !has("cc") || !has("c++") {
            return None;
        }
        let samples = samples();
        assert!(!samples.is_empty(), "the samples were not found");
        let folder = Folder::new();
        let headers: Vec<Vec<Header>> = pythons
            .iter()
            .map(|python| samples.iter().map(|path| Header::read(path, python.version)).collect())
            .collect();
        let builds = in_parallel(pythons.len(), |index| {
            let commands: BTreeSet<String> = headers[index].iter().flat_map(|header| header.builds.clone()).collect();
            let words =
                Words::of(&pythons[index], &folder.join(format!("native-{index}"))).expect("a Python that runs");
            let build = |command: String| {
                let result = words.build(&command);
                (command, result)
            };
            let results = commands.into_iter().map(build).collect();
            (words, results)
        });
        Some(Bench {
            pythons,
            samples,
            headers,
            builds,
            folder,
            inputs: Inputs {
                core: crate::cores::kernel_writes_cores(),
                live: freeze::is_permitted(),
            },
        })
    }

    /// Runs `job` for all samples that are `wanted` on all Pythons, prints the table, and fails where one did.
    fn run(&self, title: &str, wanted: impl Fn(&str) -> bool, job: impl Fn(&Job<'_>) -> Vec<String> + Sync) {
        let started = Instant::now();
        let samples: Vec<usize> = (0..self.samples.len())
            .filter(|&index| wanted(&name_of(&self.samples[index])))
            .collect();
        if samples.is_empty() {
            assert!(
                env::var_os("COLDFRAME_SAMPLES").is_some(),
                "{title}: no sample is wanted"
            );
            return;
        }
        let cells = in_parallel(samples.len() * self.pythons.len(), |index| {
            let (sample, python) = (samples[index / self.pythons.len()], index % self.pythons.len());
            let begun = Instant::now();
            Cell {
                sample: name_of(&self.samples[sample]),
                python,
                verdict: self.cell(sample, python, &job),
                took: begun.elapsed(),
            }
        });
        let failures = table::print(title, &self.pythons, &cells, started.elapsed());
        assert!(
            failures.is_empty(),
            "{} problems:\n{}",
            failures.len(),
            failures.join("\n")
        );
    }

    fn cell(&self, sample: usize, index: usize, work: &impl Fn(&Job<'_>) -> Vec<String>) -> Verdict {
        match self.job(sample, index) {
            Ok(job) => match work(&job) {
                problems if problems.is_empty() => Verdict::Ok,
                problems => Verdict::Failed(problems),
            },
            Err(Unfit::Missing(reason)) => Verdict::Skipped(reason),
            Err(Unfit::Impossible(reason)) => Verdict::Impossible(reason),
            Err(Unfit::Failed(problem)) => Verdict::Failed(vec![problem]),
        }
    }

    fn job(&self, sample: usize, index: usize) -> Result<Job<'_>, Unfit> {
        let (python, header) = (&self.pythons[index], &self.headers[index][sample]);
        if !header.applies(python.version) {
            return Err(Unfit::Impossible("not for this version".to_string()));
        }
        match header.get("builds") {
            Some("release") if python.flavour.debug => {
                return Err(Unfit::Impossible("not for debug builds".to_string()));
            }
            Some("debug") if !python.flavour.debug => {
                return Err(Unfit::Impossible("for debug builds only".to_string()));
            }
            _ => {}
        }
        let (words, results) = &self.builds[index];
        for command in &header.builds {
            results[command].clone()?;
        }
        Ok(Job {
            folder: &self.folder,
            python,
            header,
            words,
            label: format!("{}-{}-{index}", name_of(&header.path), short(python)),
            turn: sample + index,
            inputs: self.inputs,
        })
    }

    /// Does something for every sample on every Python, or with the reason why it cannot run there.
    fn each<R: Send>(&self, work: impl Fn(String, usize, Result<Job<'_>, String>) -> R + Sync) -> Vec<R> {
        in_parallel(self.samples.len() * self.pythons.len(), |number| {
            let (sample, index) = (number / self.pythons.len(), number % self.pythons.len());
            let job = self.job(sample, index).map_err(|unfit| match unfit {
                Unfit::Missing(reason) | Unfit::Impossible(reason) | Unfit::Failed(reason) => reason,
            });
            work(name_of(&self.samples[sample]), index, job)
        })
    }
}

fn name_of(sample: &Path) -> String {
    sample.file_stem().unwrap_or_default().to_string_lossy().into_owned()
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

#[test]
fn every_sample_on_every_python() {
    let Some(bench) = Bench::new() else { return };
    let root = EmptyRoot::new();
    bench.run("reports", |_| true, |job| [untouched(job, &root), asked(job)].concat());
}

/// As users run it; and its dump.
fn untouched(job: &Job<'_>, root: &EmptyRoot) -> Vec<String> {
    let variables = BTreeMap::new();
    let run = job
        .run_for(job.inputs, &job.label, &[], &variables)
        .and_then(|outcome| {
            let (report, value, dump) = outcome.single()?;
            let mut problems = check::check(job.header, &outcome, &report, has_qualnames(job.python));
            offline::check(root, dump, &value, &mut problems);
            readers::check(dump, &mut problems);
            inputs::check(job, &outcome, &value, &variables, &mut problems);
            Ok(problems)
        });
    run.map_or_else(|problem| vec![problem], |problems| problems.0)
}

/// With the oracle asked before the crash.
fn asked(job: &Job<'_>) -> Vec<String> {
    let label = format!("{}-oracle", job.label);
    let file = job.folder.join(&label).join("oracle.json");
    let variables = BTreeMap::from([("COLDFRAME_ORACLE", file.display().to_string())]);
    let run = job.run(&label, &[], &variables).and_then(|outcome| {
        let (report, _, _) = outcome.single()?;
        let mut problems = check::check(job.header, &outcome, &report, has_qualnames(job.python));
        let oracle = std::fs::read_to_string(&file).map_err(|error| format!("the oracle: {error}"))?;
        let oracle = serde_json::from_str(&oracle).map_err(|error| format!("the oracle: {error}"))?;
        oracle::check(job.header, &oracle, &report, &mut problems);
        if let Ok(tasks) = std::fs::read_to_string(file.with_extension("json.tasks")) {
            let tasks = serde_json::from_str(&tasks).map_err(|error| format!("the oracle: {error}"))?;
            state::check_tasks(&tasks, &report, &mut problems);
        }
        if let Some(function) = job.header.get("values") {
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
