//! `coldframe analyze INPUT`: the report of a dump, a core or a live process.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use coldframe::capture::annotations::annotated;
use coldframe::image::{CacheDir, ImageOptions, Images, Overlay, Symbolizer};
use coldframe::notes::Notes;
use coldframe::report::model;
use coldframe::report::text::Form;
use coldframe::report::{Report, html, json, markdown, text};
use coldframe::session::{self, Options, SourceFolders, Subject};
use coldframe::source::{Input, LiveProcess, Target, unpack};

use super::debuginfod::Servers;
use super::output::Output;
use super::{coredumpctl, executable};

/// How long the threads of a live process may take to stop.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// Print the report of a dump, a core or a live process
///
/// A dump needs nothing but itself: no binaries, symbols or sources of the machine it was made on. Where files
/// of the same build are at hand, they are used. A core needs the files that the process had mapped.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  coldframe analyze coldframe-dumps/python3-4711-1760000000.dmp
  coldframe analyze --format json crash.dmp | jq .threads[0].frames
  coldframe analyze --format html -o crash.html crash.dmp
  coldframe analyze core.4711
  coldframe analyze core.zst /opt/app/bin/python3
  ssh host cat core.gz | coldframe analyze -
  coldframe analyze --pid 4711 --thread all
  coldframe analyze --coredumpctl python3

Exit status: 0 when there is a report, 1 when nothing could be analysed, 2 on wrong usage.")]
pub struct Analyze {
    /// A minidump, an ELF core, or the record (.rec) that a crash leaves where no dump can be made; also compressed
    /// (gzip, zstd, xz, lz4), or - for standard input
    #[arg(value_name = "INPUT", required_unless_present_any = ["pid", "coredumpctl"], conflicts_with = "pid")]
    input: Option<PathBuf>,

    /// The program that left the core, where it does not lie where it ran, or a script that it runs [checked against
    /// the build id]
    #[arg(value_name = "EXECUTABLE", conflicts_with = "pid")]
    executable: Option<PathBuf>,

    /// A live process, which is stopped for a moment and goes on unharmed
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,

    /// The newest core that systemd-coredump has stored, or the newest that matches: a pid, a name, a path or
    /// FIELD=VALUE, as coredumpctl(1) takes them
    #[arg(long, value_name = "MATCH", num_args = 0..=1, conflicts_with_all = ["input", "pid"])]
    coredumpctl: Option<Option<String>>,

    /// Which threads to show: the crashed one, all, or one by its id
    #[arg(long, value_name = "crashed|all|TID", default_value = "all")]
    thread: ThreadChoice,

    /// Form of the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Leave out native frames
    #[arg(long)]
    no_native: bool,

    /// Leave out local variables
    #[arg(long)]
    no_locals: bool,

    /// Show the bytecode around the current instruction of the crashed thread's innermost Python frames
    #[arg(long)]
    dis: bool,

    /// File with symbols or folder of them; may be repeated [checked against the build id]
    #[arg(long, value_name = "PATH")]
    symbols: Vec<PathBuf>,

    #[command(flatten)]
    servers: Servers,

    /// Folder below which the files of the process lie
    #[arg(long, value_name = "DIR")]
    sysroot: Option<PathBuf>,

    /// Folder below which source files are read where the dump has none
    #[arg(long, value_name = "DIR")]
    source_root: Option<PathBuf>,

    /// How deep values are followed
    #[arg(long, value_name = "N")]
    depth: Option<u32>,

    /// How many items of a container are shown
    #[arg(long, value_name = "N")]
    max_items: Option<u64>,

    /// How much of a compressed or piped input is unpacked at most, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = unpack::DEFAULT_LIMIT, hide_default_value = true)]
    max_core_size: u64,

    #[command(flatten)]
    output: Output,
}

/// Form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// The same as `run` prints it: headline, findings, the crashed thread, summary
    Short,
    /// For programs: docs/report.md
    Json,
    /// One page for a browser, without scripts and without network
    Html,
    /// For an issue, at most 65,000 characters
    Markdown,
}

/// Which threads are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ThreadChoice {
    Crashed,
    All,
    Tid(u32),
}

impl std::str::FromStr for ThreadChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<ThreadChoice, String> {
        match text {
            "crashed" => Ok(ThreadChoice::Crashed),
            "all" => Ok(ThreadChoice::All),
            tid => tid
                .parse()
                .map(ThreadChoice::Tid)
                .map_err(|_| "expected crashed, all or a thread id".to_string()),
        }
    }
}

/// The report of a file, analysed without any options.
pub(super) fn report_of(path: &Path) -> anyhow::Result<Report> {
    /// The options, as a command of its own.
    #[derive(clap::Parser)]
    struct Alone {
        #[command(flatten)]
        options: Analyze,
    }
    let arguments = [OsStr::new("analyze"), OsStr::new("--"), path.as_os_str()];
    let options = <Alone as clap::Parser>::try_parse_from(arguments)?.options;
    let input = Input::open(path, options.max_core_size)?;
    options.file(path, &input, CacheDir::from_env().as_ref())
}

impl Analyze {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let cache = CacheDir::from_env();
        let cache = cache.as_ref();
        let report = match (&self.input, &self.coredumpctl, self.pid) {
            (Some(path), _, _) => self.file(path, &Input::open(path, self.max_core_size)?, cache)?,
            (None, Some(matching), _) => {
                let input = coredumpctl::open(matching.as_deref(), self.max_core_size)?;
                self.file(Path::new("coredumpctl"), &input, cache)?
            }
            (None, None, Some(pid)) => self.process(pid, cache)?,
            (None, None, None) => anyhow::bail!("neither a file nor --pid was given"),
        };
        let report = self.choose_threads(report)?;
        let text = match self.format {
            Format::Json => json::pretty(&report)?,
            Format::Text => text::render(&report, &self.output.text_options(Form::Full)),
            Format::Short => text::render(&report, &self.output.text_options(Form::Short)),
            Format::Html => html::page(&report)?,
            Format::Markdown => markdown::render(&report),
        };
        self.output.write(&text)?;
        if let Some(cache) = cache {
            cache.trim();
        }
        Ok(ExitCode::SUCCESS)
    }

    fn file(&self, path: &Path, input: &Input, cache: Option<&CacheDir>) -> anyhow::Result<Report> {
        let (kind, name) = match input {
            Input::Minidump(_) => (model::InputKind::Minidump, "dump"),
            Input::Core(_) => (model::InputKind::Core, "core"),
            Input::Record(_) => (model::InputKind::Record, "record"),
        };
        let target = input.target();
        if target.threads().is_empty() && target.crash().is_none() {
            anyhow::bail!(
                "{}: the {name} holds neither threads nor a crash, so there is nothing to analyse; \
                 if it was copied, copy it again",
                path.display()
            );
        }
        let images = ImageOptions {
            root: self.sysroot.clone().unwrap_or("/".into()),
            cache: cache.cloned(),
            ..ImageOptions::default()
        };
        let mut report = self.analyze(target, images)?;
        report.input = model::Input {
            kind,
            // What came from coredumpctl has no path.
            path: self.input.as_ref().map(|path| path.display().to_string()),
            pid: None,
        };
        Ok(report)
    }

    fn process(&self, pid: u32, cache: Option<&CacheDir>) -> anyhow::Result<Report> {
        let process = annotated(LiveProcess::attach(pid, Instant::now() + STOP_DEADLINE)?, None);
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let images = ImageOptions {
            root: self.sysroot.clone().unwrap_or(root.clone()),
            pid: Some(pid),
            cache: cache.cloned(),
            ..ImageOptions::default()
        };
        let mut report = self.analyze(&process, images)?;
        report.input = model::Input {
            kind: model::InputKind::Process,
            path: None,
            pid: Some(pid),
        };
        Ok(report)
    }

    fn analyze(&self, target: &dyn Target, images: ImageOptions) -> anyhow::Result<Report> {
        let cache = images.cache.clone();
        let live = images.pid.filter(|_| self.source_root.is_none());
        let sources = SourceFolders {
            root: self.source_root.clone().or_else(|| live.map(|_| images.root.clone())),
            working: live.map(|pid| format!("/proc/{pid}/cwd").into()),
        };
        // What coldframe recorded is complete, and a live process has its files mapped.
        let leaves_out_files = images.pid.is_none() && !target.recorded().is_complete;
        let notes = Rc::new(Notes::new());
        let executable = self.executable.as_deref().map(executable::program_of);
        let images = Images::new(ImageOptions {
            debuginfod: self.servers.client(cache.as_ref(), &notes),
            symbol_paths: executable.iter().chain(&self.symbols).cloned().collect(),
            ..images
        });
        let mut options = Options {
            no_locals: self.no_locals,
            no_native: self.no_native,
            bytecode: self.dis,
            sources,
            ..Options::default()
        };
        options.limits.depth = self.depth.unwrap_or(options.limits.depth);
        options.limits.items = self.max_items.unwrap_or(options.limits.items);
        let notes = &*notes;
        let overlay = leaves_out_files.then(|| Overlay::new(target, &images, notes));
        let target = overlay.as_ref().map_or(target, |overlay| overlay as &dyn Target);
        if leaves_out_files && target.recorded().sources.is_empty() && self.source_root.is_none() {
            notes.push(
                "sources",
                "source lines are not in the input",
                "Python frames show places only",
                "--source-root / where the sources lie as they did there",
            );
        }
        if let Some(path) = &executable {
            executable::check(path, target, notes)?;
        }
        let symbolizer = Symbolizer::new(&images, target.modules(), &target.recorded().symbols);
        let subject = Subject {
            target,
            images: &images,
            symbolizer: &symbolizer,
            cache: cache.as_ref(),
            notes,
        };
        Ok(session::analyze(subject, &options).report)
    }

    fn choose_threads(&self, mut report: Report) -> anyhow::Result<Report> {
        match self.thread {
            ThreadChoice::All => {}
            ThreadChoice::Crashed => report.threads.retain(|thread| thread.crashed),
            ThreadChoice::Tid(tid) => {
                report.threads.retain(|thread| thread.tid == tid);
                anyhow::ensure!(
                    !report.threads.is_empty(),
                    "there is no thread {tid}; --thread all shows which there are"
                );
            }
        }
        Ok(report)
    }
}
