//! coldframe beside pystack, py-spy and gdb on the same kernel cores: `cargo bench --bench peers`.
//!
//! Prints what each finds and what it takes, then the bounds. Words choose Pythons and crashes, for instance
//! `cargo bench --bench peers -- 3.12 overflow`. docs/benchmarks.md holds results.

// Tables on standard output are what this program is for.
#![allow(clippy::print_stdout)]

mod cases;
mod layouts;
mod measure;
#[allow(dead_code)]
#[path = "../figures/programs.rs"]
mod programs;
#[path = "../figures/table.rs"]
mod table;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cases::{CRASHES, Core, Python};
use measure::Outcome;
use table::Figure;
use tools::{Found, TOOLS, Tool};

/// How often each tool runs on each core; one that takes this long in milliseconds runs fewer times.
const RUNS: usize = 7;
const LONG: f64 = 1000.0;
const FEW_RUNS: usize = 3;
const COLD_RUNS: usize = 3;

/// What one tool did with one core.
struct Result {
    tool: Tool,
    found: Found,
    failure: Option<String>,
    wall: Vec<f64>,
    processor: Vec<f64>,
    /// With nothing cached.
    cold: Vec<f64>,
    peak: Vec<f64>,
}

struct Bench {
    folder: PathBuf,
    peers: PathBuf,
    figures: Vec<Figure>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |python: &str, crash: &str| {
        words
            .iter()
            .all(|word| match word.starts_with(|c: char| c.is_ascii_digit()) {
                true => python.starts_with(word.as_str()),
                false => crash.contains(word.as_str()),
            })
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    fs::create_dir_all(&folder).expect("the build folder can be written");
    let peers = match (cases::no_cores(), tools::peers(&folder)) {
        (None, Ok(peers)) => peers,
        (Some(reason), _) | (None, Err(reason)) => {
            println!("Skipped: {reason}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}\n{}\n", programs::machine(), tools::versions(&peers));
    println!("| Python | crash | tool | Python frames | native | locals | ms | of the processor | cold ms | MB |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut bench = Bench {
        folder,
        peers,
        figures: Vec::new(),
    };
    for python in cases::pythons() {
        let mut small = None;
        for crash in CRASHES.into_iter().filter(|crash| is_wanted(&python.version, crash)) {
            match cases::make(&python, crash, &bench.folder) {
                Ok(core) => {
                    let results = bench.compare(&python, crash, &core);
                    bench.bounds(&python, crash, &results, &mut small);
                    let _ = fs::remove_file(&core.path);
                }
                Err(reason) => println!("| {} | {crash} | no core: {reason} ||||||||", python.version),
            }
        }
        if is_wanted(&python.version, "layout") {
            bench.figures.extend(layouts::figures(&python, &bench.folder));
        }
    }
    println!("\n{}", table::HEAD);
    for figure in &bench.figures {
        println!("{}", figure.row());
    }
    let over = bench.figures.iter().filter(|figure| figure.is_over()).count();
    println!("\n{over} over their bound.");
    if bench.figures.is_empty() {
        println!("Nothing was measured: no Python and no crash of this machine is meant by {words:?}.");
    }
    ExitCode::from(u8::from(over > 0 || bench.figures.is_empty()))
}

impl Bench {
    /// All tools on one core, in turns, so that whatever else the machine does falls on all of them. Every other round is
    /// in reverse: py-spy reads all 10 GB of the sparse core, and what runs next finds no free memory.
    fn compare(&self, python: &Python, crash: &str, core: &Core) -> Vec<Result> {
        let output = self.folder.join("output");
        let cache = self.folder.join("cache");
        let mut results: Vec<Result> = TOOLS
            .into_iter()
            .filter(|tool| tool.is_for(crash))
            .map(|tool| {
                let outcome = measure::time(&mut tool.to_count(core, &self.peers, &cache), &output).1;
                Result {
                    tool,
                    found: tool.count(&output),
                    failure: match outcome {
                        Outcome::Done => None,
                        Outcome::Failed(reason) => Some(reason),
                    },
                    wall: Vec::new(),
                    processor: Vec::new(),
                    cold: Vec::new(),
                    peak: Vec::new(),
                }
            })
            .collect();
        for round in 0..RUNS {
            let mut turns: Vec<&mut Result> = results.iter_mut().filter(|result| result.failure.is_none()).collect();
            if round % 2 == 1 {
                turns.reverse();
            }
            for result in turns {
                let is_long = result.wall.first().is_some_and(|wall| *wall > LONG);
                if is_long && round >= FEW_RUNS {
                    continue;
                }
                let (time, _) = measure::time(&mut result.tool.command(core, &self.peers, &cache), &output);
                result.wall.push(time.wall);
                result.processor.push(time.processor);
            }
        }
        for result in results.iter_mut().filter(|result| result.failure.is_none()) {
            let mut command = result.tool.command(core, &self.peers, &cache);
            let peaks = (0..2).filter_map(|_| measure::peak_memory(&mut command, &output));
            result.peak = peaks.collect();
        }
        for result in results.iter_mut().filter(|result| result.failure.is_none()) {
            let command = || result.tool.command(core, &self.peers, &cache);
            let cold = (0..COLD_RUNS).map(|_| {
                let _ = fs::remove_dir_all(&cache);
                tools::evict(&core.path);
                measure::time(&mut command(), &output).0.wall
            });
            result.cold = cold.collect();
        }
        for result in &results {
            println!("{}", result.row(python, crash));
        }
        results
    }

    /// What was promised of this core.
    fn bounds(&mut self, python: &Python, crash: &str, results: &[Result], small: &mut Option<f64>) {
        let of = |tool: Tool| {
            results
                .iter()
                .find(|result| result.tool == tool)
                .expect("all tools ran")
        };
        let coldframe = of(Tool::Coldframe);
        let name = |what: &str| format!("{} {crash}: {what}", python.version);
        let mut add = |what: &str, bound: f64, unit, values: Vec<f64>| {
            self.figures.push(Figure::new(name(what), bound, unit, values));
        };
        let peers = results
            .iter()
            .filter(|result| [Tool::Pystack, Tool::PySpy, Tool::Gdb].contains(&result.tool));
        let missing = peers
            .map(|peer| coldframe.found.lacks(peer.found, peer.tool == Tool::Gdb))
            .max();
        add(
            "what a peer finds and coldframe does not",
            0.0,
            "",
            vec![missing.unwrap_or(0) as f64],
        );
        if crash == "overflow" {
            let short =
                10_000usize.saturating_sub(coldframe.found.python) + 30_000usize.saturating_sub(coldframe.found.native);
            add("frames short of 10,000 and 30,000", 0.0, "", vec![short as f64]);
            for tool in [Tool::Coldframe, Tool::ColdframeJson] {
                add(tool.name(), 1000.0, "ms", of(tool).wall.clone());
                add(tool.name(), 300.0, "MB", of(tool).peak.clone());
            }
            return;
        }
        if crash == "small" {
            *small = Some(median(&coldframe.wall));
        }
        if crash == "sparse" {
            add("memory", 300.0, "MB", coldframe.peak.clone());
            if let Some(small) = *small {
                add(
                    "time, in those of small",
                    2.0,
                    "",
                    vec![median(&coldframe.wall) / small],
                );
            }
            return;
        }
        let ratio = |ours: &[f64], theirs: &[f64]| vec![median(ours) / median(theirs)];
        let (pystack, alone, py_spy) = (of(Tool::Pystack), of(Tool::ColdframePython), of(Tool::PySpy));
        if pystack.failure.is_none() {
            add("time, in pystack's", 0.33, "", ratio(&coldframe.wall, &pystack.wall));
            add("memory, in pystack's", 0.33, "", ratio(&coldframe.peak, &pystack.peak));
        }
        if py_spy.failure.is_none() {
            add(
                "Python frames alone: time, in py-spy's",
                1.0,
                "",
                ratio(&alone.wall, &py_spy.wall),
            );
        }
    }
}

impl Found {
    /// How much of what another tool found is not here. gdb's locals are those of every frame, whatever it runs; where it
    /// knows no frame of the eval loop by its name, they are among its native frames.
    fn lacks(self, other: Found, is_gdb: bool) -> usize {
        let unnamed_loops = if is_gdb && other.loops == 0 { self.loops } else { 0 };
        let locals = if is_gdb {
            0
        } else {
            other.locals.saturating_sub(self.locals)
        };
        let native = other.native.saturating_sub(self.native + unnamed_loops);
        other.python.saturating_sub(self.python) + native + locals
    }
}

impl Result {
    fn row(&self, python: &Python, crash: &str) -> String {
        let start = format!("| {} | {crash} | {} |", python.version, self.tool.name());
        let Found {
            python, native, locals, ..
        } = self.found;
        if let Some(failure) = &self.failure {
            return format!("{start} {python} | {native} | {locals} | {failure} ||||");
        }
        let number = |values: &[f64]| table::number(median(values));
        format!(
            "{start} {python} | {native} | {locals} | {} | {} | {} | {} |",
            number(&self.wall),
            number(&self.processor),
            number(&self.cold),
            number(&self.peak),
        )
    }
}

fn median(values: &[f64]) -> f64 {
    Figure::new("", None, "", values.to_vec()).median()
}
