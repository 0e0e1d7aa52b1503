//! A report that was made before all secrets were known, without them.

use crate::addr::Addr;
use crate::redact::{REDACTED, Redactor};
use crate::report::Report;
use crate::report::model::{Exception, Frame, ValueState, Variable};

/// Replaces what is in single places and cheap to look at: command, annotations, findings, names and
/// exceptions.
pub fn names(report: &mut Report, redactor: &Redactor) {
    report.annotations = redactor.named_texts(&report.annotations);
    for breadcrumb in &mut report.breadcrumbs {
        breadcrumb.text = redactor.replace(&breadcrumb.text);
    }
    let clean = |text: &mut Option<String>| {
        if let Some(text) = text.as_mut() {
            *text = redactor.replace(text);
        }
    };
    if let Some(crash) = &mut report.crash {
        clean(&mut crash.message);
    }
    for finding in &mut report.findings {
        finding.title = redactor.replace(&finding.title);
        for evidence in &mut finding.evidence {
            *evidence = redactor.replace(evidence);
        }
    }
    for thread in &mut report.threads {
        thread
            .frames
            .iter_mut()
            .for_each(|frame| native_locals(frame, redactor));
        clean(&mut thread.python_name);
        clean(&mut thread.task);
        for exception in [&mut thread.exception, &mut thread.handling].into_iter().flatten() {
            texts(exception, redactor);
        }
    }
    for task in &mut report.tasks {
        clean(&mut task.name);
        for name in &mut task.awaiting {
            *name = redactor.replace(name);
        }
    }
}

/// Replaces everything, where an analysis could not be repeated.
pub fn all(report: &mut Report, redactor: &Redactor) {
    names(report, redactor);
    for thread in &mut report.threads {
        thread.frames.iter_mut().for_each(|frame| locals(frame, redactor));
    }
    for task in &mut report.tasks {
        task.frames.iter_mut().for_each(|frame| locals(frame, redactor));
    }
}

/// Of native variables nobody knows which object they are.
fn native_locals(frame: &mut Frame, redactor: &Redactor) {
    let Frame::Native(frame) = frame else { return };
    for local in &mut frame.locals {
        let is_secret = |text: &String| !redactor.secrets_in(text).is_empty();
        if local.value.as_ref().is_some_and(is_secret) {
            redacted(local);
        }
    }
}

fn texts(exception: &mut Exception, redactor: &Redactor) {
    for text in [&mut exception.value, &mut exception.repr].into_iter().flatten() {
        *text = redactor.replace(text);
    }
    for note in &mut exception.notes {
        *note = redactor.replace(note);
    }
    for frame in &mut exception.traceback {
        locals(frame, redactor);
    }
    let linked = [&mut exception.cause, &mut exception.context].into_iter().flatten();
    linked.for_each(|next| texts(next, redactor));
    exception
        .exceptions
        .iter_mut()
        .for_each(|member| texts(member, redactor));
}

fn locals(frame: &mut Frame, redactor: &Redactor) {
    let Frame::Python(frame) = frame else { return };
    for line in &mut frame.source {
        line.text = redactor.mask_line(&line.text);
    }
    frame.locals.iter_mut().for_each(|local| variable(local, redactor));
}

fn variable(variable: &mut Variable, redactor: &Redactor) {
    let is_secret = variable.address.is_some_and(|at| redactor.is_secret(Addr(at.0)))
        || redactor.is_secret_name(variable.name.trim_start_matches('.')) && variable.value.as_deref() != Some("None")
        || variable
            .value
            .as_deref()
            .is_some_and(|text| !redactor.secrets_in(text).is_empty());
    if is_secret {
        redacted(variable);
    }
    variable
        .children
        .iter_mut()
        .for_each(|child| self::variable(child, redactor));
}

fn redacted(variable: &mut Variable) {
    variable.state = ValueState::Redacted;
    variable.value = Some(REDACTED.to_string());
    variable.length = None;
    variable.children.clear();
}
