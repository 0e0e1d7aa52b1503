//! The stack of a thread is used up.

use std::collections::HashMap;

use super::scene::named;
use super::{Conclusion, Scene};
use crate::addr::Addr;
use crate::report::cycle::cycle_at_start;
use crate::report::model::{Confidence, Frame, Role, Thread};
use crate::report::text::thousands;
use crate::source::maps::Mapping;
use crate::triage::plain_function;

/// `si_code` of a fault where nothing is mapped (sigaction(2)).
const SEGV_MAPERR: i32 = 1;
/// A function's own part of the stack: the fault lies at most so far from the stack pointer.
const NEAR: u64 = 64 * 1024;
/// What lies between the fault and the mapping of the stack: nothing at all, or a guard. The kernel keeps 256 pages
/// free below a stack that grows (Documentation/admin-guide/kernel-parameters.txt, `stack_guard_gap`).
const GAP: u64 = 1024 * 1024;
/// A stack that has not come to use this much overflows for another reason.
const MIN_SIZE: u64 = 64 * 1024;
/// The longest cycle that is looked for.
const MAX_PERIOD: usize = 64;
/// How many frames may lie inside the cycle.
const MAX_BEFORE: usize = 64;
/// How often a cycle must occur.
const MIN_TIMES: usize = 10;
/// The most names of a cycle that are listed.
const MAX_NAMES: usize = 6;

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    let crash = scene.fault()?;
    if ![libc::SIGSEGV, libc::SIGBUS].contains(&crash.signal) {
        return None;
    }
    let (address, sp) = (scene.address()?, scene.registers?.sp());
    let guarded = guarded_stack(scene, address).filter(|_| crash.code == SEGV_MAPERR);
    let stack = guarded.or_else(|| stack_above(scene, address))?;
    let distance = sp.0.abs_diff(address.0);
    if distance > NEAR || stack.range.len() < MIN_SIZE {
        return None;
    }
    let place = match stack.range.start.0.checked_sub(address.0) {
        Some(below) => format!("{below} bytes below the stack"),
        None => "in the guard at the end of the stack".to_string(),
    };
    let conclusion = Conclusion::new(Confidence::Certain, title(scene.thread()))
        .because(format!(
            "the fault at {address} lies {place}, which has {} KiB; the stack pointer is {sp}",
            stack.range.len() / 1024
        ))
        .because_if(scene.thread().and_then(recursion));
    Some(
        conclusion
            .advise("end the recursion, or make it a loop; for a deeper stack: ulimit -s, threading.stack_size()"),
    )
}

/// The writable mapping in whose first pages an address lies. That nothing is mapped there says that they are a guard:
/// glibc 2.42 and later make those of threads by `MADV_GUARD_INSTALL` (madvise(2)), which leaves the mapping whole.
fn guarded_stack<'a>(scene: &Scene<'a>, address: Addr) -> Option<&'a Mapping> {
    scene
        .mapping(address)
        .filter(|mapping| mapping.write && address.0 - mapping.range.start.0 <= GAP)
}

/// The writable mapping that begins shortly above an address that is not accessible.
fn stack_above<'a>(scene: &Scene<'a>, address: Addr) -> Option<&'a Mapping> {
    if scene
        .mapping(address)
        .is_some_and(|mapping| mapping.read || mapping.write)
    {
        return None;
    }
    let mappings = scene.target.mappings();
    let next = mappings.partition_point(|mapping| mapping.range.start <= address);
    let above = mappings
        .get(next..)?
        .iter()
        .find(|mapping| mapping.read || mapping.write)?;
    (above.write && above.range.start.0 - address.0 <= GAP).then_some(above)
}

/// For example `the stack is used up: walk → visit repeated 3,214 times`.
fn title(thread: Option<&Thread>) -> String {
    let base = "the stack of the thread is used up";
    match thread.and_then(cycle) {
        Some((names, times)) => format!("{base}: {} repeated {} times", names.join(" → "), thousands(times)),
        None => base.to_string(),
    }
}

/// What repeats on a stack, outermost first, and how often.
pub(super) fn cycle(thread: &Thread) -> Option<(Vec<String>, usize)> {
    let mut plain = HashMap::new();
    let names: Vec<String> = thread
        .frames
        .iter()
        .filter_map(|frame| name(frame, &mut plain))
        .collect();
    // As numbers, which compare quickly.
    let mut known = HashMap::new();
    let numbers: Vec<usize> = names
        .iter()
        .map(|name| {
            let next = known.len();
            *known.entry(name.as_str()).or_insert(next)
        })
        .collect();
    let best = (0..numbers.len().min(MAX_BEFORE))
        .map(|start| (start, cycle_at_start(&numbers[start..], MAX_PERIOD, MIN_TIMES)))
        .filter(|(_, (_, times))| *times >= MIN_TIMES)
        .max_by_key(|&(start, (period, times))| (period * times, std::cmp::Reverse(start)));
    let (start, (period, times)) = best?;
    let mut shown: Vec<String> = names[start..start + period].iter().rev().cloned().collect();
    if shown.len() > MAX_NAMES {
        let more = shown.len() - MAX_NAMES;
        shown.truncate(MAX_NAMES);
        shown.push(format!("{more} more"));
    }
    Some((shown, times))
}

/// What a frame is called in a cycle; nothing for the plumbing of calls. `plain` keeps the names of functions that were
/// shortened: on such a stack there are few, tens of thousands of times.
fn name<'a>(frame: &'a Frame, plain: &mut HashMap<&'a str, String>) -> Option<String> {
    match frame {
        Frame::Python(python) => python.qualname.clone().or_else(|| python.function.clone()),
        Frame::Native(native) => match native.role {
            Some(Role::Eval | Role::Interpreter | Role::Signal) => None,
            _ => Some(match native.function.as_deref() {
                Some(function) => plain
                    .entry(function)
                    .or_insert_with(|| plain_function(function))
                    .clone(),
                None => named(native),
            }),
        },
        Frame::Unknown => None,
    }
}

fn recursion(thread: &Thread) -> Option<String> {
    let recursion = thread.recursion?;
    Some(format!(
        "Python counts {} calls of {} that sys.setrecursionlimit() allows",
        recursion.depth, recursion.limit
    ))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;
    use crate::source::Registers;

    const MAPS: &str = "10000-20000 rw-p 0 00:00 0\n40000-50000 ---p 0 00:00 0\n50000-90000 rw-p 0 00:00 0\n";

    fn stage(address: u64, sp: u64) -> Stage {
        let mut frames = vec!["strlen@/lib/libc.so.6"];
        for _ in 0..40 {
            frames.extend(["visit@/x/fast.so", "py:walk@/a.py"]);
        }
        frames.push("py:main@/a.py");
        Stage::new(libc::SIGSEGV, 2, address)
            .maps(MAPS)
            .register(Registers::RSP, sp)
            .stack(&frames)
    }

    #[test]
    fn a_fault_below_the_stack_near_its_pointer() {
        let found = stage(0x4fff8, 0x50000).apply(apply).unwrap();
        assert_eq!(
            found.title,
            "the stack of the thread is used up: walk → visit repeated 40 times"
        );
        assert!(
            found.evidence[0].contains("8 bytes below the stack"),
            "{:?}",
            found.evidence
        );
    }

    #[test]
    fn a_fault_elsewhere_is_none() {
        assert_eq!(stage(0x4fff8, 0x80000).apply(apply), None, "far from the stack pointer");
        assert_eq!(stage(0x50008, 0x50000).apply(apply), None, "in the stack");
        assert_eq!(
            stage(0x0fff8, 0x0ff00).apply(apply).map(|found| found.confidence),
            Some(Confidence::Certain)
        );
        assert_eq!(stage(0x10, 0x50000).apply(apply), None, "a null pointer");
    }

    #[test]
    fn a_guard_may_be_part_of_the_mapping_of_the_stack() {
        let mut guarded = stage(0x50008, 0x50000);
        guarded.target.facts.crash.as_mut().unwrap().code = SEGV_MAPERR;
        let found = guarded.apply(apply).unwrap();
        assert!(
            found.evidence[0].contains("in the guard at the end of the stack"),
            "{:?}",
            found.evidence
        );
    }

    #[test]
    fn numbers_are_thousands() {
        assert_eq!(
            [5, 1234, 52_000, 1_000_000].map(thousands),
            ["5", "1,234", "52,000", "1,000,000"]
        );
    }
}
