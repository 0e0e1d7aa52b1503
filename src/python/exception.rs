//! Exceptions: what is being raised and handled in a thread, with chain and traceback.

use std::collections::HashSet;

use super::object::{TypeInfo, type_flags};
use super::{Limits, Python, PythonThread};
use crate::addr::Addr;
use crate::source::MemoryExt;
use crate::source::streams::PythonStep;

/// The most exceptions of one chain, causes, contexts and members of groups together.
const MAX_CHAIN: usize = 32;
/// The most notes of one exception, and members of one group.
const MAX_PARTS: u64 = 20;
/// The most attributes of an exception that are searched for its notes.
const MAX_ATTRIBUTES: u64 = 50;
/// The most entries of a traceback that are followed: it is linked from the outside in.
const MAX_TRACEBACK: usize = 20_000;
/// Of a long traceback, this many entries at the outer end are kept ...
const OUTERMOST: usize = 50;
/// ... and this many at the inner one.
const INNERMOST: usize = 450;
/// How many records of handled exceptions are looked through: one for each generator that runs.
const MAX_HANDLERS: usize = 10_000;

/// An exception.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exception {
    /// Its address; null where only its type and argument exist yet (up to 3.11).
    pub address: Addr,
    /// The full name of its type.
    pub type_name: String,
    /// What `str()` gives; `None` where that takes running code, and where values are left out.
    pub text: Option<String>,
    /// What `BaseException.__repr__` gives; `None` where values are left out.
    pub repr: Option<String>,
    /// `__notes__` (3.11+).
    pub notes: Vec<String>,
    /// `__cause__`.
    pub cause: Option<Box<Exception>>,
    /// `__context__`, unless `__suppress_context__` is set.
    pub context: Option<Box<Exception>>,
    /// The members of an exception group.
    pub members: Vec<Exception>,
    /// `__traceback__`, innermost entry first.
    pub traceback: Vec<TracebackEntry>,
}

/// One entry of a traceback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracebackEntry {
    /// The frame, at the instruction that raised. Its `frame` is null where there is none any more.
    pub step: PythonStep,
    /// `tb_lineno`, where CPython has worked it out (always up to 3.11).
    pub line: Option<u32>,
}

impl Exception {
    /// Whether the exception at `address` is this one or in its chain.
    pub fn has(&self, address: Addr) -> bool {
        let chained = [&self.cause, &self.context].into_iter().flatten();
        self.address == address || chained.into_iter().any(|next| next.has(address))
    }
}

/// What bounds the walk over one chain.
struct Chain<'a> {
    seen: HashSet<Addr>,
    /// `None`: values are left out.
    limits: Option<&'a mut Limits>,
    is_cut: bool,
}

impl Python<'_> {
    /// The exception that is being raised in a thread (`PyErr_Occurred`). Without limits, values are left out.
    pub fn raised(&self, thread: &PythonThread, limits: Option<&mut Limits>) -> Option<Exception> {
        let offsets = &self.layout.offsets.thread;
        if offsets.current_exception.is_present() {
            let object = self.read_or_null(offsets.current_exception.of(thread.address));
            return self.exception(object, Addr::NULL, limits);
        }
        let kind = self.read_or_null(offsets.curexc_type.of(thread.address));
        let value = self.read_or_null(offsets.curexc_value.of(thread.address));
        let traceback = self.read_or_null(offsets.curexc_traceback.of(thread.address));
        if kind.is_null() {
            return None;
        }
        match self.type_of(value) {
            Some(info) if info.has(type_flags::BASE_EXCEPTION) => self.exception(value, traceback, limits),
            _ => self.unmade_exception(kind, value, traceback, limits),
        }
    }

    /// The exception that is being handled in a thread (`sys.exc_info()`). Without limits, values are left out.
    pub fn handled(&self, thread: &PythonThread, limits: Option<&mut Limits>) -> Option<Exception> {
        let item = &self.layout.offsets.err_stack_item;
        let head = self.read_or_null(self.layout.offsets.thread.exc_info.of(thread.address));
        let items = self.chain(head, MAX_HANDLERS, |at| item.previous.of(at));
        let is_exception = |object: Addr| {
            self.type_of(object)
                .is_some_and(|info| info.has(type_flags::BASE_EXCEPTION))
        };
        // A record is empty (null or None) while its generator handles nothing.
        let (at, object) = items.into_iter().find_map(|at| {
            let object = self.read_or_null(item.exc_value.of(at));
            is_exception(object).then_some((at, object))
        })?;
        self.exception(object, self.read_or_null(item.exc_traceback.of(at)), limits)
    }

    /// The exception at `object` with its chain; `traceback` is used where it has none of its own yet.
    pub(super) fn exception(&self, object: Addr, traceback: Addr, limits: Option<&mut Limits>) -> Option<Exception> {
        let mut chain = Chain {
            seen: HashSet::new(),
            limits,
            is_cut: false,
        };
        let exception = self.linked(object, traceback, &mut chain);
        if chain.is_cut {
            self.notes.push(
                "python",
                format!("the exception at {object} has a chain of more than {MAX_CHAIN}"),
                "what comes after them is left out",
                "",
            );
        }
        exception
    }

    fn linked(&self, object: Addr, traceback: Addr, chain: &mut Chain<'_>) -> Option<Exception> {
        let info = self.type_of(object)?;
        // A chain may lead back to itself: Python's own tracebacks stop there, too.
        if !info.has(type_flags::BASE_EXCEPTION) || chain.seen.contains(&object) {
            return None;
        }
        if chain.seen.len() >= MAX_CHAIN {
            chain.is_cut = true;
            return None;
        }
        chain.seen.insert(object);
        let offsets = &self.layout.offsets.exception;
        let mut exception = Exception {
            address: object,
            type_name: info.full_name.clone(),
            ..Exception::default()
        };
        if let Some(limits) = chain.limits.as_deref_mut() {
            exception.repr = Some(self.repr(object, limits));
            exception.text = self.exception_text(object, &info, limits);
            exception.notes = self.exception_notes(object, &info, limits);
        }
        let own = self.read_or_null(offsets.traceback.of(object));
        // `tb_next` of what was thrown into a generator, say, begins a longer list than its own.
        exception.traceback = self.traceback(if traceback.is_null() { own } else { traceback });
        let link = |field: crate::layout::Offset, chain: &mut Chain<'_>| {
            let next = self.read_or_null(field.of(object));
            self.linked(next, Addr::NULL, chain).map(Box::new)
        };
        exception.cause = link(offsets.cause, chain);
        let is_suppressed = self.memory.read_u8(offsets.suppress_context.of(object));
        if is_suppressed.is_ok_and(|flag| flag == 0) {
            exception.context = link(offsets.context, chain);
        }
        let members = self.group_members(object, &info, MAX_PARTS);
        exception.members = members
            .into_iter()
            .filter_map(|member| self.linked(member, Addr::NULL, chain))
            .collect();
        Some(exception)
    }

    /// Up to 3.11 an exception that C code raises is a type and an argument until somebody wants to see it
    /// (`PyErr_NormalizeException`).
    fn unmade_exception(
        &self,
        kind: Addr,
        value: Addr,
        traceback: Addr,
        limits: Option<&mut Limits>,
    ) -> Option<Exception> {
        let info = self.type_info(kind)?;
        let mut exception = Exception {
            type_name: info.full_name.clone(),
            traceback: self.traceback(traceback),
            ..Exception::default()
        };
        if let Some(limits) = limits {
            let has_argument = self.type_of(value).is_some_and(|info| !info.is_builtin("NoneType"));
            exception.text = Some(match has_argument {
                true => self.str_of(value, limits),
                false => String::new(),
            });
            let argument = match has_argument {
                true => self.value(value, limits).text,
                false => String::new(),
            };
            exception.repr = Some(format!("{}({argument})", info.name));
        }
        Some(exception)
    }

    /// `add_note` makes an ordinary attribute.
    fn exception_notes(&self, object: Addr, info: &TypeInfo, limits: &mut Limits) -> Vec<String> {
        let attributes = self.attributes(object, info, MAX_ATTRIBUTES);
        let notes = attributes.iter().find(|(name, _)| name == "__notes__");
        let items = notes
            .and_then(|&(_, list)| self.list_items(list, MAX_PARTS))
            .unwrap_or_default();
        items.into_iter().map(|note| self.str_of(note, limits)).collect()
    }

    /// The entries of a traceback, innermost first.
    fn traceback(&self, head: Addr) -> Vec<TracebackEntry> {
        let offsets = &self.layout.offsets.traceback;
        let mut entries = self.chain(head, MAX_TRACEBACK, |at| offsets.next.of(at));
        if entries.len() > OUTERMOST + INNERMOST {
            self.notes.push(
                "python",
                format!("the traceback at {head} has {} entries", entries.len()),
                format!("{OUTERMOST} at its beginning and {INNERMOST} at its end are shown"),
                "",
            );
            entries.drain(OUTERMOST..entries.len() - INNERMOST);
        }
        let entry = |at: &Addr| {
            let frame = self.read_or_null(offsets.frame.of(*at));
            let mut step = self.step_of_frame_object(frame)?;
            step.lasti = self.memory.read_i32(offsets.lasti.of(*at)).unwrap_or(-1);
            let line = self.memory.read_i32(offsets.lineno.of(*at)).unwrap_or(-1);
            Some(TracebackEntry {
                step,
                line: u32::try_from(line).ok().filter(|line| *line > 0),
            })
        };
        entries.iter().rev().filter_map(entry).collect()
    }

    /// The frame that a `PyFrameObject` stands for.
    pub(super) fn step_of_frame_object(&self, object: Addr) -> Option<PythonStep> {
        let offsets = &self.layout.offsets;
        let (frame, code) = if offsets.frame_object.f_frame.is_present() {
            let frame = self.memory.read_addr(offsets.frame_object.f_frame.of(object)).ok()?;
            (frame, self.read_stack_ref(offsets.frame.executable.of(frame)).ok()?)
        } else {
            (
                object,
                self.memory.read_addr(offsets.frame_object.f_code.of(object)).ok()?,
            )
        };
        Some(PythonStep {
            frame,
            code,
            lasti: -1,
            has_locals: true,
            ..PythonStep::default()
        })
    }
}
