//! The chain of frames of one thread.

use std::collections::HashSet;

use super::{Python, PythonThread};
use crate::addr::Addr;
use crate::layout::{Anchors, Bytecode, FrameRoot, Instruction, RunStart};
use crate::source::MemoryExt;
use crate::source::streams::PythonStep;

/// The most records of runs of the eval loop that are followed in one thread.
const MAX_RUNS: usize = 200_000;
/// Of a deep stack, the locals of this many frames at the inner end are read ...
pub const LOCALS_INNERMOST: usize = 150;
/// ... and of this many at the outer end: recursion repeats, and a dump is to stay small.
pub const LOCALS_OUTERMOST: usize = 50;

/// `FRAME_OWNED_BY_GENERATOR` (Include/internal/pycore_frame.h; 1 in all versions).
const OWNED_BY_GENERATOR: u8 = 1;
/// `co_code` units are two bytes.
const CODE_UNIT: i64 = 2;

impl Python<'_> {
    /// The frames of a thread, innermost first and at most `max`, shims and frames that have not begun among
    /// them ([`PythonStep::is_hidden`]). Which interpreter they are of, the caller knows.
    pub fn frames(&self, thread: &PythonThread, max: usize) -> Vec<PythonStep> {
        let mut steps = match self.layout.behaviour.frame_root {
            FrameRoot::FrameObject => self.frame_objects(thread, max),
            FrameRoot::CFrame | FrameRoot::CurrentFrame => self.interpreter_frames(thread, max),
        };
        let shown = steps.iter().filter(|step| !step.is_hidden);
        let middle = shown.count().saturating_sub(LOCALS_INNERMOST + LOCALS_OUTERMOST);
        let shown = steps.iter_mut().filter(|step| !step.is_hidden);
        for step in shown.skip(LOCALS_INNERMOST).take(middle) {
            step.has_locals = false;
        }
        steps
    }

    /// `PyFrameObject`, linked by `f_back` (3.8 to 3.10). One run of the eval loop each.
    fn frame_objects(&self, thread: &PythonThread, max: usize) -> Vec<PythonStep> {
        let offsets = &self.layout.offsets.frame_object;
        let mut anchors = self.cframes(thread).into_iter();
        let head = self.read_or_null(self.layout.offsets.thread.frame.of(thread.address));
        let mut steps = Vec::new();
        for frame in self.frame_chain(head, max, |frame| offsets.f_back.of(frame)) {
            steps.push(PythonStep {
                frame,
                code: self.read_or_null(offsets.f_code.of(frame)),
                lasti: self.lasti_of_frame_object(frame).unwrap_or(-1),
                anchor: anchors.next().map_or(Addr::NULL, |(cframe, _)| cframe),
                interpreter: 0,
                is_entry: true,
                is_generator: !self.read_or_null(offsets.f_gen.of(frame)).is_null(),
                is_hidden: false,
                has_locals: true,
            });
        }
        steps
    }

    /// Byte offset of the current instruction of a `PyFrameObject` (3.8 to 3.10).
    pub(super) fn lasti_of_frame_object(&self, frame: Addr) -> Option<i32> {
        let lasti = self.layout.offsets.frame_object.f_lasti.of(frame);
        let lasti = self.memory.read_i32(lasti).ok()?;
        Some(match self.layout.behaviour.instruction {
            Instruction::UnitOffset if lasti >= 0 => lasti.saturating_mul(2),
            _ => lasti,
        })
    }

    /// `_PyInterpreterFrame`, linked by `previous` (3.11+).
    fn interpreter_frames(&self, thread: &PythonThread, max: usize) -> Vec<PythonStep> {
        let offsets = &self.layout.offsets.frame;
        let cframes = self.cframes(thread);
        let head = match self.layout.behaviour.frame_root {
            FrameRoot::CFrame => cframes.first().map_or(Addr::NULL, |&(_, current)| current),
            _ => self.read_or_null(self.layout.offsets.thread.current_frame.of(thread.address)),
        };
        // With shims, the records of the C stack are the shims themselves, met on the way.
        let mut runs = match self.layout.behaviour.anchors {
            Anchors::CFrames => cframes,
            Anchors::Shims | Anchors::None => Vec::new(),
        }
        .into_iter();
        let mut anchor = runs.next().map_or(Addr::NULL, |(cframe, _)| cframe);
        let mut steps: Vec<PythonStep> = Vec::new();
        let mut run_begins = 0;
        for frame in self.frame_chain(head, max, |frame| offsets.previous.of(frame)) {
            let owner = self.memory.read_u8(offsets.owner.of(frame)).unwrap_or(0);
            let mut step = PythonStep {
                frame,
                code: Addr::NULL,
                lasti: -1,
                anchor,
                interpreter: 0,
                is_entry: false,
                is_generator: owner == OWNED_BY_GENERATOR,
                is_hidden: true,
                has_locals: false,
            };
            if let RunStart::ShimOwner(shim) = self.layout.behaviour.run_start
                && owner >= shim
            {
                // The shim lies on the C stack, in the frame of the run that it starts.
                step.anchor = frame;
                for inner in &mut steps[run_begins..] {
                    inner.anchor = frame;
                }
                if let Some(first) = steps[run_begins..].last_mut() {
                    first.is_entry = true;
                }
                steps.push(step);
                run_begins = steps.len();
                continue;
            }
            step.code = self.read_stack_ref(offsets.executable.of(frame)).unwrap_or_default();
            if let Some((lasti, complete)) = self.instruction(frame, step.code) {
                step.lasti = lasti;
                step.is_hidden = !complete && !step.is_generator;
            }
            step.has_locals = !step.is_hidden;
            if self.layout.behaviour.run_start == RunStart::EntryFlag {
                step.is_entry = self
                    .memory
                    .read_u8(offsets.is_entry.of(frame))
                    .is_ok_and(|flag| flag != 0);
            }
            steps.push(step);
            if step.is_entry {
                anchor = runs.next().map_or(Addr::NULL, |(cframe, _)| cframe);
            }
        }
        steps
    }

    /// Byte offset of the current instruction, and whether the function's own code has begun
    /// (`_PyFrame_IsIncomplete`, Include/internal/pycore_frame.h): tracebacks hide frames before that.
    pub(super) fn instruction(&self, frame: Addr, code: Addr) -> Option<(i32, bool)> {
        let pointer = self
            .memory
            .read_addr(self.layout.offsets.frame.instruction.of(frame))
            .ok()?;
        let code = self.code(code)?;
        let first = match self.layout.behaviour.bytecode {
            Bytecode::Shared => code.instructions,
            Bytecode::PerThread => self.thread_bytecode(frame, code.address)?,
        };
        let offset = pointer.0.wrapping_sub(first.0) as i64;
        let begun = offset >= i64::from(code.first_traceable) * CODE_UNIT;
        Some((i32::try_from(offset).unwrap_or(-1), begun))
    }

    /// The first instruction of the copy that a frame runs (`_PyFrame_GetBytecode`,
    /// Include/internal/pycore_interpframe.h).
    fn thread_bytecode(&self, frame: Addr, code: Addr) -> Option<Addr> {
        let offsets = &self.layout.offsets;
        let index = self.memory.read_i32(offsets.frame.tlbc_index.of(frame)).ok()?;
        let copies = self.memory.read_addr(offsets.code.tlbc.of(code)).ok()?;
        let count = self.memory.read_i64(offsets.code_array.count.of(copies)).ok()?;
        if index < 0 || i64::from(index) >= count {
            return None;
        }
        let entry = offsets.code_array.entries.of(copies).add(index as u64 * 8);
        self.memory.read_addr(entry).ok().filter(|first| !first.is_null())
    }

    /// The records of the runs of the eval loop, innermost first, with the frame each runs.
    /// The last one is a part of the thread state and belongs to no run.
    fn cframes(&self, thread: &PythonThread) -> Vec<(Addr, Addr)> {
        if self.layout.behaviour.anchors == Anchors::None || !self.layout.offsets.thread.cframe.is_present() {
            return Vec::new();
        }
        let offsets = &self.layout.offsets.cframe;
        let head = self.read_or_null(self.layout.offsets.thread.cframe.of(thread.address));
        let records = self.frame_chain(head, MAX_RUNS, |record| offsets.previous.of(record));
        records
            .into_iter()
            .map(|record| (record, self.read_or_null(offsets.current_frame.of(record))))
            .collect()
    }

    /// At most `max`: who sees that many knows that there may be more.
    fn frame_chain(&self, head: Addr, max: usize, next: impl Fn(Addr) -> Addr) -> Vec<Addr> {
        let mut seen = HashSet::new();
        let mut list = Vec::new();
        let mut at = head;
        while !at.is_null() && list.len() < max {
            if !seen.insert(at) {
                self.notes.push(
                    "python",
                    format!(
                        "the chain of Python frames at {head} leads back to itself after {} frames",
                        list.len()
                    ),
                    "outer frames are missing",
                    "",
                );
                break;
            }
            list.push(at);
            match self.memory.read_addr(next(at)) {
                Ok(outer) => at = outer,
                Err(error) => {
                    self.notes.push(
                        "python",
                        format!("a Python frame cannot be read: {error}"),
                        "outer frames of its thread are missing",
                        "",
                    );
                    break;
                }
            }
        }
        list
    }
}
