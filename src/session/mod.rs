//! One analysis, from a target to a report.
//!
//! [`analyze`] runs the same walk over a dump, a core and a stopped process. What it read and found
//! ([`Analysis`]) is also what capture writes into the dump.
//!
//! Invariant: nothing here knows the command line, or which kind of source the target is.

mod budget;
mod build;
mod exceptions;
mod extensions;
mod fault;
mod frames;
mod instruction;
mod interpreters;
mod last_words;
mod packages;
mod runtime;
mod sources;
mod state;
mod structures;
mod tasks;
mod threads;
mod variables;
mod waits;

use std::time::Duration;

use crate::findings::{self, Scene, Unwound};
use crate::image::{CacheDir, Images, Symbolizer};
use crate::layout::{self, Layout};
use crate::notes::Notes;
use crate::python::{Interpreter, Limits, Python};
use crate::redact::Redactor;
use crate::report::{Report, model};
use crate::source::Target;
use crate::source::streams::{NativeStep, PythonStep, RecordedLayout, RecordedPackages, RecordedSources};
use crate::source::variables::{RecordedStructures, RecordedVariables};
use crate::triage;

use packages::Packages;
pub use sources::{SourceFolders, SourceText};
use structures::TypeStructures;

/// What to look at, and how closely.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How much of values is looked at.
    pub limits: Limits,
    /// Leave out locals.
    pub no_locals: bool,
    /// Leave out native frames; stacks are then unwound only to find the first fault.
    pub no_native: bool,
    /// Show the bytecode around the current instruction of the crashed thread's innermost Python frames.
    pub bytecode: bool,
    /// Where source files are looked for.
    pub sources: SourceFolders,
    /// How long finding the variables of native frames may take, and how long the packages of extension modules;
    /// `None` where nobody waits: [`LOOKUP_TIME`].
    pub lookup_time: Option<Duration>,
}

/// What an analysis works on.
#[derive(Clone, Copy)]
pub struct Subject<'a, 'i> {
    /// The process, or what is left of it.
    pub target: &'a dyn Target,
    /// Its files.
    pub images: &'a Images,
    /// Names for its addresses.
    pub symbolizer: &'a Symbolizer<'i>,
    /// Where layouts are kept between runs.
    pub cache: Option<&'a CacheDir>,
    /// Takes what is missing, and what that costs.
    pub notes: &'a Notes,
}

/// As long as a person waits for what may be missing.
const LOOKUP_TIME: Duration = Duration::from_secs(20);

/// What an analysis found.
pub struct Analysis {
    /// For people and programs.
    pub report: Report,
    /// The layout that was used.
    pub layout: Option<RecordedLayout>,
    /// The source lines that were shown.
    pub sources: RecordedSources,
    /// The packages of extension modules.
    pub packages: RecordedPackages,
    /// The frames of each thread, as found.
    pub stacks: Vec<ThreadStack>,
    /// The variables of native frames.
    pub variables: Vec<RecordedVariables>,
    /// The structures of Python types written in C.
    pub structures: RecordedStructures,
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

/// What the walk over the threads of one process needs.
struct Walk<'a, 'm> {
    target: &'a dyn Target,
    python: Option<&'a Python<'m>>,
    interpreters: &'a [Interpreter],
    symbolizer: &'a Symbolizer<'a>,
    notes: &'a Notes,
    options: &'a Options,
    redactor: &'a Redactor,
}

/// Analyses a process. What a dump names as redacted stays so.
pub fn analyze(subject: Subject<'_, '_>, options: &Options) -> Analysis {
    let redactor = Redactor::recorded(&subject.target.recorded().redaction.objects);
    analyze_redacted(subject, options, &redactor)
}

/// The same without what `redactor` leaves out.
pub fn analyze_redacted(subject: Subject<'_, '_>, options: &Options, redactor: &Redactor) -> Analysis {
    let Subject {
        target,
        images,
        symbolizer,
        cache,
        notes,
    } = subject;
    for note in &target.context().notes {
        notes.add(note.clone());
    }
    let options = &Options {
        // Of what capture left out on purpose nothing else is to be said.
        no_locals: options.no_locals || target.context().capture.no_locals,
        ..options.clone()
    };
    let mut layout = layout::resolve(target, images, cache, notes).filter(|layout| fits(target, layout, notes));
    let mut interpreters = Vec::new();
    if let Some(layout) = &mut layout {
        let python = Python::new(target.memory(), layout, notes);
        interpreters = python.interpreters();
        if let Some(version) = python.version(&interpreters) {
            layout.version = version;
        }
    }
    let runtime = layout.as_ref().and_then(|layout| target.modules().find(layout.runtime));
    let structures = TypeStructures::new(
        target,
        images,
        runtime.map(|module| module.range.start).unwrap_or_default(),
        redactor,
        options.lookup_time.unwrap_or(LOOKUP_TIME),
    );
    let python = layout.as_ref().map(|layout| {
        let python = Python::new(target.memory(), layout, notes);
        python.with_redactor(redactor).with_structures(&structures)
    });
    let mut sources = SourceText::new(&target.recorded().sources, options.sources.clone(), redactor);
    if let Some(python) = python.as_ref().filter(|_| redactor.hides_arguments()) {
        python.redact_arguments();
    }
    let walk = Walk {
        target,
        python: python.as_ref(),
        interpreters: &interpreters,
        symbolizer,
        notes,
        options,
        redactor,
    };
    let found = walk.threads(&mut sources);
    // What capture did not find was not there.
    let files = Some(images).filter(|_| !target.recorded().is_complete);
    let mut packages = Packages::new(
        &target.context().packages,
        files,
        options.lookup_time.unwrap_or(LOOKUP_TIME),
    );
    let runtime = layout.as_ref().map(|layout| model::Python {
        extension_modules: walk.extension_modules(&mut packages),
        ..walk.runtime(layout, &found.threads, &found.state_tids)
    });
    let packages = packages.into_used(notes);
    let mut report = build::report(target, runtime, found.threads, found.crash.clone(), notes);
    if let Some(crash) = &mut report.crash {
        crash.instruction = found.instruction;
    }
    report.tasks = found.tasks;
    if let (Some(crash), Some(reported)) = (&found.crash, &mut report.crash) {
        reported.message = last_words::message(target, crash);
    }
    report.findings = findings::conclude(&Scene {
        report: &report,
        target,
        crash: found.crash.as_ref(),
        registers: found.registers.as_ref(),
        variables: &found.variables,
        unwound: &Unwound::default(),
        has_values: !options.no_locals,
    });
    report.signature = triage::sign(&report);
    Analysis {
        report,
        layout: layout.as_ref().map(Layout::to_recorded),
        sources: sources.into_used(),
        packages,
        stacks: found.stacks,
        variables: found.variables,
        structures: structures.into_found(),
    }
}

/// Layouts are tried before they are trusted, but for those that are certain.
fn fits(target: &dyn Target, layout: &Layout, notes: &Notes) -> bool {
    let probe = || Python::new(target.memory(), layout, notes).probe();
    match if layout.is_certain() { Ok(()) } else { probe() } {
        Ok(()) => true,
        Err(reason) => {
            notes.push(
                "layout",
                format!(
                    "the layout of CPython {} does not fit this process: {reason}",
                    layout.version
                ),
                "native frames only",
                "the debug information of this build, with --symbols PATH",
            );
            false
        }
    }
}
