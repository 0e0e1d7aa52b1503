//! One dump of one stopped process, whatever the occasion: the recorded analysis, the choice of bytes, the file.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::deep::deep_stacks;
use super::limits::Limits;
use super::privacy::Privacy;
use super::recording::RecordingTarget;
use super::room::room;
use super::select::{StackRequest, stack_ranges};
use super::{
    DumpContents, Selection, SelectionRequest, WriteError, WrittenDump, clean, dump_name, scrub, select, write_dump,
};
use crate::addr::AddrRange;
use crate::image::{CacheDir, ImageOptions, Images, Symbolizer};
use crate::layout::Layout;
use crate::notes::{Note, Notes};
use crate::redact::command::MAX_ENVIRONMENT;
use crate::redact::{Redactor, Rules};
use crate::report::Report;
use crate::report::model::{Capture, Input, InputKind, Trigger};
use crate::session::{self, Analysis, Options, SourceFolders, Subject};
use crate::source::streams::{CaptureContext, ProcessContext, RecordedRedaction};
use crate::source::{LiveProcess, MemoryExt, Target, ranges};

/// How long looking up what is not vital may take, each: the process stands still.
const LOOKUP_TIME: Duration = Duration::from_millis(500);

/// With less, debug information is not read: that of CPython takes 36 MB where the cache does not know it.
const ROOM_FOR_DEBUG_INFO: u64 = 56 << 20;

/// The most process memory that a dump holds.
const MAX_BYTES: u64 = 16 << 20;

/// Why a dump is made, and how.
#[derive(Clone, Debug)]
pub struct Occasion {
    /// Why.
    pub trigger: Trigger,
    /// Where the file goes.
    pub destination: Destination,
    /// What stays out of it.
    pub privacy: Privacy,
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
    // By the thread that crashed: a main thread that has ended has no root any more.
    let directory = process.directory();
    let root = directory.join("root");
    let cache = CacheDir::from_env();
    let room = room();
    let is_short = room.is_some_and(|room| room < ROOM_FOR_DEBUG_INFO);
    if let (true, Some(room)) = (is_short, room) {
        notes.push(
            "capture",
            format!(
                "{} MB of memory were left for it, so that no debug information was read",
                room >> 20
            ),
            "native frames have no lines and no variables, but for those that the cache knows",
            "more memory for the cgroup; or `coldframe warm PYTHON` beforehand, so that the cache knows",
        );
    }
    let images = Images::new(ImageOptions {
        skip_debug_info: is_short,
        root: root.clone(),
        pid: Some(process.pid()),
        cache: cache.clone(),
        ..ImageOptions::default()
    });
    let symbolizer = Symbolizer::new(&images, process.modules(), &process.recorded().symbols);
    let (rules, mut no_locals) = match occasion.privacy.rules() {
        Ok(rules) => (rules, occasion.privacy.no_locals),
        Err(error) => {
            notes.push(
                "capture",
                format!("what to redact is no regular expression: {error}"),
                "all values are left out",
                "correct COLDFRAME_REDACT",
            );
            (Rules::default(), true)
        }
    };
    let redactor = Redactor::new(rules);
    let command = redactor.command(&process.context().process.command);
    redactor.learn_environment(&environment(process));
    redactor.next_pass();
    if occasion.privacy.no_locals {
        notes.push(
            "python",
            "local variables were left out when the process was captured, as --no-locals asked",
            "frames have no values",
            "",
        );
    }
    let mut options = Options {
        no_locals,
        sources: SourceFolders {
            root: Some(root),
            working: Some(directory.join("cwd")),
        },
        lookup_time: Some(LOOKUP_TIME),
        ..Options::default()
    };
    let (target, mut analysis) = loop {
        let target = RecordingTarget::new(process, occasion.deadline);
        let subject = Subject {
            target: &target,
            images: &images,
            symbolizer: &symbolizer,
            cache: cache.as_ref(),
            notes: &notes,
        };
        let analysis = session::analyze_redacted(subject, &options, &redactor);
        let is_again = redactor.next_pass();
        if redactor.gave_up() && !no_locals && !target.is_over() {
            notes.push(
                "capture",
                "each repetition of the analysis found more secrets in what it showed",
                "values of local variables are left out",
                "",
            );
            no_locals = true;
            options.no_locals = true;
        } else if !is_again || target.is_over() {
            break (target, analysis);
        }
    };
    if target.is_over() || redactor.gave_up() {
        clean::all(&mut analysis.report, &redactor);
    } else {
        clean::names(&mut analysis.report, &redactor);
    }
    if let Some(process) = &mut analysis.report.process {
        process.command.clone_from(&command);
    }
    if target.is_over() {
        notes.push(
            "capture",
            "the walk over the process was ended when its time was up",
            "what comes late in the report (other threads, values) is missing",
            "",
        );
        analysis.report.notes = notes.to_vec();
    }
    let written = Writer {
        process,
        target: &target,
        redactor: &redactor,
        command,
        no_locals,
        notes: &notes,
        occasion,
    }
    .write(&mut analysis, symbolizer);
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

/// Arguments and environment of a process, as far as they are looked through for secrets.
fn environment(process: &LiveProcess) -> Vec<u8> {
    let ranges = process.private_ranges().iter();
    // What cannot be read teaches nothing.
    let parts = ranges.filter_map(|range| {
        let length = usize::try_from(range.len()).map_or(MAX_ENVIRONMENT, |length| length.min(MAX_ENVIRONMENT));
        process.memory().read_vec(range.start, length).ok()
    });
    parts.collect::<Vec<_>>().join(&0)
}

/// What the file is made from.
struct Writer<'a> {
    process: &'a LiveProcess,
    target: &'a RecordingTarget<'a>,
    redactor: &'a Redactor,
    command: Vec<String>,
    no_locals: bool,
    notes: &'a Notes,
    occasion: &'a Occasion,
}

impl Writer<'_> {
    fn write(self, analysis: &mut Analysis, symbolizer: Symbolizer<'_>) -> Result<WrittenDump, WriteError> {
        let (process, redactor) = (self.process, self.redactor);
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
                recorded: &self.target.recorder().groups(),
                stacks: &stacks,
                excluded: &excluded,
                mappings: process.mappings(),
                max_bytes: MAX_BYTES,
            },
            self.notes,
        );
        let secrets = scrub::secrets(process.memory(), &selection, redactor);
        let redaction = RecordedRedaction {
            objects: redactor.objects(),
            zeroed: secrets.iter().map(|range| (range.start, range.len())).collect(),
        };
        let mut zeroed = secrets;
        if self.occasion.privacy.sanitize_stacks {
            zeroed.extend(self.sanitized(&stacks, &selection));
            ranges::normalize(&mut zeroed);
        }
        analysis.report.notes = self.notes.to_vec();
        let mut context = process.context().clone();
        context.trigger = self.occasion.word().to_string();
        context.process.command.clone_from(&self.command);
        context.annotations = redactor.named_texts(&context.annotations);
        for breadcrumb in &mut context.breadcrumbs {
            breadcrumb.text = redactor.replace(&breadcrumb.text);
        }
        context.notes = self.notes.to_vec();
        context.packages = analysis.packages.clone();
        context.capture = CaptureContext {
            duration_ms: self.occasion.began.elapsed().as_secs_f64() * 1000.0,
            bytes: selection.bytes(),
            budget_exhausted: self.target.is_over(),
            redactions: redactor.count(),
            no_locals: self.no_locals,
        };
        analysis.report.trigger = Some(self.occasion.trigger.clone());
        analysis.report.capture = Some(Capture {
            duration_ms: Some(context.capture.duration_ms),
            bytes: Some(context.capture.bytes),
            budget_exhausted: Some(context.capture.budget_exhausted),
            redactions: Some(context.capture.redactions),
        });
        // A line may have been shown before it was known to hold a secret.
        for line in analysis.sources.values_mut().flat_map(|lines| lines.values_mut()) {
            *line = redactor.mask_line(line);
        }
        write_dump(
            &self.occasion.destination.path(&context.process)?,
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
                structures: &analysis.structures,
                redaction: &redaction,
                zeroed: &zeroed,
            },
        )
    }

    /// What `--sanitize-stacks` leaves out of the selected stacks.
    fn sanitized(&self, stacks: &[StackRequest<'_>], selection: &Selection) -> Vec<AddrRange> {
        let process = self.process;
        let ranges = stacks.iter().flat_map(|stack| stack_ranges(stack, process.mappings()));
        let kept = ranges.flat_map(|range| {
            let inside = ranges::overlapping(&selection.ranges, range).iter();
            inside.map(move |kept| AddrRange {
                start: kept.start.max(range.start),
                end: kept.end.min(range.end),
            })
        });
        let mut kept: Vec<AddrRange> = kept.collect();
        ranges::normalize(&mut kept);
        let recorded = self.target.recorder().ranges();
        scrub::no_addresses(
            process.memory(),
            &kept,
            &recorded,
            process.modules(),
            process.mappings(),
        )
    }
}
