//! Tasks and futures of asyncio that are written in C (Modules/_asynciomodule.c), and futures of `concurrent.futures`.
//!
//! Which callbacks they have, and what they wait for, is left out.

use super::super::text;
use super::printer::{Printer, Subject, plain};
use crate::addr::Addr;
use crate::source::MemoryExt;

/// `fut_state` and `task_state`. One that is pending may also be in the middle of being cancelled, which its `repr` says.
const STATES: [&str; 3] = ["…", "cancelled", "finished"];
const FINISHED: i32 = 2;

/// `<Task … name='fetch' coro=<fetch() running at app.py:12>…>` (Lib/asyncio/base_tasks.py).
pub fn task(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    Some(try_task(printer, &subject).unwrap_or_else(|| plain(subject.at, subject.info)))
}

fn try_task(printer: &mut Printer<'_, '_>, subject: &Subject<'_>) -> Option<String> {
    let (python, offsets) = (printer.python, &printer.python.layout.offsets.task);
    let state = python.memory.read_i32(offsets.state.of(subject.at)).ok()?;
    let is_done = state == FINISHED;
    let state = STATES.get(usize::try_from(state).ok()?)?;
    let name = python.task_name(python.read_or_null(offsets.name.of(subject.at)))?;
    let name: Vec<u32> = name.chars().map(u32::from).collect();
    let coroutine = coroutine(printer, python.read_or_null(offsets.coro.of(subject.at)));
    let class = &subject.info.name;
    let coroutine = coroutine
        .map(|coroutine| format!(" coro=<{coroutine}>"))
        .unwrap_or_default();
    let end = match is_done {
        // Between name and end stands a coroutine that has no line any more.
        true => format!("…{}", outcome(printer, subject.at).unwrap_or_default()),
        false => "…".to_string(),
    };
    Some(format!(
        "<{class} {state} name={}{coroutine}{end}>",
        text::str_repr(&name)
    ))
}

/// `fetch() running at app.py:12`, of one that is suspended.
fn coroutine(printer: &Printer<'_, '_>, coroutine: Addr) -> Option<String> {
    let python = printer.python;
    let info = python.type_of(coroutine)?;
    if !info.is_builtin("coroutine") {
        return None;
    }
    let qualname = python.layout.offsets.generator.qualname.of(coroutine);
    let qualname = python.name_string(python.read_or_null(qualname))?;
    let step = *python.suspended_chain(coroutine).steps.first()?;
    let code = python.code(step.code)?;
    let line = code.position(python, step.lasti)?.line;
    Some(format!("{qualname}() running at {}:{line}", code.filename))
}

/// `<Future finished…>` (Lib/asyncio/base_futures.py). Up to 3.10 tasks inherit the slot.
pub fn future(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let order = python.resolution_order(subject.info);
    if order.iter().any(|class| class.tp_name == "_asyncio.Task") {
        return task(printer, subject);
    }
    let state = python
        .memory
        .read_i32(python.layout.offsets.future.state.of(subject.at));
    let words = match state {
        Ok(0) => "pending…".to_string(),
        // One that is done has no callbacks left.
        Ok(1) => "cancelled".to_string(),
        Ok(FINISHED) => format!(
            "finished{}",
            outcome(printer, subject.at).unwrap_or_else(|| "…".to_string())
        ),
        _ => return Some(plain(subject.at, subject.info)),
    };
    Some(format!("<{} {words}>", subject.info.name))
}

/// ` result=[1]` or ` exception=ValueError('x')`, of a future or task that is finished.
fn outcome(printer: &mut Printer<'_, '_>, future: Addr) -> Option<String> {
    let python = printer.python;
    let (is_exception, object) = python.outcome(future)?;
    let name = if is_exception { "exception" } else { "result" };
    Some(format!(" {name}={}", printer.repr(object)))
}

/// `<Future at 0x… state=finished returned int>` (Lib/concurrent/futures/_base.py).
pub fn concurrent_future(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let state = printer.attribute_str(&subject, "_state")?;
    let words = match state.as_str() {
        "CANCELLED_AND_NOTIFIED" => "cancelled".to_string(),
        _ => state.to_lowercase(),
    };
    let class = |name: &str| {
        let object = python.attribute(subject.at, subject.info, name)?;
        Some(python.type_of(object)?.name.clone()).filter(|name| name != "NoneType")
    };
    let end = match (words.as_str(), class("_exception")) {
        ("finished", Some(exception)) => format!(" raised {exception}"),
        ("finished", None) => format!(
            " returned {}",
            class("_result").unwrap_or_else(|| "NoneType".to_string())
        ),
        _ => String::new(),
    };
    Some(format!("<{} at {} state={words}{end}>", subject.info.name, subject.at))
}
