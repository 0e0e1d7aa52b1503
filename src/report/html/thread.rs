//! Threads and asyncio tasks: those that do the same stand together.

use super::exception;
use super::frame::{Detail, Stack};
use super::room::Room;
use crate::report::library::Library;
use crate::report::model::{Report, Thread};
use crate::report::text::{main_thread, tasks, threads, work};

/// The most kinds of threads, and of tasks.
const MOST: usize = 100;
/// The most names of those that do the same.
const NAMES: usize = 50;

/// A thread or a task, with the others that do the same.
pub(super) struct View {
    pub(super) title: String,
    /// The names of the others.
    pub(super) same: Vec<String>,
    /// How many others are not named.
    pub(super) more: usize,
    /// The call that it was given, where it is a worker.
    pub(super) work: String,
    pub(super) stack: Stack,
    pub(super) is_truncated: bool,
    pub(super) exceptions: Vec<exception::View>,
}

/// The thread that the report is about.
pub(super) fn main(report: &Report, library: &Library, room: &mut Room) -> Option<View> {
    let thread = main_thread(report)?;
    let detail = Detail {
        library,
        open: 8,
        parts: true,
        rows: 400,
    };
    Some(View::of(thread, &[], detail, room))
}

/// The others, and how many kinds of them are left out.
pub(super) fn others(report: &Report, library: &Library, room: &mut Room) -> (Vec<View>, usize) {
    let groups = threads::groups(threads::others(report));
    let detail = Detail {
        library,
        open: 0,
        parts: true,
        rows: 60,
    };
    let views = groups
        .iter()
        .take(MOST)
        .filter_map(|group| group.split_first())
        .map(|(first, rest)| View::of(first, rest, detail, room));
    (views.collect(), groups.len().saturating_sub(MOST))
}

/// The asyncio tasks, and how many kinds of them are left out.
pub(super) fn tasks(report: &Report, library: &Library, room: &mut Room) -> (Vec<View>, usize) {
    let groups = tasks::groups(&report.tasks);
    let detail = Detail {
        library,
        open: 0,
        parts: true,
        rows: 40,
    };
    let views = groups
        .iter()
        .take(MOST)
        .filter_map(|group| group.split_first())
        .map(|(first, rest)| View {
            title: tasks::describe(first),
            same: rest.iter().take(NAMES).map(|task| tasks::name(task)).collect(),
            more: rest.len().saturating_sub(NAMES),
            work: String::new(),
            stack: Stack::of(&first.frames, detail, room),
            is_truncated: false,
            exceptions: Vec::new(),
        });
    (views.collect(), groups.len().saturating_sub(MOST))
}

impl View {
    fn of(thread: &Thread, same: &[&Thread], detail: Detail<'_>, room: &mut Room) -> View {
        View {
            title: format!("Thread {}", threads::describe(thread)),
            same: same
                .iter()
                .take(NAMES)
                .map(|thread| threads::short_name(thread))
                .collect(),
            more: same.len().saturating_sub(NAMES),
            work: thread
                .work
                .as_ref()
                .and_then(|work| work.item.as_ref())
                .map(|item| work::call(item, 300))
                .unwrap_or_default(),
            stack: Stack::of(&thread.frames, detail, room),
            is_truncated: thread.truncated,
            exceptions: exception::views(thread, detail.library, room),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::{Work, WorkItem, WorkKind};

    #[test]
    fn a_worker_has_its_call() {
        let item = WorkItem {
            function: "resize".into(),
            arguments: vec!["'<photo>'".into()],
            is_batch: false,
        };
        let report = Report {
            threads: vec![Thread {
                work: Some(Work {
                    kind: WorkKind::Pool,
                    item: Some(item),
                    ..Work::default()
                }),
                ..Thread::default()
            }],
            ..Report::default()
        };
        let view = main(&report, &Library::default(), &mut Room::of(1_000)).expect("a thread");
        assert_eq!(view.work, "resize('<photo>')");
        let page = crate::report::html::page(&report).expect("a page");
        assert!(
            page.contains("work: <code>resize(&#39;&#60;photo&#62;&#39;)</code>"),
            "{page}"
        );
    }
}
