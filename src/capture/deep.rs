//! Stacks too deep to keep: their frames go into a stream of their own, their memory does not.

use std::collections::BTreeSet;

use crate::addr::{Addr, AddrRange};
use crate::layout::Layout;
use crate::session::ThreadStack;
use crate::source::ranges;
use crate::source::streams::{PythonStep, RecordedStack};

use super::extent::extents;
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
        if beyond.is_empty() && stack.python.iter().filter(is_omitted).count() == 0 {
            continue;
        }
        deep.excluded
            .extend(ranges::subtract(&beyond, &runs_of_kept_frames(stack)));
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

/// What lies behind the first `limit` bytes of all its stacks, as [`super::select`] counts them.
fn beyond_limit(stack: &ThreadStack, limit: u64) -> Vec<AddrRange> {
    let Some(first) = stack.native.first() else {
        return Vec::new();
    };
    let mut left = limit;
    let mut beyond = Vec::new();
    for range in extents(first.sp, &stack.native) {
        let kept = range.len().min(left);
        left -= kept;
        if kept < range.len() {
            beyond.push(AddrRange {
                start: range.start.add(kept),
                end: range.end,
            });
        }
    }
    ranges::normalize(&mut beyond);
    beyond
}

/// The native frames of the eval loop that run Python frames whose memory is kept: debuggers follow the chain of Python
/// frames through the records that lie in there.
fn runs_of_kept_frames(stack: &ThreadStack) -> Vec<AddrRange> {
    let kept = stack.python.iter().filter(|step| step.has_locals);
    let records: BTreeSet<Addr> = kept.map(|step| step.anchor).collect();
    let frames = stack.native.iter().filter(|frame| frame.sp < frame.cfa);
    let mut runs: Vec<AddrRange> = frames
        .filter(|frame| records.range(frame.sp..frame.cfa).next().is_some())
        .map(|frame| AddrRange {
            start: frame.sp,
            end: frame.cfa,
        })
        .collect();
    ranges::normalize(&mut runs);
    runs
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::streams::{NativeStep, Trust};

    fn step(sp: u64, cfa: u64, is_signal_trampoline: bool) -> NativeStep {
        NativeStep {
            pc: Addr(1),
            sp: Addr(sp),
            cfa: Addr(cfa),
            trust: Trust::Cfi,
            is_exact: false,
            is_signal_trampoline,
        }
    }

    fn deep(native: Vec<NativeStep>) -> DeepStacks {
        let stack = ThreadStack {
            tid: 1,
            native,
            python: Vec::new(),
        };
        deep_stacks(&[stack], Some(1), None)
    }

    /// faulthandler runs on an alternate stack in the heap: what lies between it and the main stack is the
    /// whole process.
    #[test]
    fn a_handler_on_another_stack_excludes_nothing_between_them() {
        let main = 0x7fff_0000_0000;
        let handler = [step(0x5000, 0x5100, false), step(0x5100, 0x5400, true)];
        let interrupted = [step(main, main + 0x100, false)];
        assert!(deep([&handler[..], &interrupted].concat()).excluded.is_empty());

        let large = main + MAX_STACK_CRASHED + 0x1000;
        let recursion = [step(main, main + 0x100, false), step(main + 0x100, large, false)];
        let excluded = deep([&handler[..], &recursion].concat()).excluded;
        assert_eq!(
            excluded,
            [AddrRange {
                start: Addr(main + MAX_STACK_CRASHED - 0x400),
                end: Addr(large)
            }]
        );
    }

    #[test]
    fn the_run_of_a_frame_that_is_kept_is_not_excluded() {
        let (sp, run) = (0x1000, 0x1000 + MAX_STACK_CRASHED + 0x1000);
        let native = vec![
            step(sp, run, false),
            step(run, run + 0x200, false),
            step(run + 0x200, run + 0x800, false),
        ];
        let excluded = |has_locals: bool| {
            let frame = PythonStep {
                anchor: Addr(run + 0x40),
                has_locals,
                ..PythonStep::default()
            };
            let stack = ThreadStack {
                tid: 1,
                native: native.clone(),
                python: vec![frame],
            };
            let excluded = deep_stacks(&[stack], Some(1), None).excluded;
            let range = AddrRange::new(Addr(run + 0x40), 8);
            excluded
                .iter()
                .any(|part| part.start < range.end && range.start < part.end)
        };
        assert!(!excluded(true) && excluded(false));
    }
}
