//! Which frames of a stack are shown: interpreter frames fold into one line, long repeats into another.

use std::collections::HashMap;

use crate::report::cycle::cycle_at_start;
use crate::report::model::{Frame, Role};

/// The longest cycle of shown lines that is recognised.
const MAX_PERIOD: usize = 32;
/// How often a cycle must occur before it is folded.
const MIN_TIMES: usize = 3;

/// One line (or block of lines) of a folded stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Step {
    /// The frame of this index.
    Frame(usize),
    /// `count` frames from `first` on, of no interest by themselves.
    Plumbing { first: usize, count: usize, signal: bool },
    /// The `frames` frames above occur `times` more times.
    Repeat { frames: usize, times: usize },
    /// `frames` frames that are not shown because there are too many.
    Gap { frames: usize },
}

/// What makes two frames look the same in a report.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::report) enum Look<'a> {
    Python(Option<&'a str>, Option<&'a str>, Option<u32>),
    Native(Option<&'a str>, Option<&'a str>, Option<u32>, Option<u64>),
    Plumbing(Option<&'a str>, usize),
    Unknown,
}

impl<'a> Look<'a> {
    pub(super) fn of(frame: &'a Frame) -> Look<'a> {
        match frame {
            Frame::Python(f) => {
                let name = f.qualname.as_deref().or(f.function.as_deref());
                Look::Python(name, f.file.as_deref(), f.line)
            }
            Frame::Native(f) => Look::Native(
                f.function.as_deref(),
                f.file.as_deref(),
                f.line,
                f.address.map(|address| address.0),
            ),
            Frame::Unknown => Look::Unknown,
        }
    }
}

/// The steps of a stack. `limit` bounds their number; `plumbing` says whether interpreter frames fold.
pub(in crate::report) fn steps(frames: &[Frame], plumbing: bool, limit: usize) -> Vec<Step> {
    let lines = if plumbing {
        fold_plumbing(frames)
    } else {
        (0..frames.len()).map(Step::Frame).collect()
    };
    bounded(fold_repeats(frames, &lines), limit)
}

fn fold_plumbing(frames: &[Frame]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        let role = match frame {
            Frame::Native(native) => native.role.as_ref(),
            _ => None,
        };
        // Where it crashed is always of interest, be it in the interpreter.
        let Some(role) = role.filter(|role| index > 0 || **role == Role::Signal) else {
            steps.push(Step::Frame(index));
            continue;
        };
        let is_signal = *role == Role::Signal;
        match steps.last_mut() {
            Some(Step::Plumbing { count, signal, .. }) if *signal == is_signal => *count += 1,
            _ => steps.push(Step::Plumbing {
                first: index,
                count: 1,
                signal: is_signal,
            }),
        }
    }
    steps
}

fn fold_repeats(frames: &[Frame], lines: &[Step]) -> Vec<Step> {
    let mut numbers: HashMap<Look<'_>, u32> = HashMap::new();
    let looks: Vec<u32> = lines
        .iter()
        .map(|&step| {
            let next = numbers.len() as u32;
            *numbers.entry(look(frames, step)).or_insert(next)
        })
        .collect();
    let mut steps = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let (period, times) = cycle_at_start(&looks[at..], MAX_PERIOD, MIN_TIMES);
        if times < MIN_TIMES {
            steps.push(lines[at]);
            at += 1;
            continue;
        }
        let cycle = &lines[at..at + period];
        steps.extend_from_slice(cycle);
        steps.push(Step::Repeat {
            frames: cycle.iter().map(|&step| frame_count(step)).sum(),
            times: times - 1,
        });
        at += period * times;
    }
    steps
}

fn bounded(steps: Vec<Step>, limit: usize) -> Vec<Step> {
    if steps.len() <= limit {
        return steps;
    }
    // Where it crashed says more than where it began.
    let head = limit * 3 / 4;
    let tail = steps.len() - (limit - head);
    let frames = steps[head..tail].iter().map(|&step| frame_count(step)).sum();
    let mut kept = steps[..head].to_vec();
    kept.push(Step::Gap { frames });
    kept.extend_from_slice(&steps[tail..]);
    kept
}

fn look(frames: &[Frame], step: Step) -> Look<'_> {
    match step {
        Step::Frame(index) => Look::of(&frames[index]),
        Step::Plumbing { first, count, .. } => match &frames[first] {
            Frame::Native(native) => Look::Plumbing(native.function.as_deref(), count),
            _ => Look::Unknown,
        },
        Step::Repeat { .. } | Step::Gap { .. } => Look::Unknown,
    }
}

fn frame_count(step: Step) -> usize {
    match step {
        Step::Frame(_) => 1,
        Step::Plumbing { count, .. } => count,
        Step::Repeat { frames, times } => frames * times,
        Step::Gap { frames } => frames,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::{NativeFrame, PythonFrame};

    fn python(name: &str) -> Frame {
        Frame::Python(PythonFrame {
            function: Some(name.to_string()),
            ..PythonFrame::default()
        })
    }

    fn native(name: &str, role: Option<Role>) -> Frame {
        Frame::Native(NativeFrame {
            function: Some(name.to_string()),
            role,
            ..NativeFrame::default()
        })
    }

    fn total(steps: &[Step]) -> usize {
        steps.iter().map(|&step| frame_count(step)).sum()
    }

    #[test]
    fn interpreter_frames_fold_except_where_it_crashed() {
        let eval = || native("_PyEval_EvalFrameDefault", Some(Role::Eval));
        let frames = [eval(), eval(), eval(), python("f"), eval(), native("main", None)];
        assert_eq!(
            steps(&frames, true, 100),
            [
                Step::Frame(0),
                Step::Plumbing {
                    first: 1,
                    count: 2,
                    signal: false
                },
                Step::Frame(3),
                Step::Plumbing {
                    first: 4,
                    count: 1,
                    signal: false
                },
                Step::Frame(5),
            ]
        );
        assert_eq!(
            steps(&frames, false, 100)[..2],
            [Step::Frame(0), Step::Repeat { frames: 1, times: 2 }]
        );
    }

    #[test]
    fn repeats_of_any_period_fold_and_no_frame_is_lost() {
        for period in [1, 2, 3, 31, 32] {
            let mut frames = vec![python("innermost")];
            frames.extend((0..1000).map(|i| python(&format!("f{}", i % period))));
            frames.push(python("outermost"));
            let steps = steps(&frames, true, 1000);
            assert!(steps.len() <= 2 * period + 3, "period {period}: {steps:?}");
            assert_eq!(total(&steps), 1002);
            assert!(steps.contains(&Step::Repeat {
                frames: period,
                times: 1000 / period - 1
            }));
        }
    }

    #[test]
    fn two_occurrences_are_not_a_repeat() {
        let frames = [python("a"), python("b"), python("a"), python("b")];
        assert_eq!(steps(&frames, true, 100).len(), 4);
    }

    #[test]
    fn a_stack_without_repeats_is_bounded() {
        let frames: Vec<Frame> = (0..100_000).map(|i| python(&format!("f{i}"))).collect();
        let steps = steps(&frames, true, 40);
        assert_eq!(steps.len(), 41);
        assert_eq!(steps[30], Step::Gap { frames: 99_960 });
        assert_eq!(steps[40], Step::Frame(99_999));
        assert_eq!(total(&steps), 100_000);
    }
}
