//! Beside faulthandler, which handles the signal first and raises it again: both report, and ours is of the fault.

use std::collections::BTreeMap;

use super::{Bench, Job, check, has_qualnames};

/// One sample for each way in which a signal comes about.
const SAMPLES: [&str; 12] = [
    "abort",
    "bus_error",
    "divide",
    "extension",
    "fatal_error",
    "illegal_instruction",
    "null_call",
    "sent_signal",
    "smashed_stack",
    "stack_overflow",
    "thread",
    "with_faulthandler",
];

#[test]
fn the_fault_is_reported_beside_faulthandler() {
    let Some(bench) = Bench::new() else { return };
    bench.run("-X faulthandler", |name| SAMPLES.contains(&name), run);
}

fn run(job: &Job<'_>) -> Vec<String> {
    let run = job.run(&job.label, &["-X", "faulthandler"], &BTreeMap::new());
    let checked = run.and_then(|outcome| {
        let (report, _, _) = outcome.single()?;
        let mut problems = check::check(job.header, &outcome, &report, has_qualnames(job.python));
        let function = &job.header.frames.first().expect("every sample has one").function;
        for text in ["Fatal Python error: ", &format!(" in {function}\n")] {
            if !outcome.stderr.contains(text) {
                problems.push(format!("faulthandler did not say {text:?}: {}", outcome.stderr));
            }
        }
        Ok(problems.0)
    });
    checked.unwrap_or_else(|problem| vec![problem])
}
