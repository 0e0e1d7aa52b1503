//! Workers of pools, executors and `multiprocessing`: what kind they are, and which call they were given.

use super::{Code, Limits, Python};
use crate::addr::Addr;
use crate::source::streams::PythonStep;

/// How many frames, from the outermost, are looked at: what runs a worker is at its beginning.
const MAX_FRAMES: usize = 200;
/// The most arguments that are printed.
const MAX_ARGUMENTS: u64 = 20;

/// What a thread works for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// What runs it.
    pub kind: WorkKind,
    /// The name of its `multiprocessing.Process`, where it is the main thread of one.
    pub process: Option<String>,
    /// How that process was made: `fork`, `spawn` or `forkserver`.
    pub start_method: Option<&'static str>,
    /// What it was given to run; `None` where it waits for work.
    pub item: Option<WorkItem>,
}

/// What runs a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkKind {
    /// A thread of `concurrent.futures.ThreadPoolExecutor` or of a class derived from it.
    ExecutorThread,
    /// A process of `concurrent.futures.ProcessPoolExecutor`.
    ExecutorProcess,
    /// A process of `multiprocessing.Pool`, or a thread of `multiprocessing.pool.ThreadPool`.
    Pool,
    /// A `multiprocessing.Process`.
    Process,
}

/// A call that a worker was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkItem {
    /// The name of a function, else the `repr` of what is called.
    pub function: String,
    /// The `repr` of each argument, those by keyword after `name=`. Empty where values are not looked at.
    pub arguments: Vec<String>,
    /// The one argument is a batch: the function is called for each of its items.
    pub is_batch: bool,
}

/// A function of the standard library that runs what a worker is given.
struct Rule {
    /// The end of the path of its file.
    file: &'static str,
    function: &'static str,
    kind: WorkKind,
    calls: &'static [Call],
}

/// Where such a function keeps function, arguments and keyword arguments.
enum Call {
    /// In three variables.
    Variables([&'static str; 3]),
    /// In three attributes of a variable.
    Attributes(&'static str, [&'static str; 3]),
    /// In a tuple that is an attribute of a variable.
    Tuple(&'static str, &'static str),
}

const RULES: &[Rule] = &[
    Rule {
        file: "concurrent/futures/thread.py",
        function: "_worker",
        kind: WorkKind::ExecutorThread,
        // One of these by version: a tuple since 3.14.
        calls: &[
            Call::Attributes("work_item", ["fn", "args", "kwargs"]),
            Call::Tuple("work_item", "task"),
        ],
    },
    Rule {
        file: "concurrent/futures/process.py",
        function: "_process_worker",
        kind: WorkKind::ExecutorProcess,
        calls: &[Call::Attributes("call_item", ["fn", "args", "kwargs"])],
    },
    Rule {
        file: "multiprocessing/pool.py",
        function: "worker",
        kind: WorkKind::Pool,
        calls: &[Call::Variables(["func", "args", "kwds"])],
    },
    Rule {
        file: "multiprocessing/process.py",
        function: "_bootstrap",
        kind: WorkKind::Process,
        calls: &[Call::Attributes("self", ["_target", "_args", "_kwargs"])],
    },
];

/// What starts processes: the end of a file's path, a function in it, and how it is called.
const START_METHODS: &[(&str, &str, &str)] = &[
    ("multiprocessing/spawn.py", "spawn_main", "spawn"),
    ("multiprocessing/forkserver.py", "_serve_one", "forkserver"),
    ("multiprocessing/popen_fork.py", "_launch", "fork"),
];

/// Functions that call another one, their first argument, for each item of a batch: module and name.
const BATCHES: &[(&str, &str)] = &[
    ("multiprocessing.pool", "mapstar"),
    ("multiprocessing.pool", "starmapstar"),
    ("concurrent.futures.process", "_process_chunk"),
];

impl Python<'_> {
    /// What a thread with these frames, innermost first, works for. Without `limits` no value is looked at.
    pub fn work(&self, steps: &[PythonStep], mut limits: Option<&mut Limits>) -> Option<Work> {
        let mut work: Option<Work> = None;
        let mut start_method = None;
        // Outermost first: the last rule that fits is of the innermost.
        for step in steps.iter().rev().take(MAX_FRAMES).filter(|step| !step.is_hidden) {
            let Some(code) = self.code(step.code) else { continue };
            let is_in = |file: &str, function: &str| {
                code.name == function && code.filename.strip_suffix(file).is_some_and(|rest| rest.ends_with('/'))
            };
            if let Some(method) = START_METHODS.iter().find(|(file, function, _)| is_in(file, function)) {
                start_method = Some(method.2);
            }
            let Some(rule) = RULES.iter().find(|rule| is_in(rule.file, rule.function)) else {
                continue;
            };
            let is_process = rule.kind == WorkKind::Process;
            let process = if is_process {
                self.process_name(step, &code)
            } else {
                work.and_then(|work| work.process)
            };
            let call = rule.calls.iter().find_map(|call| self.call(call, step, &code));
            work = Some(Work {
                kind: rule.kind,
                process,
                start_method,
                item: call.and_then(|call| self.work_item(call, limits.as_deref_mut())),
            });
        }
        work
    }

    fn process_name(&self, step: &PythonStep, code: &Code) -> Option<String> {
        let process = self.local_object(step, code, "self")?;
        let info = self.type_of(process)?;
        self.name_string(self.attribute(process, &info, "_name")?)
    }

    /// Function, arguments and keyword arguments; `None` where there is no call.
    fn call(&self, call: &Call, step: &PythonStep, code: &Code) -> Option<[Addr; 3]> {
        let local = |name: &str| self.local_object(step, code, name);
        let found = match *call {
            Call::Variables([function, arguments, keywords]) => [local(function)?, local(arguments)?, local(keywords)?],
            Call::Attributes(variable, names) => {
                let object = local(variable)?;
                let info = self.type_of(object)?;
                let [function, arguments, keywords] = names.map(|name| self.attribute(object, &info, name));
                [function?, arguments?, keywords?]
            }
            Call::Tuple(variable, name) => {
                let object = local(variable)?;
                let info = self.type_of(object)?;
                let tuple = self.attribute(object, &info, name)?;
                self.sequence(tuple)?.try_into().ok()?
            }
        };
        (!self.is_none(found[0])).then_some(found)
    }

    fn work_item(&self, [function, arguments, keywords]: [Addr; 3], limits: Option<&mut Limits>) -> Option<WorkItem> {
        let mut arguments = self.sequence(arguments)?;
        let batch = self.batch(function, &arguments);
        let is_batch = batch.is_some();
        let function = batch.map_or(function, |(function, items)| {
            arguments = vec![items];
            function
        });
        let Some(limits) = limits else {
            return Some(WorkItem {
                function: self.function_or_method_name(function)?,
                arguments: Vec::new(),
                is_batch,
            });
        };
        let mut texts: Vec<String> = arguments.iter().map(|&object| self.repr(object, limits)).collect();
        for (name, value) in self.dict_items(keywords, MAX_ARGUMENTS).unwrap_or_default() {
            let name = self.name_string(name).unwrap_or_else(|| "?".to_string());
            texts.push(format!("{name}={}", self.repr(value, limits)));
        }
        Some(WorkItem {
            function: self.callable_name(function)?,
            arguments: texts,
            is_batch,
        })
    }

    /// The function that is called for each item of a batch, and the batch.
    fn batch(&self, function: Addr, arguments: &[Addr]) -> Option<(Addr, Addr)> {
        let is_batch = |function: Addr| {
            let module = self.read_or_null(self.layout.offsets.function.module.of(function));
            let is_function = self.type_of(function).is_some_and(|info| info.is_builtin("function"));
            let known = is_function.then(|| Some((self.name_string(module)?, self.function_name(function)?)));
            let known = known.flatten();
            known.is_some_and(|(module, name)| BATCHES.contains(&(module.as_str(), name.as_str())))
        };
        let info = self.type_of(function)?;
        if let Some(inner) = self.attribute(function, &info, "func") {
            // functools.partial, by which the executor gives the function.
            let bound = self.sequence(self.attribute(function, &info, "args")?)?;
            return is_batch(inner).then_some((*bound.first()?, *arguments.first()?));
        }
        if !is_batch(function) {
            return None;
        }
        let pair = self.sequence(*arguments.first()?)?;
        Some((*pair.first()?, *pair.get(1)?))
    }

    /// The first items of a tuple or, as executors of 3.8 keep them, of a list; `None` of any other object.
    fn sequence(&self, object: Addr) -> Option<Vec<Addr>> {
        let is_tuple = self.type_of(object)?.is_builtin("tuple");
        match is_tuple {
            true => self.tuple_items(object, MAX_ARGUMENTS),
            false => self.list_items(object, MAX_ARGUMENTS),
        }
    }
}
