//! The capture helper, which the handler starts as `coldframe capture-helper PID TID ADDRESS`: stops the
//! process that is dying, analyses it, writes the dump, delivers the report.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use coldframe_handler::wire;

use super::annotations::annotated;
use super::channel::{DeliverError, Delivery, answer, deliver};
use super::privacy::Privacy;
use super::request::{self, RequestError};
use super::room::room;
use super::snapshot::{self, Destination, Occasion};
use super::variables::DIR;
use super::watchdog;
use crate::addr::Addr;
use crate::report::json::JsonError;
use crate::report::model::Trigger;
use crate::report::{Report, packed};
use crate::source::live::{Access, AttachError, Fault};
use crate::source::request::Request;
use crate::source::{LiveProcess, MemoryExt, Registers, Target};

/// How long the threads may take to stop.
const STOP_TIME: Duration = Duration::from_secs(2);
/// How long the walk over the process may take.
const WALK_TIME: Duration = Duration::from_secs(3);
/// How long all of it may take. The handler waits a second longer, then kills.
const LIFETIME: Duration = Duration::from_secs(7);
/// The size of an FXSAVE area, in bytes.
const FXSAVE: usize = 512;

/// A capture without debug information takes 3 MB, with Python's frames and values.
const LEAST_ROOM: u64 = 4 << 20;

/// Why nothing could be captured at all.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// What the handler left is not usable.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The kernel would end this process, or the whole cgroup with it (`memory.oom.group`).
    #[error("too little memory is left")]
    NoRoom,
    /// The process cannot be stopped and read.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The dump could not be written.
    #[error("the dump could not be written")]
    NoDump,
    /// The report could not be put into JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
}

impl CaptureError {
    /// The exit status by which the handler knows it: it has another way then, or says so in its record.
    #[must_use]
    pub fn known_status(&self) -> Option<i32> {
        match self {
            Self::Request(RequestError::Unreadable { .. }) | Self::Attach(AttachError::NotPermitted { .. }) => {
                Some(wire::NOT_PERMITTED)
            }
            Self::NoRoom => Some(wire::NO_ROOM),
            _ => None,
        }
    }
}

/// Captures process `pid`, whose thread `tid` crashed and left its request at address `request`. The report goes to
/// the supervisor, or, where none can be reached, to `print`. `access` is by what means the process may be looked at.
/// With `output` the process asked for a dump in that file and goes on; nothing is printed.
///
/// # Errors
/// When nothing could be captured; the handler then writes its own record.
pub fn capture(
    pid: i32,
    tid: i32,
    request: u64,
    access: Access,
    output: Option<PathBuf>,
    print: &mut dyn FnMut(&Report),
) -> Result<(), CaptureError> {
    let started = Instant::now();
    watchdog::start(LIFETIME);
    offer_to_oom_killer();
    if room().is_some_and(|room| room < LEAST_ROOM) {
        return Err(CaptureError::NoRoom);
    }
    let request = request::read(pid, tid, request, access)?;
    let mut process = LiveProcess::attach_by(access, pid.unsigned_abs(), started + STOP_TIME)?;
    if request.occasion == wire::Occasion::Crash {
        let vectors = || Registers::vectors_in(&process.memory().read_vec(request.vectors()?, FXSAVE).ok()?);
        let registers = Registers {
            vectors: vectors(),
            ..request.registers()
        };
        process = process.with_fault(Fault {
            crash: request.crash(),
            registers: Some(registers),
        });
    }
    let process = annotated(process, Some(Addr(request.page)));
    let is_silent = output.is_some();
    let occasion = Occasion {
        trigger: match request.occasion {
            wire::Occasion::Crash => Trigger::Signal,
            wire::Occasion::Request => Trigger::Request,
            wire::Occasion::Timeout => Trigger::Timeout,
            wire::Occasion::Exception => Trigger::Exception,
        },
        destination: output.map_or_else(|| Destination::Folder(dump_folder()), Destination::File),
        privacy: Privacy::from_env(),
        deadline: started + STOP_TIME + WALK_TIME,
        began: Instant::now().checked_sub(since(&request)).unwrap_or(started),
    };
    let (report, dump) = snapshot::take(&process, &occasion);
    // The process need not stay stopped while a person reads.
    drop(process);
    if is_silent {
        return dump.map(|_| ()).ok_or(CaptureError::NoDump);
    }
    let delivery = Delivery {
        pid,
        dump,
        report: packed::pack(report)?.into_bytes(),
    };
    // Who asked prints it; where nobody waits any more it goes the usual way.
    let answered = request.question().map(|question| answer(question, &delivery));
    if matches!(answered, Some(Ok(()) | Err(DeliverError::NotAcknowledged))) {
        return Ok(());
    }
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

/// The dump folder.
fn dump_folder() -> PathBuf {
    std::env::var_os(DIR).map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// Time since the signal. Both clocks are CLOCK_MONOTONIC of one machine.
fn since(request: &Request) -> Duration {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .map(Duration::from)
        .unwrap_or_default();
    now.saturating_sub(Duration::from_nanos(request.monotonic_ns))
}
