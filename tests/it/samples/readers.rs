//! The dumps of the samples as other readers see them: their size, the crate `minidump`, lldb.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use coldframe::report::Report;

use super::check::{Problems, native_frames};
use super::{Bench, Job};
use crate::tools::{find_program, skip};

/// The most bytes that the dump of a small program may have, however deep its stack.
const MAX_BYTES: u64 = 1_000_000;
/// As many of the innermost frames lldb must find at least: its own unwinder gives up early, lldb-19 in the eval loop.
const MIN_FRAMES: usize = 3;

/// Size, and whether the crate `minidump` reads all of it.
pub fn check(dump: &Path, problems: &mut Problems) {
    match std::fs::metadata(dump) {
        Ok(metadata) if metadata.len() <= MAX_BYTES => {}
        Ok(metadata) => problems.push(format!("the dump has {} bytes", metadata.len())),
        Err(error) => problems.push(format!("the dump: {error}")),
    }
    let read = std::panic::catch_unwind(|| crate::dump::read_with_minidump_crate(dump));
    if let Err(panic) = read {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or(panic.downcast_ref::<String>().cloned());
        problems.push(format!("the crate minidump: {text:?}"));
    }
}

#[test]
fn lldb_sees_the_same_threads_and_frames() {
    // Those that are there: Debian's packages of several versions exclude each other, so none asks for all.
    let debuggers: Vec<_> = ["lldb-14", "lldb-19"].into_iter().filter_map(find_program).collect();
    if debuggers.is_empty() {
        return skip("lldb to open the dumps of the samples");
    }
    let Some(bench) = Bench::new() else { return };
    for debugger in debuggers {
        let name = debugger.file_name().unwrap_or_default().to_string_lossy().into_owned();
        bench.run(
            &name,
            |sample| ["callback", "extension", "thread"].contains(&sample),
            |job| open(job, &debugger).unwrap_or_else(|problem| vec![problem]),
        );
    }
}

fn open(job: &Job<'_>, debugger: &Path) -> Result<Vec<String>, String> {
    let label = format!(
        "{}-{}",
        job.label,
        debugger.file_name().unwrap_or_default().to_string_lossy()
    );
    let outcome = job.run(&label, &[], &BTreeMap::new())?;
    let (report, _, dump) = outcome.single()?;
    let output = Command::new(debugger)
        .args(["--no-lldbinit", "--batch"])
        .args(["-o", "settings set frame-format \"FRAME ${frame.pc}\\n\""])
        .args(["-o", "settings set thread-format \"THREAD ${thread.id%tid}\\n\""])
        .args(["-o", &format!("target create --core {}", dump.display())])
        .args(["-o", "thread list", "-o", "thread backtrace"])
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut problems = Problems::default();
    compare(&text, &report, &mut problems);
    Ok(problems.0)
}

fn compare(text: &str, report: &Report, problems: &mut Problems) {
    let words = |mark: &str| -> Vec<String> {
        let after = text.lines().filter_map(|line| line.split_once(mark));
        let words = after.map(|(_, word)| word.trim().to_string());
        // The commands are echoed.
        words
            .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
            .collect()
    };
    let mut tids = words("THREAD ");
    let mut ours: Vec<String> = report.threads.iter().map(|thread| thread.tid.to_string()).collect();
    tids.sort();
    ours.sort();
    problems.expect("lldb: threads", ours, tids);
    let number = |hex: &String| u64::from_str_radix(hex.trim_start_matches("0x"), 16).unwrap_or_default();
    let theirs: Vec<u64> = words("FRAME ").iter().map(number).collect();
    let Some(thread) = report.crashed_thread() else {
        return problems.push("no crashed thread".to_string());
    };
    let mut ours: Vec<u64> = native_frames(thread)
        .iter()
        .filter_map(|frame| Some(frame.address?.0))
        .collect();
    ours.dedup();
    // lldb gives the functions that a call was inlined into a pc of their own, so it has further ones between.
    let mut rest = theirs.iter();
    let shared = ours.iter().take_while(|pc| rest.any(|their| their == *pc)).count();
    if shared < MIN_FRAMES.min(ours.len()) {
        problems.push(format!("lldb shares {shared} frames: ours {ours:x?}, its {theirs:x?}"));
    }
}
