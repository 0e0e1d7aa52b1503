//! The capture helper, which the handler starts as `coldframe capture-helper PID TID ADDRESS`: stops the
//! process that is dying, analyses it, writes the dump, delivers the report.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::channel::{DeliverError, Delivery, deliver};
use super::deep::deep_stacks;
use super::environment;
use super::recording::RecordingTarget;
use super::request::{self, RequestError};
use super::select::StackRequest;
use super::watchdog;
use super::{DumpContents, SelectionRequest, WriteError, WrittenDump, dump_name, select, write_dump};
use crate::image::{CacheDir, ImageOptions, Images, Symbolizer};
use crate::layout::Layout;
use crate::notes::{Note, Notes};
use crate::report::json::JsonError;
use crate::report::model::{Capture, Input, InputKind};
use crate::report::{Report, packed};
use crate::session::{self, Analysis, Options, SourceFolders};
use crate::source::live::{Access, AttachError, Fault};
use crate::source::request::Request;
use crate::source::streams::CaptureContext;
use crate::source::{LiveProcess, Target};

/// How long the threads may take to stop.
const STOP_TIME: Duration = Duration::from_secs(2);
/// How long the walk over the process may take.
const WALK_TIME: Duration = Duration::from_secs(3);
/// How long all of it may take. The handler waits a second longer, then kills.
const LIFETIME: Duration = Duration::from_secs(7);
/// The most process memory that a dump holds.
const MAX_BYTES: u64 = 16 << 20;

/// Why nothing could be captured at all.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// What the handler left is not usable.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The process cannot be stopped and read.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The report could not be put into JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
}

/// Captures process `pid`, whose thread `tid` crashed and left its request at address `request`. The report goes to
/// the supervisor, or, where none can be reached, to `print`. `access` is by what means the process may be looked at.
///
/// # Errors
/// When nothing could be captured; the handler then writes its own record.
pub fn capture(
    pid: i32,
    tid: i32,
    request: u64,
    access: Access,
    print: &mut dyn FnMut(&Report),
) -> Result<(), CaptureError> {
    let started = Instant::now();
    watchdog::start(LIFETIME);
    offer_to_oom_killer();
    let request = request::read(pid, tid, request, access)?;
    let process = LiveProcess::attach_by(access, pid.unsigned_abs(), started + STOP_TIME)?.with_fault(Fault {
        crash: request.crash(),
        registers: Some(request.registers()),
    });
    let (report, dump) = record(&process, &request, started);
    // The process need not stay stopped while a person reads.
    drop(process);
    let delivery = Delivery {
        pid,
        dump,
        report: packed::pack(report)?.into_bytes(),
    };
    match deliver(&delivery) {
        // A stopped supervisor has the report and prints it when it goes on.
        Ok(()) | Err(DeliverError::NotAcknowledged) => {}
        Err(_) => print(&packed::unpack(&String::from_utf8_lossy(&delivery.report))?),
    }
    Ok(())
}

/// Where memory runs out on the way, this process is the one to be killed (proc_pid_oom_score_adj(5)): the program then
/// still dies of its own signal, and the handler leaves its record.
fn offer_to_oom_killer() {
    // Without it the larger one is killed.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}

/// Runs the analysis over the stopped process and writes what it read.
fn record(process: &LiveProcess, request: &Request, started: Instant) -> (Report, Option<PathBuf>) {
    let notes = Notes::new();
    let target = RecordingTarget::new(process, started + STOP_TIME + WALK_TIME);
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
    let no_locals = environment::no_locals();
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
            format!("the walk over the process was ended after {} s", WALK_TIME.as_secs()),
            "what comes late in the report (other threads, values) is missing",
            "",
        );
        analysis.report.notes = notes.to_vec();
    }
    let written = write(process, &target, &mut analysis, symbolizer, &notes, request);
    let mut report = analysis.report;
    report.input = Input {
        kind: InputKind::Minidump,
        path: None,
        pid: None,
    };
    match written {
        Ok(dump) => {
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
    request: &Request,
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
    context.trigger = "signal".to_string();
    context.notes = notes.to_vec();
    context.capture = CaptureContext {
        duration_ms: since(request).as_secs_f64() * 1000.0,
        bytes: selection.bytes(),
        budget_exhausted: target.is_over(),
        redactions: 0,
        no_locals: environment::no_locals(),
    };
    analysis.report.trigger = Some(crate::report::model::Trigger::Signal);
    analysis.report.capture = Some(Capture {
        duration_ms: Some(context.capture.duration_ms),
        bytes: Some(context.capture.bytes),
        budget_exhausted: Some(context.capture.budget_exhausted),
        redactions: Some(context.capture.redactions),
    });
    let path = dump_folder()?.join(dump_name(&context.process));
    write_dump(
        &path,
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
        },
    )
}

/// The dump folder, made where it does not exist.
fn dump_folder() -> Result<PathBuf, WriteError> {
    let folder = std::env::var_os(environment::DIR).map_or_else(|| Path::new(".").to_path_buf(), PathBuf::from);
    match std::fs::create_dir_all(&folder) {
        Ok(()) => Ok(folder),
        Err(source) => Err(WriteError::Io { path: folder, source }),
    }
}

/// Time since the signal. Both clocks are CLOCK_MONOTONIC of one machine.
fn since(request: &Request) -> Duration {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .map(Duration::from)
        .unwrap_or_default();
    now.saturating_sub(Duration::from_nanos(request.monotonic_ns))
}
