use std::process::Command;
use std::time::Instant;

use coldframe::notes::Notes;
use coldframe::source::streams::{NativeStep, Trust};
use coldframe::unwind::{Limits, Unwinder, interrupted};

use crate::support::{Running, Stopped, compile, gdb_stacks};

const FLAGS: &[&str] = &["-O2", "-g", "-fomit-frame-pointer", "-fno-optimize-sibling-calls", "-w"];

/// A mode of `programs/stacks.c`, stopped at its `faults`-th fault.
fn stopped_in(mode: &str, faults: usize) -> (tempfile::TempDir, Running, Stopped) {
    let folder = tempfile::tempdir().unwrap();
    let program = compile("stacks.c", folder.path(), FLAGS);
    let mut running = Running::start(Command::new(program).arg(mode));
    running.run_into_fault(faults);
    let stopped = Stopped::look_at(running.pid());
    (folder, running, stopped)
}

fn unwind_all(stopped: &Stopped, notes: &Notes) -> Vec<(i32, Vec<NativeStep>)> {
    let mut unwinder = Unwinder::new(&stopped.memory, &stopped.modules);
    let unwind = |(tid, registers): &(i32, _)| (*tid, unwinder.unwind(registers, notes, &Limits::default()));
    stopped.threads.iter().map(unwind).collect()
}

fn pcs(steps: &[NativeStep]) -> Vec<u64> {
    steps.iter().map(|step| step.pc.0).collect()
}

/// Unwinds all threads, and compares them with gdb's where there is one.
pub fn check_against_gdb(running: &Running, stopped: &Stopped) -> Vec<(i32, Vec<NativeStep>)> {
    let notes = Notes::new();
    let start = Instant::now();
    let stacks = unwind_all(stopped, &notes);
    let frames: usize = stacks.iter().map(|(_, steps)| steps.len()).sum();
    let (reads, bytes) = stopped.memory.reads.get();
    eprintln!(
        "{} threads, {frames} frames, {:?}, {reads} reads of {bytes} bytes",
        stacks.len(),
        start.elapsed()
    );
    assert_eq!(notes.to_vec(), []);
    if let Some(gdb) = gdb_stacks(running.pid()) {
        for (tid, steps) in &stacks {
            let (ours, theirs) = (pcs(steps), &gdb[tid]);
            assert!(
                ours == *theirs,
                "thread {tid}: ours {ours:x?}\ngdb's {theirs:x?}\n{steps:?}"
            );
        }
    }
    stacks
}

#[test]
fn nested_calls_with_a_variable_frame() {
    let (_folder, running, stopped) = stopped_in("nested", 1);
    let stacks = check_against_gdb(&running, &stopped);
    let steps = &stacks[0].1;
    assert_eq!(steps[0].trust, Trust::Context);
    assert!(steps[1..].iter().all(|step| step.trust == Trust::Cfi && !step.is_exact));
    assert!(steps.windows(2).all(|pair| pair[0].cfa == pair[1].sp));
}

#[test]
fn a_call_through_null() {
    let (_folder, running, stopped) = stopped_in("null", 1);
    let stacks = check_against_gdb(&running, &stopped);
    let steps = &stacks[0].1;
    assert_eq!(steps[0].pc.0, 0);
    assert_eq!(steps[1].trust, Trust::ReturnAddress);
    assert!(steps[2..].iter().all(|step| step.trust == Trust::Cfi));
}

#[test]
fn a_handler_on_an_alternate_stack() {
    // SIGFPE is delivered to the handler, which then faults.
    let (_folder, running, stopped) = stopped_in("handler", 2);
    let stacks = check_against_gdb(&running, &stopped);
    let steps = &stacks[0].1;
    let at = steps.iter().position(|step| step.is_signal_trampoline).unwrap();
    let (trampoline, divided) = (&steps[at], &steps[at + 1]);
    assert!(divided.is_exact && divided.trust == Trust::Context);
    let frame = interrupted(&stopped.memory, trampoline).unwrap();
    assert_eq!((frame.registers.pc(), frame.registers.sp()), (divided.pc, divided.sp));
    let info = frame.info.unwrap();
    assert_eq!(
        (info.signo, info.code, info.sender),
        (libc::SIGFPE, 1 /* FPE_INTDIV */, None)
    );
    assert_eq!(info.address, divided.pc);
    assert_eq!(interrupted(&stopped.memory, divided), None);
}

#[test]
fn a_handler_without_siginfo() {
    let (_folder, running, stopped) = stopped_in("plain-handler", 2);
    let stacks = check_against_gdb(&running, &stopped);
    let trampoline = stacks[0].1.iter().find(|step| step.is_signal_trampoline).unwrap();
    let frame = interrupted(&stopped.memory, trampoline).unwrap();
    assert_eq!(frame.info, None);
}

#[test]
fn deep_recursion() {
    let (_folder, running, stopped) = stopped_in("recursion", 1);
    let stacks = check_against_gdb(&running, &stopped);
    assert!(stacks[0].1.len() > 45_000);
}

#[test]
fn through_a_stripped_library_and_abort() {
    for mode in ["library", "abort"] {
        let (_folder, running, stopped) = stopped_in(mode, 1);
        check_against_gdb(&running, &stopped);
    }
}

#[test]
fn a_smashed_stack_is_found_again_by_scanning() {
    let (_folder, _running, stopped) = stopped_in("smash", 1);
    let stacks = unwind_all(&stopped, &Notes::new());
    let steps = &stacks[0].1;
    assert_eq!(steps[1].pc.0, 0x4141_4141_4141_4141);
    // Beyond what was overwritten: main's caller, in the libc, and on to the start.
    assert!(steps.iter().any(|step| step.trust == Trust::Scan), "{steps:x?}");
    assert!(steps.last().unwrap().trust == Trust::Cfi, "{steps:x?}");
}

#[test]
fn limits_end_a_walk() {
    let (_folder, _running, stopped) = stopped_in("recursion", 1);
    let notes = Notes::new();
    let limits = Limits {
        frames: 100,
        ..Limits::default()
    };
    let mut unwinder = Unwinder::new(&stopped.memory, &stopped.modules);
    let steps = unwinder.unwind(&stopped.threads[0].1, &notes, &limits);
    assert_eq!(steps.len(), 100);
    // Whoever sets the limit says so, once for all threads.
    assert_eq!(notes.to_vec(), []);
}
