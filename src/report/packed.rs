//! A report on its way from one process to another.
//!
//! A stack overflow has 52,000 frames, most of them equal: 20 MB of JSON, which take longer to write and to read
//! than everything else in a capture. Here each such frame stands once, and stacks are lists of numbers.

use serde::{Deserialize, Serialize};

use super::Report;
use super::json::JsonError;
use super::model::{Frame, SCHEMA};

/// Among how many frames, the latest, an equal one is looked for: more than the functions of any usual recursion.
const WINDOW: usize = 64;
/// The largest report that is unpacked, in bytes: a short text can stand for a long one.
const MAX_UNPACKED: usize = 512 << 20;

#[derive(Serialize, Deserialize)]
struct Packed {
    /// The report, its threads without frames.
    report: Report,
    frames: Vec<Frame>,
    /// The stack of each thread, by places in `frames`.
    stacks: Vec<Vec<u32>>,
}

/// The report as one text.
///
/// # Errors
/// None that a report can cause; serde's interface has one.
pub fn pack(mut report: Report) -> Result<String, JsonError> {
    let mut frames: Vec<Frame> = Vec::new();
    let mut place = |frame: Frame| {
        let from = frames.len().saturating_sub(WINDOW);
        let known = frames[from..].iter().rposition(|known| *known == frame);
        let index = known.map_or(frames.len(), |index| from + index);
        if known.is_none() {
            frames.push(frame);
        }
        index as u32
    };
    let threads = report.threads.iter_mut();
    let stacks = threads
        .map(|thread| std::mem::take(&mut thread.frames).into_iter().map(&mut place).collect())
        .collect();
    Ok(serde_json::to_string(&Packed { report, frames, stacks })?)
}

/// The report that was packed.
///
/// # Errors
/// Where the text is none that [`pack`] gives, or of another schema; and where it would grow too large.
pub fn unpack(text: &str) -> Result<Report, JsonError> {
    let Packed {
        mut report,
        frames,
        stacks,
    } = serde_json::from_str(text)?;
    if report.schema != SCHEMA {
        return Err(JsonError::Schema(report.schema));
    }
    let size = |frame: &Frame| Ok(size_of::<Frame>() + serde_json::to_string(frame)?.len());
    let sizes = frames.iter().map(size).collect::<Result<Vec<usize>, JsonError>>()?;
    let mut left = MAX_UNPACKED;
    for (thread, stack) in report.threads.iter_mut().zip(stacks) {
        for index in stack {
            let index = index as usize;
            let size = sizes.get(index).ok_or(JsonError::Packed)?;
            left = left.checked_sub(*size).ok_or(JsonError::Packed)?;
            thread.frames.push(frames[index].clone());
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::super::model::{NativeFrame, Thread};
    use super::*;

    fn report(functions: &[&str]) -> Report {
        let frame = |name: &&str| {
            Frame::Native(NativeFrame {
                function: Some(name.to_string()),
                ..NativeFrame::default()
            })
        };
        let thread = Thread {
            frames: functions.iter().map(frame).collect(),
            ..Thread::default()
        };
        Report {
            threads: vec![thread.clone(), Thread::default(), thread],
            ..Report::default()
        }
    }

    #[test]
    fn reports_come_back_and_repeats_cost_little() {
        let mut functions = vec!["memset"];
        functions.extend(["f", "g", "h"].repeat(10_000));
        functions.push("main");
        let report = report(&functions);
        let packed = pack(report.clone()).unwrap();
        assert!(packed.len() < 4 * 70_000, "{}", packed.len());
        assert_eq!(unpack(&packed).unwrap(), report);
        assert_eq!(unpack(&pack(Report::default()).unwrap()).unwrap(), Report::default());
    }

    #[test]
    fn what_would_grow_without_bound_is_refused() {
        let long = "x".repeat(1 << 20);
        let packed = pack(report(&[long.as_str(); 600])).unwrap();
        assert!(packed.len() < 2 << 20);
        assert!(matches!(unpack(&packed), Err(JsonError::Packed)));
        let wild = pack(report(&["f"])).unwrap().replace("[[0]", "[[7]");
        assert!(matches!(unpack(&wild), Err(JsonError::Packed)));
        assert!(matches!(unpack("{}"), Err(JsonError::Syntax(_))));
    }
}
