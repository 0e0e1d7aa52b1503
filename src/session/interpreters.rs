//! Which thread states run on which thread of the process.
//!
//! With one interpreter a thread has one state, and the state says which thread it is of. A subinterpreter has states of
//! its own: a thread that runs one has two states or more, one inside the other. Which thread such a state says it is of
//! is not reliable: up to 3.11 it is the thread that made the interpreter, whichever runs it (`new_threadstate` in
//! Python/pystate.c). What is reliable is where the records of its runs lie: on the stack of the thread that runs it.

use std::collections::{HashMap, HashSet};

use super::Walk;
use crate::addr::Addr;
use crate::python::{Interpreter, PythonThread};
use crate::source::streams::PythonStep;

/// A thread state and its interpreter.
pub type State<'a> = (&'a Interpreter, &'a PythonThread);

/// A state that is to be given to a thread.
struct Candidate<'a> {
    state: State<'a>,
    /// The thread it says it is of.
    claim: Option<u32>,
    /// The innermost record of it on the C stack (3.10 and later).
    anchor: Option<Addr>,
    /// How many frames it has: up to 3.9 each is one run of the eval loop.
    frames: usize,
}

impl<'a> Walk<'a, '_> {
    /// The states of each thread, the innermost first. `evals` counts the frames of the eval loop on a thread's
    /// native stack, which is asked only where nothing else tells.
    pub fn thread_states(&self, max: usize, evals: impl FnMut(u32) -> usize) -> HashMap<u32, Vec<State<'a>>> {
        let interpreters = self.interpreters;
        let all = interpreters
            .iter()
            .flat_map(|interpreter| interpreter.threads.iter().map(move |state| (interpreter, state)));
        let claims = self.claims();
        let claim = |state: State<'_>| claims.of(state.1);
        let mut threads: HashMap<u32, Vec<State<'a>>> = HashMap::new();
        if interpreters.len() < 2 {
            for state in all {
                if let Some(tid) = claim(state) {
                    // Of two that say the same, one is of a thread that has ended.
                    threads.entry(tid).or_insert_with(|| vec![state]);
                }
            }
            return threads;
        }
        let candidates: Vec<Candidate<'a>> = all.map(|state| self.candidate(state, claim(state), max)).collect();
        for (tid, mut inside) in self.assign(candidates, evals) {
            // Inner records lie lower; without records, an interpreter was started from one that is older.
            inside.sort_by_key(|candidate| {
                let id = candidate.state.0.id;
                (candidate.frames == 0, candidate.anchor, std::cmp::Reverse(id))
            });
            threads.insert(tid, inside.into_iter().map(|candidate| candidate.state).collect());
        }
        threads
    }

    fn candidate(&self, state: State<'a>, claim: Option<u32>, max: usize) -> Candidate<'a> {
        let steps = self
            .python
            .map(|python| python.frames(state.1, max))
            .unwrap_or_default();
        let shown = |step: &&PythonStep| !step.is_hidden;
        let innermost = steps.iter().find(shown);
        Candidate {
            state,
            claim,
            anchor: innermost.map(|step| step.anchor).filter(|anchor| !anchor.is_null()),
            frames: steps.iter().filter(shown).count(),
        }
    }

    fn assign(
        &self,
        candidates: Vec<Candidate<'a>>,
        mut evals: impl FnMut(u32) -> usize,
    ) -> HashMap<u32, Vec<Candidate<'a>>> {
        let mut threads: HashMap<u32, Vec<Candidate<'a>>> = HashMap::new();
        let mut unsure = Vec::new();
        let busy = |candidate: &Candidate<'_>| candidate.frames > 0;
        let mut claimed = HashSet::new();
        let mut contested = HashSet::new();
        for candidate in candidates.iter().filter(|candidate| busy(candidate)) {
            if let Some(tid) = candidate.claim
                && !claimed.insert(tid)
            {
                contested.insert(tid);
            }
        }
        for candidate in candidates {
            let by_record = candidate.anchor.and_then(|anchor| self.thread_of_stack(anchor));
            let is_contested = candidate.claim.is_none_or(|tid| contested.contains(&tid));
            match by_record.or(candidate.claim.filter(|_| !is_contested || !busy(&candidate))) {
                Some(tid) => threads.entry(tid).or_default().push(candidate),
                // The main interpreter's states are made by the threads they are of.
                None if candidate.state.0.id == 0 && candidate.claim.is_some() => {
                    let tid = candidate.claim.unwrap_or_default();
                    threads.entry(tid).or_default().push(candidate);
                }
                None => unsure.push(candidate),
            }
        }
        // Newest last, so that what runs inside of others comes after them.
        unsure.sort_by_key(|candidate| candidate.state.0.id);
        for candidate in unsure.into_iter().filter(|candidate| busy(candidate)) {
            let mut has_room = |tid: u32| {
                let taken: usize = threads.get(&tid).into_iter().flatten().map(|other| other.frames).sum();
                evals(tid) >= taken + candidate.frames
            };
            let claimed = candidate.claim.filter(|&tid| has_room(tid));
            let mut all = self.target.threads().iter().map(|thread| thread.tid);
            match claimed.or_else(|| all.find(|&tid| has_room(tid))) {
                Some(tid) => threads.entry(tid).or_default().push(candidate),
                None => self.notes.push(
                    "python",
                    format!(
                        "a thread state of interpreter {} has {} frames, and no thread is seen to run them",
                        candidate.state.0.id, candidate.frames
                    ),
                    "they are missing",
                    "",
                ),
            }
        }
        threads
    }

    /// The thread whose stack an address lies on: stacks do not overlap, so it is the one whose stack pointer comes next
    /// below.
    fn thread_of_stack(&self, at: Addr) -> Option<u32> {
        let below = self.target.threads().iter().filter_map(|thread| {
            let sp = thread.registers.as_ref()?.sp();
            (sp <= at).then_some((sp, thread.tid))
        });
        below.max().map(|(_, tid)| tid)
    }

    fn claims(&self) -> Claims {
        let threads = self.target.threads();
        Claims {
            known: threads.iter().map(|thread| thread.tid).collect(),
            by_fs_base: threads
                .iter()
                .filter_map(|thread| Some((thread.registers.as_ref()?.fs_base?, thread.tid)))
                .collect(),
        }
    }
}

/// Which thread a state says it is of. CPython 3.11 and later keep the kernel's thread id; before, `pthread_self()` is
/// the thread's control block, to which `fs_base` points (glibc nptl/descr.h, `tcbhead_t`).
struct Claims {
    known: HashSet<u32>,
    by_fs_base: HashMap<u64, u32>,
}

impl Claims {
    fn of(&self, state: &PythonThread) -> Option<u32> {
        let native = state
            .native_thread_id
            .and_then(|id| u32::try_from(id).ok())
            .filter(|tid| self.known.contains(tid));
        // In a child after fork, the id may still be that of the parent (3.11, gh-95504).
        native.or_else(|| self.by_fs_base.get(&state.thread_id).copied())
    }
}
