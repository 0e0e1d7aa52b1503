//! Pythons without symbols and debug information, as distributions ship them: offsets come from the built-in table, and
//! up to 3.9 the eval loop is known by its exported name only.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use coldframe::report::model::LayoutProvider;
use object::Object;

use super::offline::libraries;
use super::{Bench, Job, check, has_qualnames, oracle, short};
use crate::harness::has;
use crate::pythons::{Python, stripped_copy};

const SAMPLES: [&str; 5] = ["coroutine", "extension_callback", "generator", "method", "values"];

#[test]
fn stripped_pythons_show_the_same_frames_and_values() {
    if !has("strip") {
        return;
    }
    let Some(bench) = Bench::new() else { return };
    bench.run(
        "stripped",
        |name| SAMPLES.contains(&name),
        |job| run(job).unwrap_or_else(|problem| vec![problem]),
    );
}

/// The same Python without symbols, where it is one executable that has them.
fn strip_executable(job: &Job<'_>) -> Result<Option<Python>, String> {
    let python = job.python;
    let data = fs::read(&python.executable).map_err(|error| error.to_string())?;
    let file = object::File::parse(&*data).map_err(|error| error.to_string())?;
    if python.library != python.executable || file.symbol_table().is_none() {
        return Ok(None);
    }
    let folder = job.folder.join(format!("stripped-{}", job.label));
    let executable = stripped_copy(python, &folder, &[])?;
    Ok(Some(Python {
        library: executable.clone(),
        executable,
        ..python.clone()
    }))
}

/// Before its final release no table says where a version's fields lie, nor for the longer objects of builds that trace
/// references (up to 3.12, Include/object.h, `_PyObject_HEAD_EXTRA`).
fn is_beyond_tables(python: &Python) -> bool {
    !python.version.is_final() || python.traces_refs && python.version.minor() < 13
}

/// A copy of the shared library that the loader finds first; `None` for a Python that is one executable.
fn strip(job: &Job<'_>) -> Result<Option<PathBuf>, String> {
    let name = job.python.library.file_name().unwrap_or_default();
    // A distribution may have both, and an executable that does not use the library.
    let used = libraries(&job.python.executable);
    if !used.iter().any(|library| library.file_name() == Some(name)) {
        return Ok(None);
    }
    let folder = job.folder.join(format!("stripped-{}", job.label));
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let status = Command::new("strip")
        .arg("--strip-all")
        .arg("-o")
        .arg(folder.join(name))
        .arg(&job.python.library)
        .status()
        .map_err(|error| error.to_string())?;
    if status.success() {
        Ok(Some(folder))
    } else {
        Err(format!("strip failed for {}", short(job.python)))
    }
}

fn run(job: &Job<'_>) -> Result<Vec<String>, String> {
    let library = strip(job)?;
    let executable = strip_executable(job)?;
    let job = &Job {
        python: executable.as_ref().unwrap_or(job.python),
        label: job.label.clone(),
        ..*job
    };
    let label = format!("{}-stripped", job.label);
    let file = job.folder.join(&label).join("oracle.json");
    let mut variables = BTreeMap::from([("COLDFRAME_ORACLE", file.display().to_string())]);
    // What another test of this Python has learned must not help here.
    let cache = job.folder.join(&label).join("cache");
    variables.insert("COLDFRAME_CACHE", cache.display().to_string());
    if let Some(library) = &library {
        variables.insert("LD_LIBRARY_PATH", library.display().to_string());
    }
    let outcome = job.run(&label, &[], &variables)?;
    let (report, _, _) = outcome.single()?;
    if executable.is_some() && is_beyond_tables(job.python) {
        let mut problems = check::Problems::default();
        let frames = report.threads.iter().map(|thread| check::python_frames(thread).len());
        problems.expect("Python frames", 0, frames.sum());
        return Ok(problems.0);
    }
    let mut problems = check::check(job.header, &outcome, &report, has_qualnames(job.python));
    if library.is_some() || executable.is_some() {
        let layout = report.python.first().and_then(|python| python.layout.as_ref());
        let provider = layout.map(|layout| layout.provider.clone());
        let debug_offsets = Some(LayoutProvider::DebugOffsets);
        if provider != Some(LayoutProvider::BuiltIn) && provider != debug_offsets {
            problems.push(format!("the layout is from {provider:?}"));
        }
    }
    let answer = fs::read_to_string(&file).map_err(|error| format!("the oracle: {error}"))?;
    let answer = serde_json::from_str(&answer).map_err(|error| format!("the oracle: {error}"))?;
    oracle::check(job.header, &answer, &report, &mut problems);
    Ok(problems.0)
}
