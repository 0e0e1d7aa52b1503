//! The asyncio tasks: those that wait alike together.

use std::collections::HashMap;

use super::Out;
use super::escape::clip;
use super::fold::Look;
use super::stack::{self, Detail};
use super::style::paint;
use crate::report::model::{Report, Task, TaskState};

/// The most groups of tasks shown.
const MAX_GROUPS: usize = 30;
/// The most names of one group.
const MAX_NAMES: usize = 20;
/// The most things one task is said to wait for.
const MAX_AWAITED: usize = 5;

pub(super) fn write(out: &mut Out, report: &Report) {
    if report.tasks.is_empty() {
        return;
    }
    let style = out.style();
    out.gap();
    let heading = paint(style.heading, "asyncio tasks");
    out.line(&format!("{heading} ({} not done):", report.tasks.len()));
    let groups = groups(&report.tasks);
    for group in groups.iter().take(MAX_GROUPS) {
        let Some((first, rest)) = group.split_first() else {
            continue;
        };
        let mut line = format!("  {}", describe(first));
        if !rest.is_empty() {
            line.push_str(&format!(" and {} more with the same stack:", rest.len()));
        }
        let mut names: Vec<String> = rest.iter().take(MAX_NAMES).map(|task| name(task)).collect();
        if rest.len() > MAX_NAMES {
            names.push("…".to_string());
        }
        match names.is_empty() {
            true => out.line(&line),
            false => out.flow(&format!("{line} "), &names, ", ", 6),
        }
        let detail = Detail {
            source: false,
            locals: 0,
            steps: 20,
        };
        stack::write(out, &first.frames, detail);
    }
    if groups.len() > MAX_GROUPS {
        out.line(&format!("  … {} more kinds, not shown", groups.len() - MAX_GROUPS));
    }
}

/// Tasks with the same stack and state, in the order of their first ones.
pub(in crate::report) fn groups(tasks: &[Task]) -> Vec<Vec<&Task>> {
    let mut groups: Vec<Vec<&Task>> = Vec::new();
    let mut known: HashMap<(Vec<Look<'_>>, Option<&str>, bool), usize> = HashMap::new();
    for task in tasks {
        let looks: Vec<Look<'_>> = task.frames.iter().map(Look::of).collect();
        let waits_for_tasks = task.awaiting.iter().any(|awaited| awaited.starts_with("task "));
        // One that runs, waits for another, or is about to go on, is told by itself.
        let is_special = looks.is_empty() || waits_for_tasks || task.outcome.is_some();
        let key = (looks, task.coroutine.as_deref(), task.state == Some(TaskState::Waiting));
        match known.get(&key).filter(|_| !is_special) {
            Some(&index) => groups[index].push(task),
            None => {
                if !is_special {
                    known.insert(key, groups.len());
                }
                groups.push(vec![task]);
            }
        }
    }
    groups
}

pub(in crate::report) fn name(task: &Task) -> String {
    clip(task.name.as_deref().unwrap_or("a task without a name"), 40)
}

/// For example `Task-3 (fetch), waiting for task Task-4`.
pub(in crate::report) fn describe(task: &Task) -> String {
    let mut text = name(task);
    if let Some(coroutine) = &task.coroutine {
        text.push_str(&format!(" ({})", clip(coroutine, 60)));
    }
    match (&task.state, task.tid) {
        (Some(TaskState::Running), Some(tid)) => text.push_str(&format!(", running in thread {tid}")),
        (Some(TaskState::Running), None) => text.push_str(", running"),
        (Some(TaskState::Ready), _) => text.push_str(", ready to run"),
        (Some(TaskState::Other(word)), _) => text.push_str(&format!(", {}", clip(word, 20))),
        (Some(TaskState::Waiting), _) | (None, _) => {
            let mut awaited: Vec<String> = task
                .awaiting
                .iter()
                .take(MAX_AWAITED)
                .map(|what| clip(what, 60))
                .collect();
            if task.awaiting.len() > MAX_AWAITED {
                awaited.push(format!("{} more", task.awaiting.len() - MAX_AWAITED));
            }
            if !awaited.is_empty() {
                text.push_str(&format!(", waiting for {}", awaited.join(", ")));
            }
            if let Some(outcome) = &task.outcome {
                text.push_str(&format!(", which {}", clip(outcome, 80)));
            }
        }
    }
    text
}
