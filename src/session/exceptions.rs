//! The exceptions of a thread, as the report shows them.

use std::collections::HashSet;

use super::frames::FrameBuilder;
use crate::addr::Addr;
use crate::python::{Exception, Limits, Python, PythonThread, TracebackEntry};
use crate::report::model::{self, Frame, PythonFrame};
use crate::source::streams::PythonStep;

/// How many frames of a traceback, from the inner end, are shown with their variables: those that are on no stack
/// any more.
const WITH_LOCALS: usize = 10;

/// The exceptions of one thread.
#[derive(Default)]
pub struct ThreadExceptions {
    /// What it was raising, else what it was handling.
    pub exception: Option<model::Exception>,
    /// What it was handling besides.
    pub handling: Option<model::Exception>,
}

impl FrameBuilder<'_, '_, '_, '_> {
    /// What a thread was raising and handling; `stack` are its Python frames.
    pub fn exceptions(
        &mut self,
        python: &Python<'_>,
        thread: &PythonThread,
        stack: &[PythonStep],
        limits: Option<&mut Limits>,
    ) -> ThreadExceptions {
        let mut limits = limits;
        let raised = python.raised(thread, limits.as_deref_mut());
        let handled = python.handled(thread, limits);
        let is_chained = |handled: &Exception| raised.as_ref().is_some_and(|raised| raised.has(handled.address));
        let handled = handled.filter(|handled| !is_chained(handled));
        let running: HashSet<Addr> = stack.iter().map(|step| step.frame).collect();
        let raised = raised.map(|exception| model::Exception {
            raised: true,
            ..self.exception(exception, &running)
        });
        let handled = handled.map(|exception| self.exception(exception, &running));
        match raised {
            Some(raised) => ThreadExceptions {
                exception: Some(raised),
                handling: handled,
            },
            None => ThreadExceptions {
                exception: handled,
                handling: None,
            },
        }
    }

    fn exception(&mut self, exception: Exception, running: &HashSet<Addr>) -> model::Exception {
        let mut linked = |next: Option<Box<Exception>>| next.map(|next| Box::new(self.exception(*next, running)));
        let (cause, context) = (linked(exception.cause), linked(exception.context));
        let traceback = exception.traceback.iter().enumerate();
        model::Exception {
            type_name: Some(exception.type_name),
            value: exception.text,
            repr: exception.repr,
            raised: false,
            notes: exception.notes,
            cause,
            context,
            traceback: traceback
                .map(|(index, entry)| {
                    let is_shown = index < WITH_LOCALS && !running.contains(&entry.step.frame);
                    Frame::Python(self.traceback_frame(entry, is_shown))
                })
                .collect(),
            exceptions: exception
                .members
                .into_iter()
                .map(|member| self.exception(member, running))
                .collect(),
        }
    }

    fn traceback_frame(&mut self, entry: &TracebackEntry, has_locals: bool) -> PythonFrame {
        let step = PythonStep {
            has_locals,
            ..entry.step
        };
        let frame = self.python_frame(&step, entry.line);
        PythonFrame { owner: None, ..frame }
    }
}
