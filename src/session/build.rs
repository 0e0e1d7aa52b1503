//! The parts of a report that are neither stacks nor Python.

use crate::notes::Notes;
use crate::report::model::{
    Breadcrumb, Capture, Crash as ReportCrash, Host, Input, InputKind, Process, Python, Report, Sender, Thread, Trigger,
};
use crate::report::signals;
use crate::source::streams::{self, Context, ProcessContext};
use crate::source::{Crash, Target};

/// Puts a report together. `input` is the caller's to fill in.
pub fn report(
    target: &dyn Target,
    python: Option<Python>,
    threads: Vec<Thread>,
    crash: Option<Crash>,
    notes: &Notes,
) -> Report {
    let context = target.context();
    Report {
        input: Input {
            kind: InputKind::Process,
            path: None,
            pid: Some(context.process.pid),
        },
        process: Some(process(&context.process)),
        trigger: trigger(&context.trigger),
        crash: crash.map(report_crash),
        python: python.into_iter().collect(),
        threads,
        annotations: context.annotations.clone(),
        breadcrumbs: context.breadcrumbs.iter().cloned().map(breadcrumb).collect(),
        notes: notes.to_vec(),
        capture: capture(context),
        ..Report::default()
    }
}

fn breadcrumb(left: streams::Breadcrumb) -> Breadcrumb {
    Breadcrumb {
        time: left.time,
        text: left.text,
    }
}

fn process(context: &ProcessContext) -> Process {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_string());
    Process {
        pid: Some(context.pid),
        command: context.command.clone(),
        executable: text(&context.executable),
        start_time: context.start_time.clone(),
        crash_time: context.crash_time.clone(),
        uptime_s: context.uptime_s,
        host: Some(Host {
            os: context.os.clone(),
            kernel: context.kernel.clone(),
            arch: context.arch.clone(),
            cpu: context.cpu.clone(),
        }),
        container: context.container.clone(),
    }
}

fn trigger(word: &str) -> Option<Trigger> {
    Some(match word {
        "" => return None,
        "signal" => Trigger::Signal,
        "timeout" => Trigger::Timeout,
        "request" => Trigger::Request,
        "exception" => Trigger::Exception,
        other => Trigger::Other(other.to_string()),
    })
}

fn report_crash(crash: Crash) -> ReportCrash {
    ReportCrash {
        signal: signals::signal_name(crash.signal).map(str::to_string),
        number: Some(crash.signal),
        code: Some(signals::code_name(crash.signal, crash.code)),
        address: signals::has_address(crash.signal, crash.code).then(|| crash.address.into()),
        tid: Some(crash.tid),
        sender: crash.sender.map(|(pid, uid)| Sender { pid, uid }),
        message: None,
        instruction: None,
    }
}

fn capture(context: &Context) -> Option<Capture> {
    // A live process that is only looked at has no capture.
    (context.capture.bytes > 0).then_some(Capture {
        duration_ms: Some(context.capture.duration_ms),
        bytes: Some(context.capture.bytes),
        budget_exhausted: Some(context.capture.budget_exhausted),
        redactions: Some(context.capture.redactions),
    })
}
