//! Which thread states run on which thread of the process.
//!
//! With one interpreter a thread has one state, and the state says which thread it is of. A subinterpreter has states of
//! its own: a thread that runs one has two states or more, one inside the other. Which thread such a state says it is of
//! is not reliable: up to 3.11 it is the thread that made the interpreter, whichever runs it (`new_threadstate` in
//! Python/pystate.c). What is reliable is where the records of its runs lie: on the stack of the thread that runs it.
//! Up to 3.9 there are no records; there each run of the eval loop has the address of its frame object on its stack, and
//! that tells which state runs inside which.

use std::collections::{HashMap, HashSet};

use super::Walk;
use crate::addr::{Addr, AddrRange};
use crate::python::{Interpreter, PythonThread};
use crate::source::MemoryExt;
use crate::source::streams::{NativeStep, PythonStep};

/// Of so many innermost frames of a state it is looked where they run.
const MATCHED_FRAMES: usize = 16;
/// How many bytes of one native frame are searched at most.
const SEARCHED: u64 = 16 << 10;

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
    /// The same with those that are hidden.
    runs: usize,
    /// The innermost frame objects, of all.
    objects: Vec<Addr>,
}

impl Candidate<'_> {
    fn is_busy(&self) -> bool {
        self.frames > 0
    }
}

/// The stack of a native frame and of what it calls, which saves its registers.
pub fn stack_of(stack: &[NativeStep], index: usize) -> AddrRange {
    let Some(own) = stack.get(index) else {
        return AddrRange::default();
    };
    let callee = index.checked_sub(1).and_then(|index| stack.get(index));
    let starts = callee.map(|callee| callee.sp).into_iter().chain([own.sp]);
    let mut ranges = starts.map(|start| AddrRange { start, end: own.cfa });
    ranges
        .find(|range| !range.is_empty() && range.len() <= SEARCHED)
        .unwrap_or_default()
}

impl<'a> Walk<'a, '_> {
    /// The states of each thread, the innermost first. `evals` gives the stack of each frame of the eval loop on a
    /// thread's native stack, innermost first; it is asked only where nothing else tells.
    pub fn thread_states(
        &self,
        max: usize,
        mut evals: impl FnMut(u32) -> Vec<AddrRange>,
    ) -> HashMap<u32, Vec<State<'a>>> {
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
        for (tid, mut inside) in self.assign(candidates, &mut evals) {
            // Inner records lie lower. Without records the rule is that an interpreter was started from one that is
            // older, which most programs follow and none has to.
            inside.sort_by_key(|candidate| {
                let id = candidate.state.0.id;
                (!candidate.is_busy(), candidate.anchor, std::cmp::Reverse(id))
            });
            let mut busy = inside.iter().filter(|candidate| candidate.is_busy());
            if busy.clone().count() > 1 && busy.all(|candidate| candidate.anchor.is_none()) {
                inside = self.nested(tid, inside, &evals(tid));
            }
            threads.insert(tid, inside.into_iter().map(|candidate| candidate.state).collect());
        }
        threads
    }

    /// States of one thread that have no records, put in the order in which the runs of the eval loop have their frames;
    /// where those do not tell, in the order given.
    fn nested(&self, tid: u32, mut rest: Vec<Candidate<'a>>, evals: &[AddrRange]) -> Vec<Candidate<'a>> {
        let runs: usize = rest.iter().map(|candidate| candidate.runs).sum();
        // The innermost run may have begun no frame, or have ended it.
        let mut from = evals.len().saturating_sub(runs).min(1);
        let mut is_sure = true;
        let mut order = Vec::with_capacity(rest.len());
        while rest.iter().filter(|candidate| candidate.is_busy()).count() > 1 {
            let evals = evals.get(from..).unwrap_or_default();
            let agreement = |candidate: &Candidate<'_>| {
                let pairs = candidate.objects.iter().zip(evals);
                let found = pairs.filter(|(object, stack)| self.holds(**stack, **object)).count();
                // In parts of a thousand: one state has one frame, another many.
                found * 1000 / candidate.objects.len().max(1)
            };
            let found: Vec<usize> = rest.iter().map(agreement).collect();
            let best = found.iter().copied().max().unwrap_or_default();
            let mut equal = found.iter().filter(|other| **other == best);
            let is_told = best >= 500 && equal.next().is_some() && equal.next().is_none();
            is_sure &= is_told;
            let index = found.iter().position(|other| is_told && *other == best);
            let innermost = rest.remove(index.unwrap_or_default());
            from += innermost.runs;
            order.push(innermost);
        }
        if !is_sure {
            self.notes.push(
                "python",
                format!("which interpreter runs inside which on thread {tid} cannot be told"),
                "the frames of the younger one are shown as the inner ones; it may be the other way round",
                "",
            );
        }
        order.append(&mut rest);
        order
    }

    /// Whether a word of this memory is that address.
    fn holds(&self, range: AddrRange, word: Addr) -> bool {
        let bytes = self.target.memory().read_vec(range.start, range.len() as usize);
        let bytes = bytes.unwrap_or_default();
        bytes
            .as_chunks::<8>()
            .0
            .iter()
            .any(|bytes| *bytes == word.0.to_le_bytes())
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
            runs: steps.len(),
            objects: steps.iter().take(MATCHED_FRAMES).map(|step| step.frame).collect(),
        }
    }

    fn assign(
        &self,
        candidates: Vec<Candidate<'a>>,
        evals: &mut impl FnMut(u32) -> Vec<AddrRange>,
    ) -> HashMap<u32, Vec<Candidate<'a>>> {
        let mut threads: HashMap<u32, Vec<Candidate<'a>>> = HashMap::new();
        let mut unsure = Vec::new();
        let mut claimed = HashSet::new();
        let mut contested = HashSet::new();
        for candidate in candidates.iter().filter(|candidate| candidate.is_busy()) {
            if let Some(tid) = candidate.claim
                && !claimed.insert(tid)
            {
                contested.insert(tid);
            }
        }
        for candidate in candidates {
            let by_record = candidate.anchor.and_then(|anchor| self.thread_of_stack(anchor));
            let is_contested = candidate.claim.is_none_or(|tid| contested.contains(&tid));
            match by_record.or(candidate.claim.filter(|_| !is_contested || !candidate.is_busy())) {
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
        for candidate in unsure.into_iter().filter(|candidate| candidate.is_busy()) {
            let mut has_room = |tid: u32| {
                let taken: usize = threads.get(&tid).into_iter().flatten().map(|other| other.frames).sum();
                evals(tid).len() >= taken + candidate.frames
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
