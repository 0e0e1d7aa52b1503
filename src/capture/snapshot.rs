//! One dump of one stopped process, whatever the occasion: the recorded analysis, the choice of bytes, the file.

use std::path::PathBuf;
use std::time::Instant;

use super::deep::deep_stacks;
use super::limits::Limits;
use super::recording::RecordingTarget;
use super::select::StackRequest;
use super::{DumpContents, SelectionRequest, WriteError, WrittenDump, dump_name, select, write_dump};
use crate::image::{CacheDir, ImageOptions, Images, Symbolizer};
use crate::layout::Layout;
use crate::notes::{Note, Notes};
use crate::report::Report;
use crate::report::model::{Capture, Input, InputKind, Trigger};
use crate::session::{self, Analysis, Options, SourceFolders};
use crate::source::streams::{CaptureContext, ProcessContext};
use crate::source::{LiveProcess, Target};

/// The most process memory that a dump holds.
const MAX_BYTES: u64 = 16 << 20;

/// Why a dump is made, and how.
#[derive(Clone, Debug)]
pub struct Occasion {
    /// Why.
    pub trigger: Trigger,
    /// Where the file goes.
    pub destination: Destination,
    /// Whether values of local variables stay out.
    pub no_locals: bool,
    /// When the walk over the process must end.
    pub deadline: Instant,
    /// When it began, for the time that the capture took.
    pub began: Instant,
}

/// Where a dump goes.
#[derive(Clone, Debug)]
pub enum Destination {
    /// Into this folder, which is made where it does not exist, under a name that tells the program and the process.
    Folder(PathBuf),
    /// To this file.
    File(PathBuf),
}

impl Destination {
    fn path(&self, process: &ProcessContext) -> Result<PathBuf, WriteError> {
        match self {
            Self::File(path) => Ok(path.clone()),
            Self::Folder(folder) => match std::fs::create_dir_all(folder) {
                Ok(()) => Ok(folder.join(dump_name(process))),
                Err(source) => Err(WriteError::Io {
                    path: folder.clone(),
                    source,
                }),
            },
        }
    }
}

impl Occasion {
    /// The trigger as the context stream has it.
    fn word(&self) -> &str {
        match &self.trigger {
            Trigger::Signal => "signal",
            Trigger::Timeout => "timeout",
            Trigger::Request => "request",
            Trigger::Exception => "exception",
            Trigger::Other(word) => word,
        }
    }
}

/// Runs the analysis over the stopped process and writes what it read.
///
/// Returns the report, and the path of the dump where one could be written.
#[must_use]
pub fn take(process: &LiveProcess, occasion: &Occasion) -> (Report, Option<PathBuf>) {
    let notes = Notes::new();
    let target = RecordingTarget::new(process, occasion.deadline);
    // By the thread that crashed: a main thread that has ended has no root any more.
    let directory = process.directory();
    let root = directory.join("root");
    let cache = CacheDir::from_env();
    let images = Images::new(ImageOptions {
        root: root.clone(),
        pid: Some(process.pid()),
        cache: cache.clone(),
        ..ImageOptions::default()
    });
    let symbolizer = Symbolizer::new(&images, process.modules(), &process.recorded().symbols);
    let no_locals = occasion.no_locals;
    if no_locals {
        notes.push(
            "python",
            "local variables were left out when the process was captured, as --no-locals asked",
            "frames have no values",
            "",
        );
    }
    let options = Options {
        no_locals,
        sources: SourceFolders {
            root: Some(root),
            working: Some(directory.join("cwd")),
        },
        ..Options::default()
    };
    let mut analysis = session::analyze(&target, &images, &symbolizer, cache.as_ref(), &notes, &options);
    if target.is_over() {
        notes.push(
            "capture",
            "the walk over the process was ended when its time was up",
            "what comes late in the report (other threads, values) is missing",
            "",
        );
        analysis.report.notes = notes.to_vec();
    }
    let written = write(process, &target, &mut analysis, symbolizer, &notes, occasion);
    let mut report = analysis.report;
    report.input = Input {
        kind: InputKind::Minidump,
        path: None,
        pid: None,
    };
    match written {
        Ok(dump) => {
            if let Destination::Folder(folder) = &occasion.destination {
                Limits::from_env().enforce(folder, &dump.path);
            }
            report.input.path = Some(dump.path.display().to_string());
            (report, Some(dump.path))
        }
        Err(error) => {
            // Past the bound that other notes have: this one must not be missing.
            report.notes.push(Note {
                area: "capture".to_string(),
                what: format!("no dump could be written: {error}"),
                effect: "this report is all there is".to_string(),
                remedy: "-o DIR".to_string(),
            });
            (report, None)
        }
    }
}

fn write(
    process: &LiveProcess,
    target: &RecordingTarget<'_>,
    analysis: &mut Analysis,
    symbolizer: Symbolizer<'_>,
    notes: &Notes,
    occasion: &Occasion,
) -> Result<WrittenDump, WriteError> {
    let crashed = process.crash().map(|crash| crash.tid);
    let layout = analysis.layout.as_ref().and_then(Layout::from_recorded);
    let deep = deep_stacks(&analysis.stacks, crashed, layout.as_ref());
    let stacks: Vec<StackRequest<'_>> = analysis
        .stacks
        .iter()
        .filter_map(|stack| {
            Some(StackRequest {
                tid: stack.tid,
                sp: stack.native.first()?.sp,
                steps: &stack.native,
                crashed: Some(stack.tid) == crashed,
            })
        })
        .collect();
    let excluded = [process.private_ranges(), &deep.excluded].concat();
    let selection = select(
        process.memory(),
        &SelectionRequest {
            recorded: &target.recorder().groups(),
            stacks: &stacks,
            excluded: &excluded,
            mappings: process.mappings(),
            max_bytes: MAX_BYTES,
        },
        notes,
    );
    analysis.report.notes = notes.to_vec();
    let mut context = process.context().clone();
    context.trigger = occasion.word().to_string();
    context.notes = notes.to_vec();
    context.packages = analysis.packages.clone();
    context.capture = CaptureContext {
        duration_ms: occasion.began.elapsed().as_secs_f64() * 1000.0,
        bytes: selection.bytes(),
        budget_exhausted: target.is_over(),
        redactions: 0,
        no_locals: occasion.no_locals,
    };
    analysis.report.trigger = Some(occasion.trigger.clone());
    analysis.report.capture = Some(Capture {
        duration_ms: Some(context.capture.duration_ms),
        bytes: Some(context.capture.bytes),
        budget_exhausted: Some(context.capture.budget_exhausted),
        redactions: Some(context.capture.redactions),
    });
    write_dump(
        &occasion.destination.path(&context.process)?,
        &DumpContents {
            threads: process.threads(),
            crash: process.crash(),
            modules: process.modules(),
            mappings: process.mappings(),
            maps_text: process.maps_text(),
            memory: process.memory(),
            selection: &selection,
            context: &context,
            layout: analysis.layout.as_ref(),
            symbols: &symbolizer.into_recorded(),
            sources: &analysis.sources,
            stacks: &deep.recorded,
            variables: &analysis.variables,
        },
    )
}
