//! The asyncio tasks of a process.

use std::collections::HashMap;

use super::frames::FrameBuilder;
use crate::addr::Addr;
use crate::python::{Interpreter, PythonThread, Runner, Task};
use crate::report::model::{self, Frame, TaskState};
use crate::source::streams::PythonStep;

/// How many tasks are shown with the variables of their frames.
const WITH_LOCALS: usize = 50;
/// How many objects the values of all of them together may cost.
const OBJECTS: u32 = 3_000;
/// The most frames of all tasks together.
const MAX_FRAMES: usize = 20_000;

impl FrameBuilder<'_, '_, '_, '_> {
    /// The tasks that are not done; `threads` learn which of them they run.
    pub fn tasks(&mut self, threads: &mut [model::Thread], state_tids: &HashMap<Addr, u32>) -> Vec<model::Task> {
        let Some(python) = self.walk.python else {
            return Vec::new();
        };
        self.limits = self.walk.options.limits.clone();
        self.limits.budget = OBJECTS;
        let mut tasks = Vec::new();
        let mut frames_left = MAX_FRAMES;
        for interpreter in self.walk.interpreters {
            let runners = Runners::new(interpreter, state_tids);
            let (found, is_cut) = python.tasks(interpreter);
            if is_cut {
                self.walk.notes.push(
                    "python",
                    format!(
                        "interpreter {} has more than {} asyncio tasks",
                        interpreter.id,
                        found.len()
                    ),
                    "the others are left out",
                    "",
                );
            }
            for task in found {
                let tid = task.running.and_then(|runner| runners.tid(runner));
                let runner = threads.iter_mut().find(|thread| tid == Some(thread.tid));
                if let Some(thread) = runner {
                    thread.task = task.name.clone();
                }
                let count = task.steps.len().min(frames_left);
                frames_left -= count;
                let has_locals = tasks.len() < WITH_LOCALS;
                tasks.push(self.model_task(task, tid, interpreter, count, has_locals));
            }
        }
        tasks
    }

    fn model_task(
        &mut self,
        task: Task,
        tid: Option<u32>,
        interpreter: &Interpreter,
        frames: usize,
        has_locals: bool,
    ) -> model::Task {
        let steps = task.steps.iter().take(frames);
        let frames = steps.map(|step| {
            let step = PythonStep { has_locals, ..*step };
            Frame::Python(self.python_frame(&step, None))
        });
        model::Task {
            frames: frames.collect(),
            name: task.name,
            coroutine: task.coroutine,
            state: Some(match (task.running, task.is_waiting) {
                (Some(_), _) => TaskState::Running,
                (None, true) => TaskState::Waiting,
                (None, false) => TaskState::Ready,
            }),
            tid,
            event_loop: (!task.event_loop.is_null()).then(|| task.event_loop.into()),
            interpreter: Some(interpreter.id),
            awaiting: task.awaiting,
            outcome: task.outcome,
        }
    }
}

/// The threads of an interpreter, by how tasks name them.
struct Runners {
    by_ident: HashMap<u64, u32>,
    by_state: HashMap<Addr, u32>,
}

impl Runners {
    fn new(interpreter: &Interpreter, state_tids: &HashMap<Addr, u32>) -> Runners {
        let known: Vec<(&PythonThread, u32)> = interpreter
            .threads
            .iter()
            .filter_map(|state| Some((state, *state_tids.get(&state.address)?)))
            .collect();
        Runners {
            by_ident: known.iter().map(|(state, tid)| (state.thread_id, *tid)).collect(),
            by_state: known.iter().map(|(state, tid)| (state.address, *tid)).collect(),
        }
    }

    fn tid(&self, runner: Runner) -> Option<u32> {
        match runner {
            Runner::Ident(ident) => self.by_ident.get(&ident).copied(),
            Runner::State(state) => self.by_state.get(&state).copied(),
        }
    }
}
