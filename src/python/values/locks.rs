//! Locks and what `threading` builds from them.

use super::printer::{Printer, Subject};
use crate::source::MemoryExt;

/// `<locked _thread.lock object at 0x…>` (Modules/_threadmodule.c, `lock_repr`).
pub fn lock(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let locked = printer.python.layout.offsets.lock.locked.of(subject.at);
    let state = state(printer.python.memory.read_u8(locked).ok()? & 1 != 0);
    Some(format!("<{state} {} object at {}>", subject.info.tp_name, subject.at))
}

/// `<locked _thread.RLock object owner=… count=1 at 0x…>` (`rlock_repr`); the owner is what `threading.get_ident` gives.
pub fn rlock(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let (memory, offsets) = (printer.python.memory, &printer.python.layout.offsets.rlock);
    let owner = memory.read_u64(offsets.owner.of(subject.at)).ok()?;
    let mut count = memory.read_u64(offsets.count.of(subject.at)).ok()?;
    let is_locked = if offsets.mutex.is_present() {
        let is_locked = memory.read_u8(offsets.mutex.of(subject.at)).ok()? & 1 != 0;
        // The level of a mutex that was entered once is 0.
        count = if is_locked { count.saturating_add(1) } else { 0 };
        is_locked
    } else {
        count != 0
    };
    let (state, name) = (state(is_locked), &subject.info.tp_name);
    Some(format!(
        "<{state} {name} object owner={owner} count={count} at {}>",
        subject.at
    ))
}

fn state(is_locked: bool) -> &'static str {
    if is_locked { "locked" } else { "unlocked" }
}

/// `<threading.Event at 0x…: set>` (Lib/threading.py).
pub fn event(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let flag = printer.attribute_repr(&subject, "_flag")?;
    let status = if flag == "True" { "set" } else { "unset" };
    Some(format!("<{} at {}: {status}>", subject.info.full_name, subject.at))
}

/// `<Condition(<unlocked _thread.RLock object …>, 0)>`.
pub fn condition(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let waiters = python.attribute(subject.at, subject.info, "_waiters")?;
    let waiters = python.size_of(waiters)?;
    printer.within("<Condition(…)>", |printer| {
        let lock = printer.attribute_repr(&subject, "_lock")?;
        Some(format!("<Condition({lock}, {waiters})>"))
    })
}

/// `<threading.Semaphore at 0x…: value=1>`.
pub fn semaphore(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let value = printer.attribute_repr(&subject, "_value")?;
    Some(format!("<{} at {}: value={value}>", subject.info.full_name, subject.at))
}

/// `<threading.BoundedSemaphore at 0x…: value=1/2>`.
pub fn bounded_semaphore(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let value = printer.attribute_repr(&subject, "_value")?;
    let initial = printer.attribute_repr(&subject, "_initial_value")?;
    let name = &subject.info.full_name;
    Some(format!("<{name} at {}: value={value}/{initial}>", subject.at))
}

/// `<Thread(worker, started daemon 140…)>`. Whether it still runs is told by its thread state.
pub fn thread(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let started = python.attribute(subject.at, subject.info, "_started")?;
    let started = python.attribute(started, &*python.type_of(started)?, "_flag")?;
    let ident = printer.attribute_str(&subject, "_ident")?;
    let mut status = match python.int_repr(started)?.as_str() {
        "0" => "initial",
        _ if is_running(printer, &ident) => "started",
        _ => "stopped",
    }
    .to_string();
    if printer.attribute_repr(&subject, "_daemonic")? == "True" {
        status.push_str(" daemon");
    }
    if ident != "None" {
        status.push_str(&format!(" {ident}"));
    }
    let name = printer.attribute_str(&subject, "_name")?;
    Some(format!("<{}({name}, {status})>", subject.info.name))
}

fn is_running(printer: &Printer<'_, '_>, ident: &str) -> bool {
    let interpreters = printer.python.interpreters();
    let mut threads = interpreters.iter().flat_map(|interpreter| &interpreter.threads);
    threads.any(|thread| thread.thread_id.to_string() == ident)
}
