//! Tasks and futures of asyncio that are written in C (Modules/_asynciomodule.c), and futures of `concurrent.futures`.
//!
//! Which callbacks they have, and what they wait for, is left out.

use super::super::text;
use super::printer::{Printer, Subject, plain};
use crate::addr::Addr;
use crate::source::MemoryExt;

/// `fut_state` and `task_state`. One that is pending may also be in the middle of being cancelled, which its `repr` says.
const STATES: [&str; 3] = ["…", "cancelled", "finished"];

/// `<Task … name='fetch' coro=<fetch() running at app.py:12>…>` (Lib/asyncio/base_tasks.py).
pub fn task(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    Some(try_task(printer, &subject).unwrap_or_else(|| plain(subject.at, subject.info)))
}

fn try_task(printer: &Printer<'_, '_>, subject: &Subject<'_>) -> Option<String> {
    let (python, offsets) = (printer.python, &printer.python.layout.offsets.task);
    let state = python.memory.read_i32(offsets.state.of(subject.at)).ok()?;
    let state = STATES.get(usize::try_from(state).ok()?)?;
    let name = python.task_name(python.read_or_null(offsets.name.of(subject.at)))?;
    let name: Vec<u32> = name.chars().map(u32::from).collect();
    let coroutine = coroutine(printer, python.read_or_null(offsets.coro.of(subject.at)));
    let class = &subject.info.name;
    Some(match coroutine {
        Some(coroutine) => format!("<{class} {state} name={} coro=<{coroutine}>…>", text::str_repr(&name)),
        None => format!("<{class} {state} name={}…>", text::str_repr(&name)),
    })
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
        .read_i32(python.layout.offsets.future.state.of(subject.at))
        .ok();
    let state = state.and_then(|state| ["pending", "cancelled", "finished"].get(usize::try_from(state).ok()?));
    Some(match state {
        Some(state) => format!("<{} {state}…>", subject.info.name),
        None => plain(subject.at, subject.info),
    })
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
