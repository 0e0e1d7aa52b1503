//! The figures that coldframe promises, measured from the outside: `cargo bench --bench figures`.
//!
//! Prints a table with a row for each figure; what the machine lacks is skipped, and said. Each value is
//! the median of several runs. docs/benchmarks.md holds results.

// A table on standard output is what this program is for.
#![allow(clippy::print_stdout)]

mod capture;
mod programs;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use capture::{COLDFRAME, Crash, Measure, crash, under_coldframe};
use table::Figure;

/// How often the cheap measurements are repeated, and the big process is started.
const RUNS: usize = 15;
const BIG_RUNS: usize = 5;
/// The first capture with nothing cached may take this much longer, in milliseconds.
const COLD_EXTRA: f64 = 400.0;
const MB: f64 = 1_000_000.0;
/// What a frame may hold without the dump growing with it: the word for values.py, and what it makes.
const LARGE_VALUES: [(&str, &str); 5] = [
    ("list", "a list of 5 GB"),
    ("str", "a str of 2 GB"),
    ("dict", "a dict of a million"),
    ("nested", "a list 100,000 deep"),
    ("cycle", "objects in a circle"),
];

/// What is measured on one kind of crash, with its bounds: milliseconds, and megabytes.
struct Subject {
    name: &'static str,
    runs: usize,
    time: f64,
    size: f64,
    analyze: Option<f64>,
}

struct Bench {
    folder: PathBuf,
    skipped: Vec<String>,
}

fn main() -> ExitCode {
    // cargo passes `--bench`; another word chooses the subjects whose names hold it.
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let is_wanted = |name: &str| filter.as_deref().is_none_or(|filter| name.contains(filter));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("figures");
    fs::create_dir_all(&folder).expect("the build folder can be written");
    let mut bench = Bench {
        folder,
        skipped: Vec::new(),
    };
    println!("{}\n\n{}", programs::machine(), table::HEAD);
    let mut over = 0;
    let mut print = |figures: Vec<Figure>| {
        for figure in figures {
            println!("{}", figure.row());
            over += usize::from(figure.is_over());
        }
    };
    for (subject, program) in bench.subjects() {
        if is_wanted(subject.name) {
            print(bench.capture(&subject, &program));
        }
    }
    if is_wanted("start") {
        print(bench.start_of_run());
        print(bench.start_of_threads());
    }
    for skipped in &bench.skipped {
        println!("\nSkipped: {skipped}");
    }
    println!("\n{over} over their bound.");
    ExitCode::from(u8::from(over > 0))
}

impl Bench {
    /// The crashes that this machine can make.
    fn subjects(&mut self) -> Vec<(Subject, Command)> {
        let python = programs::python();
        let script = |python: &Path, name: &str| {
            let mut command = Command::new(python);
            command.arg(programs::source(name));
            command
        };
        let subject = |name, time, size, analyze| Subject {
            name,
            runs: RUNS,
            time,
            size,
            analyze,
        };
        let mut list = vec![(subject("small", 60.0, 1.0, None), script(&python, "small.py"))];
        match programs::python_with_packages(&python, &self.folder) {
            Ok(python) => list.push((
                Subject {
                    runs: BIG_RUNS,
                    ..subject("big", 200.0, 3.0, Some(100.0))
                },
                script(&python, "big.py"),
            )),
            Err(reason) => self.skipped.push(format!("big: {reason}")),
        }
        match programs::extension_folder(&python, &self.folder) {
            Ok(folder) => {
                let mut program = script(&python, "overflow.py");
                program.env("PYTHONPATH", folder);
                list.push((subject("stack overflow", 200.0, 1.0, Some(500.0)), program));
            }
            Err(reason) => self.skipped.push(format!("stack overflow: {reason}")),
        }
        list.push((
            subject("deep recursion", 200.0, 1.0, Some(500.0)),
            script(&python, "recursion.py"),
        ));
        for (value, name) in LARGE_VALUES {
            let mut program = script(&python, "values.py");
            program.arg(value);
            let subject = Subject {
                runs: BIG_RUNS,
                ..subject(name, 300.0, 8.0, None)
            };
            list.push((subject, program));
        }
        list
    }

    /// One kind of crash: time and size of its dump, memory of the helper, and the analysis of the dump.
    fn capture(&mut self, subject: &Subject, program: &Command) -> Vec<Figure> {
        let name = subject.name;
        let dumps = self.folder.join("dumps");
        let cache = self.folder.join("cache");
        let mut program_again = Command::new(program.get_program());
        program_again.args(program.get_args());
        program_again.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut run = |count: usize, is_cold: bool, measure| -> Vec<Crash> {
            let results = (0..count).map(|_| {
                if is_cold {
                    let _ = fs::remove_dir_all(&cache);
                }
                crash(&mut program_again, &dumps, &cache, measure)
            });
            let (good, bad): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
            self.skipped.extend(
                bad.into_iter()
                    .filter_map(|result| Some(format!("{name}: {}", result.err()?))),
            );
            good.into_iter().flatten().collect()
        };
        let times = |crashes: &[Crash]| crashes.iter().map(|crash| crash.milliseconds).collect::<Vec<_>>();
        let cold = run(subject.runs.div_ceil(3), true, Measure::Time);
        let warm = run(subject.runs, false, Measure::Time);
        let peaks = run(2, false, Measure::Memory);
        let full_name = match warm.first().map(|crash| crash.description.as_str()) {
            Some("") | None => name.to_string(),
            Some(description) => format!("{name} ({description})"),
        };
        let time = Figure::new(format!("{full_name}: signal to dump"), subject.time, "ms", times(&warm));
        let mut figures = vec![
            Figure::new(
                format!("{name}: the same, nothing cached"),
                time.median() + COLD_EXTRA,
                "ms",
                times(&cold),
            ),
            Figure::new(
                format!("{name}: dump"),
                subject.size,
                "MB",
                warm.iter().map(|crash| crash.bytes as f64 / MB).collect(),
            ),
            Figure::new(
                format!("{name}: peak memory of the helper"),
                150.0,
                "MB",
                peaks.iter().filter_map(|crash| crash.peak_mb).collect(),
            ),
        ];
        figures.insert(0, time);
        if let Some(last) = peaks.last() {
            for format in ["text", "json"] {
                figures.push(Figure::new(
                    format!("{name}: analyze --format {format}"),
                    subject.analyze,
                    "ms",
                    (0..RUNS).map(|_| analyze(&last.dump, format, &cache)).collect(),
                ));
            }
        }
        figures
    }

    /// What `run` adds to the start and end of a command.
    fn start_of_run(&self) -> Vec<Figure> {
        let plain = || Command::new("true");
        let pairs = (0..RUNS * 3).map(|_| {
            let alone = milliseconds(&mut plain());
            milliseconds(&mut under_coldframe(&plain(), &self.folder)) - alone
        });
        vec![Figure::new(
            "start: `run -- true` over `true`",
            2.0,
            "ms",
            pairs.collect(),
        )]
    }

    /// What the preloaded handler adds to each thread.
    fn start_of_threads(&mut self) -> Vec<Figure> {
        let program = match programs::threads_program(&self.folder) {
            Ok(program) => program,
            Err(reason) => {
                self.skipped.push(format!("threads: {reason}"));
                return Vec::new();
            }
        };
        let microseconds = |command: &mut Command| {
            let output = command.output().ok()?;
            let text = String::from_utf8(output.stdout).ok()?;
            Some(text.trim().parse::<f64>().ok()? / 1000.0)
        };
        let pairs = (0..RUNS).filter_map(|_| {
            let alone = microseconds(&mut Command::new(&program))?;
            Some(microseconds(&mut under_coldframe(&Command::new(&program), &self.folder))? - alone)
        });
        let pairs = pairs.collect();
        vec![Figure::new(
            "start: a thread under `run` over one without",
            10.0,
            "us",
            pairs,
        )]
    }
}

fn analyze(dump: &Path, format: &str, cache: &Path) -> f64 {
    milliseconds(
        Command::new(COLDFRAME)
            .args(["analyze", "--format", format])
            .arg(dump)
            .env("COLDFRAME_CACHE", cache),
    )
}

/// How long a command takes.
fn milliseconds(command: &mut Command) -> f64 {
    let begin = Instant::now();
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let taken = begin.elapsed().as_secs_f64() * 1000.0;
    assert!(status.is_ok_and(|status| status.success()), "{command:?} failed");
    taken
}
