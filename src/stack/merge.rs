//! Putting Python frames in the place of the native frames that run them.

use crate::source::streams::{NativeStep, PythonStep};

/// One frame of a merged stack: an index into the list it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergedFrame {
    /// A native frame.
    Native(usize),
    /// A native frame of the eval loop that is shown beside the Python frames it runs, because its
    /// own place matters (it crashed there) or because it has begun no Python frame yet.
    Eval(usize),
    /// A Python frame.
    Python(usize),
}

/// How the two stacks were matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// Every run of the eval loop lies inside the native frame that it was put in the place of.
    Address,
    /// As many runs as native frames of the eval function, in the same order.
    Symbol,
    /// Runs and eval frames differ in number: matched from the inner end as far as both go.
    Count,
    /// There were native frames only, or Python frames only.
    Single,
    /// Some Python frames belong to no native frame that was found; they follow the last match.
    Partial,
}

/// A merged stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedStack {
    /// Innermost first.
    pub frames: Vec<MergedFrame>,
    /// How sure the order is.
    pub confidence: Confidence,
}

/// Consecutive Python frames of one run of the eval loop.
struct Run {
    frames: std::ops::Range<usize>,
    /// The native frame that runs it.
    native: Option<usize>,
}

/// Merges the frames of one thread. `is_eval` tells native frames of the eval function by name; it
/// is asked only where no address ties the runs to the C stack (CPython 3.8 and 3.9).
///
/// Frames that are hidden take part in the matching and not in the result.
pub fn merge(native: &[NativeStep], python: &[PythonStep], is_eval: impl Fn(usize) -> bool) -> MergedStack {
    let mut runs = runs(python);
    let confidence = if native.is_empty() || python.is_empty() {
        Confidence::Single
    } else if runs.iter().any(|run| !python[run.frames.start].anchor.is_null()) {
        match_by_address(native, python, &mut runs)
    } else {
        match_by_symbol(native, &mut runs, is_eval)
    };
    MergedStack {
        frames: lay_out(native, python, &runs),
        confidence,
    }
}

/// A run ends with its entry frame, or with its shim.
fn runs(python: &[PythonStep]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut start = 0;
    for (index, step) in python.iter().enumerate() {
        let is_shim = step.code.is_null();
        let ends = match python.get(index + 1) {
            // The shim follows the entry frame and belongs to the same run.
            Some(next) if step.is_entry && !is_shim => next.anchor != step.anchor || !next.code.is_null(),
            Some(_) => is_shim,
            None => true,
        };
        if ends {
            runs.push(Run {
                frames: start..index + 1,
                native: None,
            });
            start = index + 1;
        }
    }
    runs
}

/// How many searches over all native frames one merge has the time for.
const SEARCHES: usize = 64;

/// The record of each run (CFrame or shim frame) lies in the stack range of its eval frame:
/// from the frame's stack pointer to its CFA.
fn match_by_address(native: &[NativeStep], python: &[PythonStep], runs: &mut [Run]) -> Confidence {
    let holds = |index: usize, anchor| native[index].sp <= anchor && anchor < native[index].cfa;
    let mut from = 0;
    // A damaged stack gives no run a place: looking for each of 100,000 runs among as many frames would not end.
    let mut looks_left = native.len().saturating_mul(SEARCHES);
    let mut confidence = Confidence::Address;
    // Where unwinding stopped early, most runs lie beyond: no need to search for each of them.
    let end = native.iter().map(|step| step.cfa).max().unwrap_or_default();
    for run in runs {
        let anchor = python[run.frames.start].anchor;
        let is_shown = run.frames.clone().any(|index| !python[index].is_hidden);
        if anchor >= end {
            // The base frame of a thread (3.15) is a shim that lies in the thread state.
            if is_shown {
                confidence = Confidence::Partial;
            }
            continue;
        }
        // Both stacks go outward together; alternate stacks may break the order of addresses, not of frames.
        let mut candidates = (from..native.len()).take(looks_left);
        let found = candidates.find(|&index| holds(index, anchor));
        looks_left -= found
            .map_or(native.len() - from, |index| index + 1 - from)
            .min(looks_left);
        match found {
            Some(index) => {
                run.native = Some(index);
                from = index + 1;
            }
            None if is_shown => confidence = Confidence::Partial,
            None => {}
        }
    }
    confidence
}

/// Up to 3.9 each run has one Python frame and each Python frame one native frame of the eval function.
fn match_by_symbol(native: &[NativeStep], runs: &mut [Run], is_eval: impl Fn(usize) -> bool) -> Confidence {
    let evals: Vec<usize> = (0..native.len()).filter(|&index| is_eval(index)).collect();
    let confidence = match (evals.len(), runs.len()) {
        (0, _) => Confidence::Partial,
        (evals, runs) if evals == runs => Confidence::Symbol,
        _ => Confidence::Count,
    };
    // A frame that is pushed last and not yet linked, or already unlinked, is missing at the inner end:
    // where the native stack is whole, the outer ends belong together.
    let skip = evals.len().saturating_sub(runs.len());
    for (run, &index) in runs.iter_mut().zip(&evals[skip.min(1)..]) {
        run.native = Some(index);
    }
    confidence
}

fn lay_out(native: &[NativeStep], python: &[PythonStep], runs: &[Run]) -> Vec<MergedFrame> {
    let mut frames = Vec::with_capacity(native.len() + python.len());
    let visible = |run: &Run| {
        run.frames
            .clone()
            .filter(|&index| !python[index].is_hidden)
            .map(MergedFrame::Python)
            .collect::<Vec<_>>()
    };
    // Where unwinding stopped early, the runs after the last that has a place lie beyond.
    let placed = runs
        .iter()
        .rposition(|run| run.native.is_some())
        .map_or(0, |last| last + 1);
    let (runs, beyond) = runs.split_at(placed);
    let mut runs = runs.iter().peekable();
    let mut index = 0;
    while index < native.len() {
        // Runs without a native frame come before the next one that has one.
        match runs.next_if(|run| run.native.is_none_or(|at| at <= index)) {
            Some(run) => {
                let python = visible(run);
                if run.native == Some(index) {
                    // Exact addresses are where something happened: the crash, or a signal.
                    if native[index].is_exact || python.is_empty() {
                        frames.push(MergedFrame::Eval(index));
                    }
                    index += 1;
                }
                frames.extend(python);
            }
            None => {
                frames.push(MergedFrame::Native(index));
                index += 1;
            }
        }
    }
    runs.chain(beyond).for_each(|run| frames.extend(visible(run)));
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::Addr;
    use crate::source::streams::Trust;

    fn native(ranges: &[(u64, u64)]) -> Vec<NativeStep> {
        let step = |(index, &(sp, cfa)): (usize, &(u64, u64))| NativeStep {
            pc: Addr(0x1000 + index as u64),
            sp: Addr(sp),
            cfa: Addr(cfa),
            trust: Trust::Cfi,
            is_exact: index == 0,
            is_signal_trampoline: false,
        };
        ranges.iter().enumerate().map(step).collect()
    }

    fn frame(anchor: u64, is_entry: bool) -> PythonStep {
        PythonStep {
            frame: Addr(1),
            code: Addr(2),
            lasti: 0,
            anchor: Addr(anchor),
            interpreter: 0,
            is_entry,
            is_generator: false,
            is_hidden: false,
            has_locals: true,
        }
    }

    fn shim(anchor: u64) -> PythonStep {
        PythonStep {
            code: Addr::NULL,
            is_hidden: true,
            ..frame(anchor, false)
        }
    }

    use MergedFrame::{Eval, Native, Python};

    #[test]
    fn several_python_frames_in_one_eval_frame_and_a_callback() {
        let native = native(&[(0x10, 0x20), (0x20, 0x40), (0x40, 0x50), (0x50, 0x80), (0x80, 0x90)]);
        let python = [
            frame(0x30, false),
            frame(0x30, true),
            shim(0x30),
            frame(0x60, true),
            shim(0x60),
        ];
        let merged = merge(&native, &python, |_| false);
        assert_eq!(merged.confidence, Confidence::Address);
        assert_eq!(
            merged.frames,
            [Native(0), Python(0), Python(1), Native(2), Python(3), Native(4)]
        );
    }

    #[test]
    fn a_crash_in_the_eval_loop_keeps_its_frame() {
        let native = native(&[(0x10, 0x20), (0x20, 0x40)]);
        let merged = merge(&native, &[frame(0x18, true), shim(0x18)], |_| false);
        assert_eq!(merged.frames, [Eval(0), Python(0), Native(1)]);
    }

    #[test]
    fn a_shim_that_runs_nothing_yet() {
        let native = native(&[(0x10, 0x20), (0x20, 0x40), (0x40, 0x60)]);
        let python = [shim(0x28), frame(0x48, true), shim(0x48)];
        let merged = merge(&native, &python, |_| false);
        assert_eq!(merged.frames, [Native(0), Eval(1), Python(1)]);
    }

    #[test]
    fn by_symbol_without_addresses() {
        let native = native(&[(0x10, 0x20), (0x20, 0x40), (0x40, 0x60), (0x60, 0x70)]);
        let python = [frame(0, true), frame(0, true)];
        let merged = merge(&native, &python, |index| index == 1 || index == 2);
        assert_eq!(merged.confidence, Confidence::Symbol);
        assert_eq!(merged.frames, [Native(0), Python(0), Python(1), Native(3)]);
    }

    #[test]
    fn python_frames_beyond_a_broken_native_stack_are_kept() {
        let native = native(&[(0x10, 0x20)]);
        let python = [frame(0x15, true), shim(0x15), frame(0x99, true), shim(0x99)];
        let merged = merge(&native, &python, |_| false);
        assert_eq!(merged.confidence, Confidence::Partial);
        assert_eq!(merged.frames, [Eval(0), Python(0), Python(2)]);
    }

    #[test]
    fn native_frames_that_end_before_the_first_run() {
        let native = native(&[(0x10, 0x20), (0x20, 0x30)]);
        let merged = merge(&native, &[frame(0x99, true), shim(0x99)], |_| false);
        assert_eq!(merged.frames, [Native(0), Native(1), Python(0)]);
        let merged = merge(&native, &[frame(0, true)], |_| false);
        assert_eq!(merged.frames, [Native(0), Native(1), Python(0)]);
    }

    #[test]
    fn frames_of_one_kind_only() {
        assert_eq!(merge(&[], &[frame(1, true)], |_| false).frames, [Python(0)]);
        assert_eq!(merge(&native(&[(1, 2)]), &[], |_| false).frames, [Native(0)]);
    }
}
