//! Threads: the one the report is about with everything, the others as bare stacks.

use std::collections::HashMap;

use super::escape::clip;
use super::fold::Look;
use super::stack::{self, Detail};
use super::style::paint;
use super::{Out, exception, main_thread, work};
use crate::report::model::{Report, Thread, WorkItem};

/// The most groups of other threads shown.
const MAX_GROUPS: usize = 50;

pub(super) fn write_main(out: &mut Out, report: &Report) {
    let Some(thread) = main_thread(report) else {
        return;
    };
    let style = out.style();
    out.gap();
    let mut heading = format!("Thread {}", describe(thread));
    if report.threads.len() > 1 {
        heading.push_str(&format!(", one of {}", report.threads.len()));
    }
    out.line(&format!("{}, innermost frame first:", paint(style.heading, &heading)));
    let detail = Detail {
        source: true,
        locals: if out.is_short() { 5 } else { usize::MAX },
        steps: if out.is_short() { 40 } else { 400 },
    };
    write_work(out, thread);
    write_stack(out, thread, detail);
    exception::write(out, thread);
}

pub(super) fn write_others(out: &mut Out, report: &Report) {
    let groups = groups(others(report));
    let style = out.style();
    for group in groups.iter().take(MAX_GROUPS) {
        let Some((first, rest)) = group.split_first() else {
            continue;
        };
        out.gap();
        let heading = paint(style.heading, &format!("Thread {}", describe(first)));
        if rest.is_empty() {
            out.line(&format!("{heading}:"));
        } else {
            let mut items = vec![format!("{heading} and {} more with the same stack:", rest.len())];
            items.extend(rest.iter().take(20).map(|thread| short_name(thread)));
            if rest.len() > 20 {
                items.push("…".to_string());
            }
            let first = items.remove(0) + " ";
            out.flow(&first, &items, ", ", 4);
        }
        let detail = Detail {
            source: false,
            locals: 0,
            steps: 30,
        };
        write_work(out, first);
        write_stack(out, first, detail);
        exception::write(out, first);
    }
    if groups.len() > MAX_GROUPS {
        out.gap();
        out.line(&format!(
            "… {} more kinds of stacks, not shown",
            groups.len() - MAX_GROUPS
        ));
    }
}

/// The call that a worker was given.
fn write_work(out: &mut Out, thread: &Thread) {
    let item: Option<&WorkItem> = thread.work.as_ref().and_then(|work| work.item.as_ref());
    if let Some(item) = item {
        let call = work::call(item, out.options.width.saturating_sub(20));
        out.line(&format!("          {} {call}", paint(out.style().name, "work:")));
    }
}

/// The threads besides that which the report is about.
pub(in crate::report) fn others(report: &Report) -> impl Iterator<Item = &Thread> {
    let main = main_thread(report).map(|thread| thread as *const Thread);
    report
        .threads
        .iter()
        .filter(move |&thread| Some(thread as *const Thread) != main)
}

fn write_stack(out: &mut Out, thread: &Thread, detail: Detail) {
    let style = out.style();
    stack::write(out, &thread.frames, detail);
    if thread.frames.is_empty() {
        out.line(&paint(style.doubt, "          no frames were found"));
    } else if thread.truncated {
        out.line(&paint(
            style.doubt,
            "          … outer frames are missing: the walk stopped here",
        ));
    }
}

/// Threads whose stacks look the same and which do the same, in the order of their first ones.
pub(in crate::report) fn groups<'a>(threads: impl Iterator<Item = &'a Thread>) -> Vec<Vec<&'a Thread>> {
    let mut groups: Vec<Vec<&Thread>> = Vec::new();
    let mut known: HashMap<_, usize> = HashMap::new();
    for thread in threads {
        let looks: Vec<Look<'_>> = thread.frames.iter().map(Look::of).collect();
        let item = thread.work.as_ref().map(|work| work.item.as_ref());
        // A thread with an exception, with the GIL, or whose wait is known, is one of its own kind.
        let is_special = thread.exception.is_some() || thread.holds_gil == Some(true) || thread.waits_for.is_some();
        let key = (looks, thread.state.as_deref(), thread.truncated, item);
        match known.get(&key).filter(|_| !is_special) {
            Some(&index) => groups[index].push(thread),
            None => {
                if !is_special {
                    known.insert(key, groups.len());
                }
                groups.push(vec![thread]);
            }
        }
    }
    groups
}

/// For example `815 "ThreadPool-0_2" (crashed, holds the GIL)`.
pub(in crate::report) fn describe(thread: &Thread) -> String {
    let mut facts = Vec::new();
    if thread.crashed {
        facts.push("crashed".to_string());
    }
    if thread.holds_gil == Some(true) {
        facts.push("holds the GIL".to_string());
    }
    let owner = thread.waits_for.as_ref().and_then(|wait| wait.owner);
    facts.extend(thread.state.as_ref().map(|state| match owner {
        Some(owner) => format!("{} that {owner} holds", clip(state, 40)),
        None => clip(state, 40),
    }));
    if thread.daemon == Some(true) {
        facts.push("daemon".to_string());
    }
    facts.extend(
        thread
            .interpreter
            .filter(|&id| id != 0)
            .map(|id| format!("interpreter {id}")),
    );
    facts.extend(thread.work.as_ref().map(work::describe));
    facts.extend(thread.task.as_ref().map(|task| format!("runs task {}", clip(task, 40))));
    // Of interest where the limit is near.
    if let Some(recursion) = thread
        .recursion
        .filter(|recursion| recursion.depth > recursion.limit / 2)
    {
        facts.push(format!("recursion {} of {}", recursion.depth, recursion.limit));
    }
    let name = short_name(thread);
    if facts.is_empty() {
        name
    } else {
        format!("{name} ({})", facts.join(", "))
    }
}

/// Id and name.
pub(in crate::report) fn short_name(thread: &Thread) -> String {
    match thread.python_name.as_ref().or(thread.name.as_ref()) {
        Some(name) => format!("{} \"{}\"", thread.tid, clip(name, 40)),
        None => thread.tid.to_string(),
    }
}
