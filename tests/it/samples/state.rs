//! Hooks, recursion and asyncio tasks of a report.

use std::collections::{BTreeMap, BTreeSet};

use coldframe::report::Report;
use coldframe::report::model::{Frame, Hooks, Task, TaskState, Thread};
use serde_json::Value;

use super::check::{Problems, find_thread, python_frames};
use super::header::Header;
use super::{exception, glob};

/// What observes or replaces the evaluation loop, by the header.
pub fn check_hooks(header: &Header, report: &Report, problems: &mut Problems) {
    let interpreters = report.python.iter().flat_map(|python| &python.interpreters);
    let hooks: Vec<&Hooks> = interpreters
        .filter_map(|interpreter| interpreter.hooks.as_ref())
        .collect();
    let tids = |wanted: &[(String, String)]| -> Vec<u32> {
        let tid = |(name, _): &(String, String)| find_thread(report, name).map(|thread| thread.tid);
        wanted.iter().filter_map(tid).collect()
    };
    let functions =
        |wanted: &[(String, String)]| -> Vec<String> { wanted.iter().map(|(_, function)| function.clone()).collect() };
    let found =
        |get: fn(&Hooks) -> &Vec<u32>| -> Vec<u32> { hooks.iter().flat_map(|hooks| get(hooks).clone()).collect() };
    let named = |get: fn(&Hooks) -> &Vec<String>| -> Vec<String> {
        hooks.iter().flat_map(|hooks| get(hooks).clone()).collect()
    };
    problems.expect("traced threads", tids(&header.trace), found(|hooks| &hooks.trace));
    problems.expect(
        "trace functions",
        functions(&header.trace),
        named(|hooks| &hooks.trace_functions),
    );
    problems.expect("profiled threads", tids(&header.profile), found(|hooks| &hooks.profile));
    problems.expect(
        "profile functions",
        functions(&header.profile),
        named(|hooks| &hooks.profile_functions),
    );
    let thread = report.crashed_thread();
    let frames = thread.map(python_frames).unwrap_or_default();
    let changed = frames.into_iter().filter(|frame| !frame.instrumented.is_empty());
    let changed: Vec<String> = changed.filter_map(|frame| frame.function.clone()).collect();
    problems.expect("instrumented", header.instrumented.clone(), changed);
    problems.expect("tools", header.tools.clone(), named(|hooks| &hooks.monitoring_tools));
    let evaluator = hooks.iter().find_map(|hooks| hooks.eval_frame.as_deref());
    match (header.get("evaluator"), evaluator) {
        (Some(expected), Some(found)) if glob::matches(expected, found) => {}
        (expected, found) => problems.expect("evaluator", expected, found),
    }
}

/// What other threads do, by the header, and who holds the GIL then.
pub fn check_states(header: &Header, report: &Report, problems: &mut Problems) {
    let Some(python) = report.python.first().filter(|_| !header.states.is_empty()) else {
        return;
    };
    let has_gil = python.free_threaded != Some(true);
    for (name, expected) in &header.states {
        let is_of_gil = expected == "waiting for the GIL";
        let found = find_thread(report, name).and_then(|thread| thread.state.as_deref());
        if has_gil || !is_of_gil {
            problems.expect(&format!("what {name} does"), Some(expected.as_str()), found);
        }
        if is_of_gil {
            let crashed = report.crashed_thread();
            let gil = python
                .interpreters
                .first()
                .and_then(|interpreter| interpreter.gil.as_ref());
            let holder = gil.and_then(|gil| gil.holder_tid);
            let expected = crashed.filter(|_| has_gil).map(|thread| thread.tid);
            problems.expect("holder of the GIL", expected, holder);
            let holds = crashed.and_then(|thread| thread.holds_gil);
            problems.expect("it holds the GIL", has_gil.then_some(true), holds);
        }
    }
}

/// What workers were given, by the header; the others are no workers.
pub fn check_works(header: &Header, report: &Report, problems: &mut Problems) {
    let describe = |thread: &Thread| {
        let work = thread.work.as_ref()?;
        let kind = serde_json::to_value(&work.kind).expect("a kind");
        let method = work
            .start_method
            .as_ref()
            .map_or_else(String::new, |method| format!(":{method}"));
        let call = work.item.as_ref().map_or("idle".to_string(), |item| {
            let arguments = item.arguments.join(", ");
            match item.is_batch {
                true => format!("{} for each of {arguments}", item.function),
                false => format!("{}({arguments})", item.function),
            }
        });
        let name = match thread.python_name.as_deref().unwrap_or_default() {
            "MainThread" => "main",
            name => name,
        };
        Some(format!("{name} {}{method} {call}", kind.as_str().unwrap_or_default()))
    };
    let found: BTreeSet<String> = report.threads.iter().filter_map(describe).collect();
    let expected: BTreeSet<String> = header.works.iter().cloned().collect();
    problems.expect("workers", &expected, &found);
}

/// The tasks that are not done, against what asyncio said of them.
pub fn check_tasks(oracle: &Value, report: &Report, problems: &mut Problems) {
    let found: BTreeMap<&str, &Task> = report
        .tasks
        .iter()
        .map(|task| (task.name.as_deref().unwrap_or_default(), task))
        .collect();
    let expected = oracle.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut names: Vec<&str> = expected.iter().filter_map(|task| task["name"].as_str()).collect();
    names.sort_unstable();
    if names.len() < 10 {
        problems.push(format!("the oracle has only the tasks {names:?}"));
    }
    problems.expect("tasks", &names, &found.keys().copied().collect());
    for expected in expected {
        let name = expected["name"].as_str().unwrap_or_default();
        let Some(task) = found.get(name) else { continue };
        let what = format!("task {name}");
        problems.expect(
            &format!("{what}: coroutine"),
            expected["coroutine"].as_str(),
            task.coroutine.as_deref(),
        );
        let state = match (expected["running"] == true, expected["waiting"] == true) {
            (true, _) => TaskState::Running,
            (false, true) => TaskState::Waiting,
            (false, false) => TaskState::Ready,
        };
        problems.expect(&format!("{what}: state"), Some(&state), task.state.as_ref());
        if state == TaskState::Running {
            let thread = report
                .threads
                .iter()
                .find(|thread| thread.task.as_deref() == Some(name));
            problems.expect(&format!("{what}: thread"), thread.map(|thread| thread.tid), task.tid);
            problems.expect(
                &format!("{what}: its thread"),
                true,
                thread.is_some_and(|thread| thread.crashed),
            );
        }
        let entries = expected["frames"].as_array().into_iter().flatten();
        let entries: Vec<String> = entries
            .map(|entry| format!("{} {}:{}", entry[0], entry[1], entry[2]))
            .collect();
        let frames = task.frames.iter().map(exception::place).collect();
        problems.expect(&format!("{what}: frames"), entries, frames);
    }
    check_task_value(expected, &found, problems);
    let awaiting = |name: &str| found.get(name).map(|task| task.awaiting.clone());
    let outcome = |name: &str| found.get(name).and_then(|task| task.outcome.as_deref());
    problems.expect("fails", Some("raised ValueError('connection lost')"), outcome("fails"));
    problems.expect("is answered", Some("returned [1, 'two']"), outcome("is answered"));
    problems.expect("is not done", None, outcome("waits"));
    problems.expect("waits", Some(vec!["task fetch-0".to_string()]), awaiting("waits"));
    let gathered = ["task fetch-0", "task fetch-1"].map(str::to_string).to_vec();
    problems.expect("gathers", Some(gathered), awaiting("gathers"));
    problems.expect(
        "in Python",
        Some(vec!["task fetch-1".to_string()]),
        awaiting("in Python"),
    );
}

/// The variable of the task `waits` that holds the task `fetch-0`.
fn check_task_value(expected: &[Value], found: &BTreeMap<&str, &Task>, problems: &mut Problems) {
    let frames = found.get("waits").into_iter().flat_map(|task| &task.frames);
    let locals = frames.flat_map(|frame| match frame {
        Frame::Python(frame) => frame.locals.as_slice(),
        _ => &[],
    });
    let expected = expected.iter().find(|task| task["name"] == "fetch-0");
    match (locals.into_iter().find(|local| local.name == "task"), expected) {
        (Some(local), Some(expected)) => {
            let repr = expected["repr"].as_str().unwrap_or_default();
            super::values::compare("task of waits", repr, local, false, problems);
            let text = local.value.as_deref().unwrap_or_default();
            problems.expect(
                "it has its name",
                true,
                text.contains("name='fetch-0' coro=<fetch() running at "),
            );
        }
        (local, _) => problems.push(format!("the variable of the task waits: {local:?}")),
    }
}
