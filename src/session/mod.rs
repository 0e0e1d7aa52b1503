//! One analysis, from a target to a report.
//!
//! [`analyze`] runs the same walk over a dump, a core and a stopped process. What it read and found
//! ([`Analysis`]) is also what capture writes into the dump.
//!
//! Invariant: nothing here knows the command line, or which kind of source the target is.

mod build;
mod frames;
mod sources;
mod threads;

use std::path::PathBuf;

use crate::image::{CacheDir, Symbolizer};
use crate::layout::{self, Layout};
use crate::notes::Notes;
use crate::python::{Limits, Python};
use crate::report::Report;
use crate::source::Target;
use crate::source::streams::{NativeStep, PythonStep, RecordedLayout, RecordedSources};

pub use sources::SourceText;

/// What to look at, and how closely.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How much of values is looked at.
    pub limits: Limits,
    /// Leave out locals.
    pub no_locals: bool,
    /// Leave out native frames.
    pub no_native: bool,
    /// Folder below which source files are looked up; `None` for none but those in the dump.
    pub source_root: Option<PathBuf>,
}

/// What an analysis found.
pub struct Analysis {
    /// For people and programs.
    pub report: Report,
    /// The layout that was used.
    pub layout: Option<RecordedLayout>,
    /// The source lines that were shown.
    pub sources: RecordedSources,
    /// The frames of each thread, as found.
    pub stacks: Vec<ThreadStack>,
}

/// The frames of one thread before merging.
#[derive(Clone, Debug, Default)]
pub struct ThreadStack {
    /// Thread id.
    pub tid: u32,
    /// Native frames, innermost first.
    pub native: Vec<NativeStep>,
    /// Python frames, innermost first.
    pub python: Vec<PythonStep>,
}

/// Analyses a process.
pub fn analyze(
    target: &dyn Target,
    symbolizer: &Symbolizer<'_>,
    cache: Option<&CacheDir>,
    notes: &Notes,
    options: &Options,
) -> Analysis {
    for note in &target.context().notes {
        notes.add(note.clone());
    }
    let layout = layout::resolve(target, symbolizer.images(), cache, notes);
    let python = layout.as_ref().map(|layout| Python::new(target.memory(), layout, notes));
    let interpreters = python.as_ref().map(Python::interpreters).unwrap_or_default();
    let mut sources = SourceText::new(&target.recorded().sources, options.source_root.clone());
    let walk = threads::Walk {
        target,
        python: python.as_ref(),
        interpreters: &interpreters,
        symbolizer,
        notes,
        options,
    };
    let (threads, stacks, crash) = walk.threads(&mut sources);
    let report = build::report(target, layout.as_ref(), &interpreters, threads, crash, notes);
    Analysis {
        report,
        layout: layout.as_ref().map(Layout::to_recorded),
        sources: sources.into_used(),
        stacks,
    }
}
