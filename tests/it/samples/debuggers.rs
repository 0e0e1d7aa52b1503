//! The debugger helpers on the crash of each sample, against `analyze` on the same core and dump.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::cell::Inputs;
use super::{Bench, Job};
use crate::cores::kernel_writes_cores;
use crate::helpers::transcript::{commands, differences};
use crate::helpers::{exported, gdb, lldb, lldb_on};
use crate::pythons::pythons;
use crate::tools::{find_program, skip};

/// What a debugger opens.
#[derive(Clone, Copy, PartialEq)]
enum How {
    GdbCore,
    GdbExported,
    LldbCore,
    LldbDump,
    LldbExported,
}

const ALL: [How; 5] = [
    How::GdbCore,
    How::GdbExported,
    How::LldbCore,
    How::LldbDump,
    How::LldbExported,
];

/// All ways, or those of the debugger that COLDFRAME_DEBUGGER names.
fn wanted() -> Vec<How> {
    let is_gdb = |how: &How| matches!(how, How::GdbCore | How::GdbExported);
    let (gdb, lldb) = ALL.into_iter().partition(is_gdb);
    match std::env::var("COLDFRAME_DEBUGGER").as_deref() {
        Ok("gdb") => gdb,
        Ok("lldb") => lldb,
        Ok(other) => panic!("COLDFRAME_DEBUGGER is gdb or lldb, not {other:?}"),
        Err(_) => ALL.to_vec(),
    }
}

fn bench(pythons: Vec<crate::pythons::Python>) -> Option<Bench> {
    if !kernel_writes_cores() {
        return None;
    }
    if find_program("gdb").is_none() || lldb().is_none() {
        skip("gdb and lldb, for the helpers on the samples");
        return None;
    }
    Bench::of(pythons)
}

/// On one Python, each debugger once; `every_debugger_cell` does all.
#[test]
fn helpers_agree_with_analyze_on_every_sample() {
    let newest = pythons().pop().into_iter().collect();
    let Some(bench) = bench(newest) else { return };
    bench.run("helpers", |_| true, |job| compare(job, &[How::GdbCore, How::LldbDump]));
}

#[test]
#[ignore = "takes long; tests/full-helpers runs it"]
fn every_debugger_cell() {
    let bench = bench(pythons()).expect("debuggers, cores and compilers");
    let takes_turns = std::env::var_os("COLDFRAME_PAIRS").is_some();
    let ways = wanted();
    bench.run(
        "helpers",
        |_| true,
        |job| {
            let turn = job.turn % ways.len();
            compare(job, if takes_turns { &ways[turn..=turn] } else { &ways })
        },
    );
}

fn compare(job: &Job<'_>, hows: &[How]) -> Vec<String> {
    try_compare(job, hows).unwrap_or_else(|problem| vec![problem])
}

fn try_compare(job: &Job<'_>, hows: &[How]) -> Result<Vec<String>, String> {
    let label = format!("{}-debuggers", job.label);
    let variables = BTreeMap::new();
    let inputs = Inputs {
        core: true,
        live: false,
    };
    let outcome = job.run_for(inputs, &label, &[], &variables)?;
    let (_, _, dump) = outcome.single()?;
    let core = outcome.core.as_deref().ok_or("the kernel left no core")?;
    let of_core = job.analyze(&[core], &variables)?;
    let of_dump = job.analyze(&[dump], &variables)?;
    let executable = of_core["process"]["executable"].as_str().ok_or("no executable")?;
    let executable = Path::new(executable);
    let mut found = Vec::new();
    for how in hows {
        let lldb = |program: Option<&Path>, file: &Path, commands: &[String]| {
            lldb_on(lldb().expect("an lldb"), job.folder, program, file, commands)
        };
        let (name, expected, printed): (_, &Value, _) = match how {
            How::GdbCore => (
                "gdb on the core",
                &of_core,
                gdb(job.folder, executable, core, &commands(&of_core)),
            ),
            How::GdbExported => (
                "gdb on the exported core",
                &of_dump,
                gdb(job.folder, executable, &exported(job.folder, dump), &commands(&of_dump)),
            ),
            How::LldbCore => (
                "lldb on the core",
                &of_core,
                lldb(Some(executable), core, &commands(&of_core)),
            ),
            How::LldbDump => ("lldb on the dump", &of_dump, lldb(None, dump, &commands(&of_dump))),
            How::LldbExported => (
                "lldb on the exported core",
                &of_dump,
                lldb(Some(executable), &exported(job.folder, dump), &commands(&of_dump)),
            ),
        };
        let lines = differences(expected, &printed).into_iter();
        found.extend(lines.map(|line| format!("{name}: {line}")));
    }
    let _ = std::fs::remove_file(core);
    Ok(found)
}
