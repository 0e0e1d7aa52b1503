//! Every cell of build, input, symbols and situation. tests/full runs this, which takes long, and writes what came of it
//! into docs/support-matrix.md.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use coldframe::report::{Report, json};
use serde_json::Value;

use super::cell::Inputs;
use super::check::Problems;
use super::{Bench, Job, check, freeze, has_qualnames, offline, oracle, peers, results, short, wanted_builds};
use crate::harness::{Folder, has};
use crate::pythons::Python;

/// What a crash is analysed from.
pub const INPUTS: [&str; 3] = ["dump", "core", "live"];

/// A Python as it is, or without its symbols.
pub struct Build {
    pub name: String,
    pub with_symbols: bool,
    /// For the program that crashes.
    variables: BTreeMap<&'static str, String>,
    /// For `analyze`.
    arguments: Vec<String>,
}

/// One situation on one build.
pub struct Result {
    pub sample: String,
    /// Index of the build.
    pub build: usize,
    pub outcome: Outcome,
}

pub enum Outcome {
    /// By input.
    Ran([Finding; 3]),
    /// Why it could not run.
    Unsupported(String),
}

/// What a report is like.
#[derive(Clone)]
pub enum Finding {
    Right,
    Wrong(Vec<String>),
    /// It says why it has no Python frames, or only what a part of the layout tells.
    Less(String),
}

#[test]
#[ignore = "takes long; tests/full runs it"]
fn every_cell() {
    assert!(has("strip") && has("readelf"));
    assert!(
        crate::cores::kernel_writes_cores() && freeze::is_permitted(),
        "cores and ptrace are needed"
    );
    let folder = Folder::new();
    let mut builds = Vec::new();
    let mut list = Vec::new();
    for python in wanted_builds() {
        for (build, python) in variants(python, &folder) {
            builds.push(build);
            list.push(python);
        }
    }
    let bench = Bench::of(list).expect("Pythons and compilers");
    let results = bench.each(|sample, index, job| Result {
        sample,
        build: index,
        outcome: match job {
            Ok(job) => Outcome::Ran(run(&job, &builds[index])),
            Err(reason) => Outcome::Unsupported(reason),
        },
    });
    let peers = peers::compare(&bench);
    let problems = results::write(&builds, &results, &peers);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// A build with and without symbols, as far as both can be had.
fn variants(python: Python, folder: &Folder) -> Vec<(Build, Python)> {
    let name = short(&python);
    let cache = |kind: &str| folder.join(format!("cache-{name}-{kind}")).display().to_string();
    let build = |with_symbols: bool, arguments: Vec<String>| Build {
        name: name.clone(),
        with_symbols,
        // What one of them has learned must not help the other.
        variables: BTreeMap::from([("COLDFRAME_CACHE", cache(if with_symbols { "with" } else { "without" }))]),
        arguments,
    };
    let mut list = Vec::new();
    // A distribution may have a shared library that its executable does not use.
    let library = python.library.file_name();
    let is_shared = offline::libraries(&python.executable)
        .iter()
        .any(|used| used.file_name() == library);
    let image = if is_shared { &python.library } else { &python.executable };
    let debug_files = debug_files(image);
    if has_symbols(image) || debug_files == Some(PathBuf::from("/usr/lib/debug")) {
        list.push((build(true, Vec::new()), python.clone()));
    } else if let Some(files) = debug_files {
        let arguments = vec!["--symbols".to_string(), files.display().to_string()];
        list.push((build(true, arguments), python.clone()));
    }
    if is_shared {
        let stripped = folder.join(format!("stripped-{name}"));
        strip(&python.library, &stripped, false);
        let mut build = build(false, Vec::new());
        build
            .variables
            .insert("LD_LIBRARY_PATH", stripped.display().to_string());
        list.push((build, python));
    } else if list.is_empty() || list[0].0.arguments.is_empty() {
        let stripped = folder.join(format!("stripped-{name}"));
        let executable = if list.is_empty() {
            python.executable.clone()
        } else {
            link_prefix(&python, &stripped);
            // A debug file is found by the build id, which must go too.
            strip(&python.executable, &stripped.join("bin"), true)
        };
        let copy = Python {
            library: executable.clone(),
            executable,
            ..python
        };
        list.push((build(false, Vec::new()), copy));
    } else {
        list.push((build(false, Vec::new()), python));
    }
    list
}

fn has_symbols(file: &Path) -> bool {
    let sections = Command::new("readelf")
        .args(["-SW"])
        .arg(file)
        .output()
        .expect("readelf");
    String::from_utf8_lossy(&sections.stdout).contains(" .symtab ")
}

/// The folder of separate debug files that has one for this build.
fn debug_files(image: &Path) -> Option<PathBuf> {
    let notes = Command::new("readelf").args(["-nW"]).arg(image).output().ok()?;
    let notes = String::from_utf8_lossy(&notes.stdout).into_owned();
    let id = notes.split("Build ID: ").nth(1)?.split_whitespace().next()?.to_string();
    let roots = std::env::var_os("COLDFRAME_PYTHON_ROOTS").unwrap_or_default();
    let roots = std::env::split_paths(&roots).collect::<Vec<_>>();
    let folders = [PathBuf::from("/")].into_iter().chain(roots);
    let mut folders = folders.map(|root| root.join("usr/lib/debug"));
    let file = format!(".build-id/{}/{}.debug", &id[..2], &id[2..]);
    folders.find(|folder| folder.join(&file).is_file())
}

/// A copy of a file without symbols, in `folder`.
fn strip(file: &Path, folder: &Path, without_build_id: bool) -> PathBuf {
    fs::create_dir_all(folder).expect("a folder");
    let copy = folder.join(file.file_name().expect("a name"));
    let mut command = Command::new("strip");
    command.arg("--strip-all");
    if without_build_id {
        command.args(["-R", ".note.gnu.build-id", "-R", ".gnu_debuglink"]);
    }
    let status = command.arg("-o").args([&copy, file]).status();
    assert!(status.expect("strip").success(), "strip {}", file.display());
    copy
}

/// An executable finds its standard library from where it lies itself.
fn link_prefix(python: &Python, folder: &Path) {
    let mut query = Command::new(&python.executable);
    query.args(["-I", "-c", "import sys; print(sys.base_prefix)"]);
    let prefix = query.output().expect("a Python that runs").stdout;
    let prefix = PathBuf::from(String::from_utf8_lossy(&prefix).trim());
    fs::create_dir_all(folder).expect("a folder");
    for name in ["lib", "include"] {
        std::os::unix::fs::symlink(prefix.join(name), folder.join(name)).expect("a link");
    }
}

fn run(job: &Job<'_>, build: &Build) -> [Finding; 3] {
    crash(job, build).unwrap_or_else(|problem| std::array::from_fn(|_| Finding::Wrong(vec![problem.clone()])))
}

fn crash(job: &Job<'_>, build: &Build) -> std::result::Result<[Finding; 3], String> {
    let answer = job.folder.join(&job.label).join("oracle.json");
    let mut variables: BTreeMap<&str, String> = build.variables.clone();
    variables.insert("COLDFRAME_ORACLE", answer.display().to_string());
    let inputs = Inputs { core: true, live: true };
    let arguments: Vec<&str> = build.arguments.iter().map(String::as_str).collect();
    let outcome = job.run_for(inputs, &job.label, &arguments, &variables)?;
    let (_, mut at_crash, dump) = outcome.single()?;
    let answer = fs::read_to_string(&answer).map_err(|error| format!("the oracle: {error}"))?;
    let answer: Value = serde_json::from_str(&answer).map_err(|error| format!("the oracle: {error}"))?;
    let cache = BTreeMap::from([("COLDFRAME_CACHE", build.variables["COLDFRAME_CACHE"].clone())]);
    let analyze = |file: Option<&Path>| -> std::result::Result<Value, String> {
        let file = file.ok_or("there is none")?.display().to_string();
        let mut all = vec![&*file, "--source-root", "/"];
        all.extend(&arguments);
        job.analyze(&all, &cache)
    };
    let core = analyze(outcome.core.as_deref());
    let dump = analyze(Some(dump));
    let live = outcome.live.clone().ok_or("there is none".to_string());
    // Of the capture, but for what depends on the symbols that an analysis is given.
    at_crash["findings"] = dump.as_ref().map_or(Value::Null, |report| report["findings"].clone());
    if at_crash["findings"].is_null() {
        at_crash["findings"] = Value::Array(Vec::new());
    }
    if let Some(core) = &outcome.core {
        let _ = fs::remove_file(core);
    }
    Ok(
        [dump, core, live].map(|report| match report.and_then(|report| as_crashed(report, &at_crash)) {
            Ok(report) => judge(job, &answer, &report),
            Err(problem) => Finding::Wrong(vec![problem]),
        }),
    )
}

fn judge(job: &Job<'_>, answer: &Value, report: &Report) -> Finding {
    let has_python = report
        .threads
        .iter()
        .any(|thread| !check::python_frames(thread).is_empty());
    let reason = report.notes.iter().find(|note| note.area == "layout");
    if let (false, Some(reason)) = (has_python, reason) {
        return Finding::Less(format!("no Python frames: {}", reason.what));
    }
    let mut problems = Problems::default();
    let layout = report.python.first().and_then(|python| python.layout.as_ref());
    if layout.is_some_and(|layout| {
        layout
            .detail
            .as_deref()
            .unwrap_or_default()
            .contains("_Py_DebugOffsets alone")
    }) {
        oracle::check_code(job.header, answer, report, &mut problems);
        return match problems.0.is_empty() {
            true => Finding::Less("frames without most values, by _Py_DebugOffsets alone".to_string()),
            false => Finding::Wrong(problems.0),
        };
    }
    check::check_report(job.header, report, has_qualnames(job.python), &mut problems);
    oracle::check(job.header, answer, report, &mut problems);
    if problems.0.is_empty() {
        Finding::Right
    } else {
        Finding::Wrong(problems.0)
    }
}

/// A process that has not got its signal yet does not say which thread gets it, nor what follows from that.
fn as_crashed(mut report: Value, at_crash: &Value) -> std::result::Result<Report, String> {
    if report["crash"].is_null() {
        report["crash"] = at_crash["crash"].clone();
        report["findings"] = at_crash["findings"].clone();
        let tid = at_crash["crash"]["tid"].clone();
        if let Some(threads) = report["threads"].as_array_mut() {
            threads.sort_by_key(|thread| thread["tid"] != tid);
            if let Some(thread) = threads.first_mut() {
                thread["crashed"] = true.into();
                thread["registers"] = at_crash["threads"][0]["registers"].clone();
                add_what_is_looked_for_at_a_crash(thread, &at_crash["threads"][0]);
            }
        }
    }
    json::parse(&report.to_string()).map_err(|error| error.to_string())
}

/// Variables of native frames and instrumented bytecode, which are looked for in the thread that crashed alone.
fn add_what_is_looked_for_at_a_crash(thread: &mut Value, at_crash: &Value) {
    let frames = at_crash["frames"].as_array().map(Vec::as_slice).unwrap_or_default();
    // Few of thousands have them.
    let has_them = |frame: &&Value| {
        frame.get("instrumented").is_some() || (frame["kind"] == "native" && frame.get("locals").is_some())
    };
    let known: Vec<&Value> = frames.iter().filter(has_them).collect();
    for frame in thread["frames"].as_array_mut().into_iter().flatten() {
        let is_same = |other: &&&Value| {
            ["kind", "function", "line", "address"]
                .iter()
                .all(|key| other[key] == frame[key])
        };
        let field = if frame["kind"] == "native" {
            "locals"
        } else {
            "instrumented"
        };
        if let Some(value) = known.iter().find(is_same).and_then(|other| other.get(field)) {
            frame[field] = value.clone();
        }
    }
}
