//! asyncio: tasks, their coroutines and what they wait for.

use std::collections::{HashMap, HashSet};

use super::object::TypeInfo;
use super::{Interpreter, Limits, Python};
use crate::addr::Addr;
use crate::layout::Offset;
use crate::source::MemoryExt;
use crate::source::streams::PythonStep;

/// The most tasks of one interpreter that are looked at.
const MAX_TASKS: usize = 1_000;
/// The most entries of a list or set of tasks that are followed.
const MAX_ENTRIES: usize = 5_000;
/// How many attributes of a task, future or loop are looked through.
const MAX_ATTRIBUTES: u64 = 60;
/// The most children of one `gather` that are named.
const MAX_CHILDREN: u64 = 50;
/// How many objects the result of a future may cost.
const OUTCOME_OBJECTS: u32 = 20;

/// A task that is not done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Task {
    /// Its address.
    pub address: Addr,
    /// Its name.
    pub name: Option<String>,
    /// The qualified name of its coroutine.
    pub coroutine: Option<String>,
    /// The event loop it belongs to.
    pub event_loop: Addr,
    /// The thread that runs it now, as `threading.get_ident()` or the address of the thread state.
    pub running: Option<Runner>,
    /// Whether it waits for a future; else the loop is about to run it.
    pub is_waiting: bool,
    /// What it waits for, each in a few words: names of tasks, or a future.
    pub awaiting: Vec<String>,
    /// What came of the future that it waits for, where that is done: the task goes on next.
    pub outcome: Option<String>,
    /// The frames of its suspended coroutines, innermost first; none while it runs.
    pub steps: Vec<PythonStep>,
}

/// The thread that runs a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// By `threading.get_ident()`.
    Ident(u64),
    /// By its thread state.
    State(Addr),
}

/// The fields of a task or future, in C or in Python.
struct Fields {
    coro: Addr,
    name: Addr,
    event_loop: Addr,
    fut_waiter: Addr,
    is_done: bool,
}

impl Python<'_> {
    /// The tasks of an interpreter that are not done, the oldest last as far as there is an order; and whether there
    /// are more.
    pub fn tasks(&self, interpreter: &Interpreter) -> (Vec<Task>, bool) {
        let mut objects = Vec::new();
        let mut seen = HashSet::new();
        let mut add = |object: Addr| {
            if !object.is_null() && seen.insert(object) {
                objects.push(object);
            }
        };
        let module = self.module_dict(interpreter, "asyncio.tasks");
        self.linked_tasks(interpreter).into_iter().for_each(&mut add);
        if let Some(dict) = module {
            // 3.8 to 3.11; 3.12 and later, where tasks in C left the sets with 3.14.
            for name in ["_all_tasks", "_scheduled_tasks", "_eager_tasks"] {
                let set = self.dict_get(dict, name).unwrap_or_default();
                self.task_set(set).into_iter().for_each(&mut add);
            }
        }
        let running = self.running_tasks(interpreter, module);
        running.keys().copied().for_each(&mut add);
        let mut tasks = Vec::new();
        let mut is_cut = false;
        for object in objects {
            if tasks.len() >= MAX_TASKS {
                is_cut = true;
                break;
            }
            tasks.extend(self.task(object, running.get(&object).copied()));
        }
        // A set has no order of its own: names were given in the order of their making.
        tasks.sort_by_cached_key(|task| (number_in(task.name.as_deref()), task.name.clone(), task.address));
        (tasks, is_cut)
    }

    /// 3.14+: a list for each thread, and one for the tasks of threads that ended.
    fn linked_tasks(&self, interpreter: &Interpreter) -> Vec<Addr> {
        let offsets = &self.layout.offsets;
        let Some(node) = offsets.task.node.bytes() else {
            return Vec::new();
        };
        let heads = interpreter
            .threads
            .iter()
            .map(|thread| offsets.thread_impl.asyncio_tasks_head.of(thread.address))
            .chain([offsets.interpreter.asyncio_tasks_head.of(interpreter.address)]);
        let mut tasks = Vec::new();
        for head in heads {
            // struct llist_node {next, prev}: a circle through its head (Include/internal/pycore_llist.h).
            let nodes = self.chain(self.read_or_null(head), MAX_ENTRIES, |at| at);
            let of_tasks = nodes.into_iter().take_while(|at| *at != head);
            tasks.extend(of_tasks.map(|at| at.sub(node)));
        }
        tasks
    }

    /// The members of a set, or what the weak references of a WeakSet point to.
    fn task_set(&self, set: Addr) -> Vec<Addr> {
        let Some(info) = self.type_of(set) else {
            return Vec::new();
        };
        if info.is_builtin("set") {
            return self.set_items(set, MAX_ENTRIES as u64).unwrap_or_default();
        }
        let data = self.attribute(set, &info, "data").unwrap_or_default();
        let is_set = self.type_of(data).is_some_and(|info| info.is_builtin("set"));
        let references = Some(data).filter(|_| is_set);
        let references = references.and_then(|set| self.set_items(set, MAX_ENTRIES as u64));
        let target = |reference: Addr| self.read_or_null(self.layout.offsets.weak_reference.object.of(reference));
        references.unwrap_or_default().into_iter().map(target).collect()
    }

    /// The task that each thread runs.
    fn running_tasks(&self, interpreter: &Interpreter, module: Option<Addr>) -> HashMap<Addr, Runner> {
        let offsets = &self.layout.offsets.thread_impl;
        let mut running = HashMap::new();
        for thread in &interpreter.threads {
            let task = self.read_or_null(offsets.asyncio_running_task.of(thread.address));
            if !task.is_null() {
                running.insert(task, Runner::State(thread.address));
            }
        }
        let current = module.and_then(|dict| self.dict_get(dict, "_current_tasks"));
        let items = current.and_then(|dict| self.dict_items(dict, MAX_ENTRIES as u64));
        for (event_loop, task) in items.unwrap_or_default() {
            let find = || {
                let info = self.type_of(event_loop)?;
                let ident = self.attribute(event_loop, &info, "_thread_id")?;
                self.int_repr(ident)?.parse().ok()
            };
            if let Some(ident) = find() {
                running.entry(task).or_insert(Runner::Ident(ident));
            }
        }
        running
    }

    fn task(&self, object: Addr, running: Option<Runner>) -> Option<Task> {
        let fields = self.task_fields(object)?;
        // What has no coroutine is no task, whatever the layout says.
        let info = self.type_of(fields.coro)?;
        if fields.is_done || info.is_builtin("NoneType") {
            return None;
        }
        let chain = self.suspended_chain(fields.coro);
        let coroutine = match info.full_name.as_str() {
            "coroutine" | "generator" | "async_generator" => {
                let qualname = self.layout.offsets.generator.qualname.of(fields.coro);
                self.name_string(self.read_or_null(qualname))
            }
            name => Some(name.to_string()),
        };
        let mut steps = if running.is_some() { Vec::new() } else { chain.steps };
        steps.reverse();
        let waits_for = match fields.fut_waiter {
            waiter if self.is_nothing(waiter) => chain.waits_for,
            waiter => waiter,
        };
        Some(Task {
            address: object,
            name: self.task_name(fields.name),
            coroutine,
            event_loop: fields.event_loop,
            running,
            is_waiting: !self.is_nothing(fields.fut_waiter),
            awaiting: if running.is_some() {
                Vec::new()
            } else {
                self.describe(waits_for)
            },
            outcome: running.is_none().then(|| self.outcome_words(waits_for)).flatten(),
            steps,
        })
    }

    /// Since 3.13 a name that nobody asked for is a number still. Nothing else is one (`TaskObj.task_name`,
    /// Modules/_asynciomodule.c); in damaged memory it may be the task itself.
    pub(super) fn task_name(&self, object: Addr) -> Option<String> {
        let info = self.type_of(object)?;
        if info.is_builtin("int") {
            return Some(format!("Task-{}", self.int_repr(object)?));
        }
        self.text_of(object, &Limits::default())
    }

    /// What a task waits for: tasks by their names, the children of a `gather` one by one, else the future.
    fn describe(&self, object: Addr) -> Vec<String> {
        let Some(info) = self.type_of(object).filter(|info| !info.is_builtin("NoneType")) else {
            return Vec::new();
        };
        if let Some(children) = self.attribute(object, &info, "_children") {
            let children = self.list_items(children, MAX_CHILDREN).unwrap_or_default();
            let pending = children
                .into_iter()
                .filter(|child| self.task_fields(*child).is_some_and(|f| !f.is_done));
            return pending.map(|child| self.describe_one(child)).collect();
        }
        vec![self.describe_one(object)]
    }

    /// For example `raised ValueError('x')`.
    fn outcome_words(&self, object: Addr) -> Option<String> {
        if !self.task_fields(object)?.is_done {
            return None;
        }
        let Some((is_exception, object)) = self.outcome(object) else {
            return Some("was cancelled".to_string());
        };
        let word = if is_exception { "raised" } else { "returned" };
        let mut limits = Limits::default();
        limits.budget = OUTCOME_OBJECTS;
        Some(format!("{word} {}", self.repr(object, &mut limits)))
    }

    /// What a future or task is finished with: whether that is an exception, and the object. `None` for one that is not
    /// finished, or was cancelled.
    pub(super) fn outcome(&self, object: Addr) -> Option<(bool, Addr)> {
        let info = self.type_of(object)?;
        let bases = self.base_names(&info);
        // `TaskObj` begins as `FutureObj` does (Modules/_asynciomodule.c, `FutureObj_HEAD`).
        let (exception, result) = if bases.iter().any(|name| name == "_asyncio.Future") || is_task(&bases) {
            let future = &self.layout.offsets.future;
            (
                self.read_or_null(future.exception.of(object)),
                self.read_or_null(future.result.of(object)),
            )
        } else {
            let attribute = |name| self.attribute(object, &info, name).unwrap_or_default();
            (attribute("_exception"), attribute("_result"))
        };
        let is_failed = !self.is_nothing(exception);
        let found = if is_failed { exception } else { result };
        (!found.is_null()).then_some((is_failed, found))
    }

    fn describe_one(&self, object: Addr) -> String {
        let name = self
            .type_of(object)
            .map_or_else(|| "?".to_string(), |info| info.full_name.clone());
        match self.task_fields(object) {
            Some(fields) if !fields.coro.is_null() => {
                let name = self.task_name(fields.name).unwrap_or_else(|| "?".to_string());
                format!("task {name}")
            }
            _ => format!("<{name} at {object}>"),
        }
    }

    /// The fields of a task or future; `None` for other objects. Those of a future have no coroutine.
    fn task_fields(&self, object: Addr) -> Option<Fields> {
        let info = self.type_of(object)?;
        let offsets = &self.layout.offsets;
        let bases = self.base_names(&info);
        let read = |field: Offset| self.read_or_null(field.of(object));
        if is_task(&bases) {
            let is_pending = self.memory.read_i32(offsets.task.state.of(object));
            return Some(Fields {
                coro: read(offsets.task.coro),
                name: read(offsets.task.name),
                event_loop: read(offsets.task.event_loop),
                fut_waiter: read(offsets.task.fut_waiter),
                is_done: is_pending.is_ok_and(|state| state != 0),
            });
        }
        if bases.iter().any(|name| name == "_asyncio.Future") {
            let is_pending = self.memory.read_i32(offsets.future.state.of(object));
            return Some(Fields {
                coro: Addr::NULL,
                name: Addr::NULL,
                event_loop: read(offsets.task.event_loop),
                fut_waiter: Addr::NULL,
                is_done: is_pending.is_ok_and(|state| state != 0),
            });
        }
        let known = ["asyncio.tasks.Task", "asyncio.futures.Future"];
        if !bases.iter().any(|name| known.contains(&name.as_str())) {
            return None;
        }
        let attributes: HashMap<String, Addr> = self.attributes(object, &info, MAX_ATTRIBUTES).into_iter().collect();
        let get = |name: &str| attributes.get(name).copied().unwrap_or_default();
        let state = self.name_string(get("_state"));
        Some(Fields {
            coro: get("_coro"),
            name: get("_name"),
            event_loop: get("_loop"),
            fut_waiter: get("_fut_waiter"),
            // A class attribute until it changes.
            is_done: state.is_some_and(|state| state != "PENDING"),
        })
    }

    /// Null, unreadable or None.
    fn is_nothing(&self, object: Addr) -> bool {
        self.type_of(object).is_none_or(|info| info.is_builtin("NoneType"))
    }

    /// The full names of a type and its bases.
    fn base_names(&self, info: &TypeInfo) -> Vec<String> {
        let mut names = vec![info.full_name.clone()];
        let mut base = self.type_info(info.base);
        while let Some(class) = base.filter(|_| names.len() < 16) {
            names.push(class.full_name.clone());
            base = self.type_info(class.base);
        }
        names
    }
}

fn is_task(bases: &[String]) -> bool {
    bases.iter().any(|name| name == "_asyncio.Task")
}

/// The number at the end of a name: `Task-12`.
fn number_in(name: Option<&str>) -> u64 {
    let name = name.unwrap_or_default();
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    name[name.len() - digits..].parse().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::number_in;

    #[test]
    fn numbers_in_names() {
        assert_eq!(number_in(Some("Task-12")), 12);
        assert_eq!(number_in(Some("reader")), u64::MAX);
        assert_eq!(number_in(None), u64::MAX);
    }
}
