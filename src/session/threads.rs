//! Every thread of the process: native stack, Python stack, and what they make together.

use std::collections::HashMap;

use super::budget::FrameBudget;
use super::exceptions::ThreadExceptions;
use super::fault::first_fault;
use super::frames::FrameBuilder;
use super::instruction::{all_registers, faulting_instruction};
use super::interpreters::{State, stack_of};
use super::sources::SourceText;
use super::state::thread_state;
use super::{ThreadStack, Walk};
use crate::addr::{Addr, AddrRange};
use crate::python::{Interpreter, Limits, ThreadObject, WorkKind};
use crate::report::model;
use crate::source::streams::{NativeStep, PythonStep};
use crate::source::variables::RecordedVariables;
use crate::source::{Crash, Registers, Thread};
use crate::unwind::{self, Unwinder};

/// What the walk over all threads found.
pub struct Found {
    /// The threads, the crashed one first.
    pub threads: Vec<model::Thread>,
    /// Their frames as found.
    pub stacks: Vec<ThreadStack>,
    /// The crash, as the outermost signal frame has it.
    pub crash: Option<Crash>,
    /// The registers at that.
    pub registers: Option<Registers>,
    /// The instruction that faulted.
    pub instruction: Option<model::Instruction>,
    /// The variables of native frames.
    pub variables: Vec<RecordedVariables>,
    /// The asyncio tasks.
    pub tasks: Vec<model::Task>,
    /// The kernel's thread ids by thread state.
    pub state_tids: HashMap<Addr, u32>,
}

/// What all threads of an interpreter share.
struct InterpreterFacts {
    /// `threading.Thread` by `threading.get_ident()`.
    threads: HashMap<u64, ThreadObject>,
    /// Where its GIL lies.
    gil: Option<AddrRange>,
}

/// As many frames are looked at to tell which thread runs an interpreter.
const COUNTED_FRAMES: usize = 20_000;
/// Of so many Python frames of the crashed thread the bytecode is kept.
const BYTECODE_FRAMES: usize = 3;
/// How many objects the values of all exceptions together may cost.
const EXCEPTION_OBJECTS: u32 = 5_000;
/// How many objects the values that all workers were given together may cost.
const WORK_OBJECTS: u32 = 2_000;

impl Walk<'_, '_> {
    /// The threads, the crashed one first; their frames as found; and the crash, as the outermost
    /// signal frame has it.
    pub fn threads(&self, sources: &mut SourceText<'_>) -> Found {
        let mut crash = self.target.crash().cloned();
        let mut fault_registers = None;
        let mut instruction = None;
        let mut variables = Vec::new();
        let mut unwinder = Unwinder::new(self.target.memory(), self.target.modules());
        let mut builder = FrameBuilder::new(self, sources);
        let by_tid = self.thread_states(COUNTED_FRAMES, |tid| {
            let stack = self.native_stack(tid, &mut unwinder);
            let evals = (0..stack.len()).filter(|&index| builder.is_eval(&stack[index]));
            evals.map(|index| stack_of(&stack, index)).collect()
        });
        let state_tids: HashMap<Addr, u32> = by_tid
            .iter()
            .flat_map(|(tid, states)| states.iter().map(|(_, state)| (state.address, *tid)))
            .collect();
        let facts = self.interpreter_facts();
        let mut threads: Vec<model::Thread> = Vec::new();
        let mut stacks = Vec::new();
        let crashed_tid = crash.as_ref().map(|crash| crash.tid);
        let is_crashed = |thread: &&Thread| Some(thread.tid) == crashed_tid;
        let all = self.target.threads();
        let mut budget = FrameBudget::new(all.len());
        let mut limits = self.options.limits.clone();
        limits.budget = EXCEPTION_OBJECTS;
        let mut exception_limits = (!self.options.no_locals).then_some(limits);
        let mut limits = self.options.limits.clone();
        limits.budget = WORK_OBJECTS;
        let mut work_limits = (!self.options.no_locals).then_some(limits);
        // The budget for values is spent in this order.
        for thread in all
            .iter()
            .filter(is_crashed)
            .chain(all.iter().filter(|thread| !is_crashed(thread)))
        {
            let states = by_tid.get(&thread.tid).map(Vec::as_slice).unwrap_or_default();
            let python_thread = states.first();
            let state = python_thread.map(|&(_, state)| state);
            let is_crashed = Some(thread.tid) == crashed_tid;
            // Of a process that has not crashed, that is the main one.
            let is_first = threads.is_empty();
            let mut stack = self.stack(thread, states, &mut unwinder, budget.allowed(is_first));
            let is_cut = budget.take(&stack, is_first);
            let mut signal_frames = 0;
            let mut registers = thread.registers;
            if is_crashed
                && let Some(last) = &crash
                && let Some(first) = first_fault(self.target, last, &stack.native)
            {
                signal_frames = first.index + 1;
                crash = Some(first.crash);
                registers = Some(Registers {
                    fs_base: registers.and_then(|own| own.fs_base),
                    ..first.registers
                });
            }
            if is_crashed && let (Some(crash), Some(registers)) = (&crash, &registers) {
                instruction = faulting_instruction(self.target.memory(), crash, registers);
                fault_registers = Some(*registers);
            }
            if is_crashed {
                variables = self.native_variables(&mut builder, thread, &stack, signal_frames, &mut unwinder);
                builder.bytecode_left = BYTECODE_FRAMES;
                builder.native_locals = self.native_locals(&variables);
            }
            if self.options.no_native {
                stack.native.clear();
            }
            let (frames, is_partial) = builder.frames(&stack, signal_frames);
            builder.bytecode_left = 0;
            let exceptions = match (self.python, state) {
                (Some(python), Some(state)) => {
                    builder.exceptions(python, state, &stack.python, exception_limits.as_mut())
                }
                _ => ThreadExceptions::default(),
            };
            let (mut python_name, mut daemon) = builder.thread_name(&stack.python);
            // Which of its interpreters imported `threading` does not matter.
            let known = |state: &State<'_>| facts.get(&state.0.address)?.threads.get(&state.1.thread_id);
            if let Some(object) = states.iter().rev().find_map(known) {
                python_name = object.name.clone().or(python_name);
                daemon = object.daemon.or(daemon);
            }
            let gil = python_thread.and_then(|(interpreter, _)| facts.get(&interpreter.address)?.gil);
            // Another process may end a thread that waits.
            let is_ended = |crash: &Crash| {
                let own = self.target.context().process.pid.cast_signed();
                crash.code <= 0 && crash.sender.is_some_and(|(pid, _)| pid != own)
            };
            let has_failed = is_crashed && !crash.as_ref().is_some_and(is_ended);
            let stopped = Thread {
                registers,
                ..thread.clone()
            };
            threads.push(model::Thread {
                tid: thread.tid,
                name: thread.name.clone(),
                python_name: python_name.or_else(|| self.main_thread_name(thread, python_thread.is_some())),
                crashed: is_crashed,
                daemon,
                holds_gil: python_thread.and_then(|&(interpreter, state)| {
                    let gil = interpreter.gil?;
                    Some(gil.locked && gil.last_holder == state.address)
                }),
                state: match has_failed {
                    true => None,
                    false => thread_state(self.target, &stopped, gil, &frames),
                },
                waits_for: match has_failed {
                    true => None,
                    false => {
                        let interpreter = python_thread.map(|&(interpreter, _)| interpreter);
                        self.lock_wait(&stopped, interpreter, &frames)
                    }
                },
                recursion: python_thread.and_then(|&(interpreter, state)| {
                    let recursion = self.python?.recursion(interpreter, state)?;
                    Some(model::Recursion {
                        depth: recursion.depth,
                        limit: recursion.limit,
                    })
                }),
                interpreter: python_thread.map(|(interpreter, _)| interpreter.id),
                work: self.work(&stack.python, work_limits.as_mut()),
                frames,
                exception: exceptions.exception,
                handling: exceptions.handling,
                registers: registers
                    .filter(|_| is_crashed)
                    .as_ref()
                    .map(all_registers)
                    .unwrap_or_default(),
                truncated: is_partial || is_cut,
                ..model::Thread::default()
            });
            stacks.push(stack);
        }
        budget.note(self.notes);
        self.note_omitted_locals(&stacks);
        let tasks = builder.tasks(&mut threads, &state_tids);
        Found {
            threads,
            stacks,
            crash,
            registers: fault_registers,
            instruction,
            variables,
            tasks,
            state_tids,
        }
    }

    /// What a thread with these frames works for.
    fn work(&self, steps: &[PythonStep], limits: Option<&mut Limits>) -> Option<model::Work> {
        let work = self.python?.work(steps, limits)?;
        Some(model::Work {
            kind: match work.kind {
                WorkKind::ExecutorThread => model::WorkKind::ExecutorThread,
                WorkKind::ExecutorProcess => model::WorkKind::ExecutorProcess,
                WorkKind::Pool => model::WorkKind::Pool,
                WorkKind::Process => model::WorkKind::Process,
            },
            process: work.process,
            start_method: work.start_method.map(str::to_string),
            item: work.item.map(|item| model::WorkItem {
                function: item.function,
                arguments: item.arguments,
                is_batch: item.is_batch,
            }),
        })
    }

    /// What is looked up once for all threads of an interpreter, by its address.
    fn interpreter_facts(&self) -> HashMap<Addr, InterpreterFacts> {
        let Some(python) = self.python else {
            return HashMap::new();
        };
        let facts = |interpreter: &Interpreter| InterpreterFacts {
            threads: python.thread_objects(interpreter),
            gil: interpreter.gil.and_then(|_| python.gil_range(interpreter)),
        };
        let interpreters = self.interpreters.iter();
        interpreters
            .map(|interpreter| (interpreter.address, facts(interpreter)))
            .collect()
    }

    fn native_stack(&self, tid: u32, unwinder: &mut Unwinder<'_>) -> Vec<NativeStep> {
        let limits = unwind::Limits {
            frames: COUNTED_FRAMES,
            ..unwind::Limits::default()
        };
        let registers = self.target.threads().iter().find(|thread| thread.tid == tid);
        let registers = registers.and_then(|thread| thread.registers.as_ref());
        registers.map_or_else(Vec::new, |registers| unwinder.unwind(registers, self.notes, &limits))
    }

    fn stack(&self, thread: &Thread, states: &[State<'_>], unwinder: &mut Unwinder<'_>, max: usize) -> ThreadStack {
        let limits = unwind::Limits {
            frames: max,
            ..unwind::Limits::default()
        };
        if let Some(recorded) = self
            .target
            .recorded()
            .stacks
            .iter()
            .find(|stack| stack.tid == thread.tid)
        {
            return ThreadStack {
                tid: thread.tid,
                native: recorded.native.clone(),
                python: recorded.python.clone(),
            };
        }
        ThreadStack {
            tid: thread.tid,
            native: match &thread.registers {
                Some(registers) if self.needs_native(thread) => unwinder.unwind(registers, self.notes, &limits),
                _ => Vec::new(),
            },
            python: self.python_stack(states, max),
        }
    }

    fn python_stack(&self, states: &[State<'_>], max: usize) -> Vec<PythonStep> {
        let mut steps = Vec::new();
        for &(interpreter, state) in states {
            let frames = self.python.map(|python| python.frames(state, max - steps.len()));
            steps.extend(frames.into_iter().flatten().map(|step| PythonStep {
                interpreter: interpreter.id,
                ..step
            }));
        }
        steps
    }

    /// A signal that was sent may be one that a handler raised again: only the stack knows what came first.
    fn needs_native(&self, thread: &Thread) -> bool {
        let is_sent = |crash: &Crash| crash.tid == thread.tid && crash.code <= 0;
        !self.options.no_native || self.target.crash().is_some_and(is_sent)
    }

    fn main_thread_name(&self, thread: &Thread, has_state: bool) -> Option<String> {
        (has_state && thread.tid == self.target.context().process.pid).then(|| "MainThread".to_string())
    }

    fn note_omitted_locals(&self, stacks: &[ThreadStack]) {
        let omitted = |stack: &ThreadStack| {
            let is_omitted = |step: &&PythonStep| !step.has_locals && !step.is_hidden;
            stack.python.iter().filter(is_omitted).count()
        };
        let deep: Vec<(&ThreadStack, usize)> = stacks
            .iter()
            .map(|stack| (stack, omitted(stack)))
            .filter(|(_, omitted)| *omitted > 0)
            .collect();
        let what = match deep.as_slice() {
            [] => return,
            [(stack, _)] => format!("thread {} has {} Python frames", stack.tid, stack.python.len()),
            [(stack, _), ..] => format!(
                "{} threads, the first {}, have many Python frames",
                deep.len(),
                stack.tid
            ),
        };
        let omitted: usize = deep.iter().map(|(_, omitted)| omitted).sum();
        self.notes.push(
            "python",
            what,
            format!("the locals of {omitted} of them, in the middle, are left out"),
            "",
        );
    }
}
