//! Stacks too deep to keep: their frames go into a stream of their own, their memory does not.

use crate::addr::{Addr, AddrRange};
use crate::layout::Layout;
use crate::session::ThreadStack;
use crate::source::streams::{PythonStep, RecordedStack};

use super::select::{MAX_STACK_CRASHED, MAX_STACK_OTHER};

/// What is kept of deep stacks, and what therefore need not be.
#[derive(Default)]
pub struct DeepStacks {
    /// Frame lists of the threads concerned.
    pub recorded: Vec<RecordedStack>,
    /// Memory that only those frame lists were made from.
    pub excluded: Vec<AddrRange>,
}

/// Finds the threads whose native stack is larger than what a dump keeps of it, or that have so many
/// Python frames that the locals of some are left out.
pub fn deep_stacks(stacks: &[ThreadStack], crashed: Option<u32>, layout: Option<&Layout>) -> DeepStacks {
    let mut deep = DeepStacks::default();
    for stack in stacks {
        let limit = if Some(stack.tid) == crashed {
            MAX_STACK_CRASHED
        } else {
            MAX_STACK_OTHER
        };
        let beyond = beyond_limit(stack, limit);
        let is_omitted = |step: &&PythonStep| !step.has_locals && !step.is_hidden;
        if beyond.is_none() && stack.python.iter().filter(is_omitted).count() == 0 {
            continue;
        }
        deep.excluded.extend(beyond);
        let size = layout.map_or(0, frame_size);
        deep.excluded.extend(
            stack
                .python
                .iter()
                .filter(is_omitted)
                .map(|step| AddrRange::new(step.frame, size)),
        );
        deep.recorded.push(RecordedStack {
            tid: stack.tid,
            native: stack.native.clone(),
            // Without its memory a frame has no address: rows of a recursion then repeat exactly.
            python: stack
                .python
                .iter()
                .map(|step| {
                    if step.has_locals {
                        *step
                    } else {
                        PythonStep {
                            frame: Addr::NULL,
                            ..*step
                        }
                    }
                })
                .collect(),
        });
    }
    deep
}

/// The part behind the first `limit` bytes of the stack that a signal interrupted (handlers may run on another).
fn beyond_limit(stack: &ThreadStack, limit: u64) -> Option<AddrRange> {
    let trampoline = stack.native.iter().rposition(|step| step.is_signal_trampoline);
    let start = stack.native.get(trampoline.map_or(0, |index| index + 1))?.sp;
    let same_stack = stack.native.iter().filter(|step| step.sp >= start);
    let end = same_stack.map(|step| step.cfa).max()?;
    let range = AddrRange {
        start: start.add(limit),
        end,
    };
    (start < end && !range.is_empty()).then_some(range)
}

/// The fixed part of a frame, before its locals.
fn frame_size(layout: &Layout) -> u64 {
    let offsets = &layout.offsets;
    offsets
        .frame
        .localsplus
        .bytes()
        .or(offsets.frame_object.f_localsplus.bytes())
        .unwrap_or(0)
}
