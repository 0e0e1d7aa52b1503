//! ELF cores: the kernel's and gcore's, whole and otherwise, compared with the dump of the same crash.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use coldframe::source::{Input, unpack};
use serde_json::Value;

use crate::golden::repository;
use crate::harness::{COLDFRAME, Folder, bare, has, output, skip, stderr};
use crate::pythons::{Python, pythons};
use crate::tools::Running;

/// What the kernel leaves in cores by default: memory that belongs to the process, and the first page of
/// ELF files (core(5)).
pub const DEFAULT_FILTER: &str = "0x33";

/// A crash of which there is both our dump and the kernel's core.
pub struct Crash {
    pub folder: Folder,
    pub dump: PathBuf,
    pub core: PathBuf,
}

/// `coldframe analyze ARGUMENTS`, as JSON where it said something.
fn analyze<A: AsRef<OsStr>>(folder: &Folder, arguments: &[A]) -> (Output, Value) {
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process.args(["analyze", "--format", "json"]).args(arguments);
    let output = output(process);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output, report)
}

pub fn report<A: AsRef<OsStr>>(folder: &Folder, arguments: &[A]) -> Value {
    let (output, report) = analyze(folder, arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    report
}

/// Whether the kernel puts cores into the current folder; if not, says so.
pub fn kernel_writes_cores() -> bool {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let is_plain = !pattern.trim().is_empty() && !pattern.contains(['|', '/', '%']);
    if !is_plain {
        skip(&format!("kernel cores go to {}", pattern.trim()));
    }
    is_plain
}

/// Runs a sample into its death.
pub fn crash(python: &Path, sample: &str, filter: &str) -> Crash {
    let folder = Folder::new();
    let script = format!(
        "ulimit -c unlimited; echo {filter} > /proc/self/coredump_filter; \
         exec {COLDFRAME} run --report none -o dumps -- \"$0\" \"$1\""
    );
    let mut process = bare("sh".as_ref(), &folder);
    process
        .args(["-c", &script])
        .arg(python)
        .arg(repository("samples").join(sample));
    let result = output(process);
    let found = |folder: &Path, start: &str| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths = entries.map(|entry| entry.path());
        paths.find(|path| path.is_file() && path.file_name().unwrap().to_string_lossy().starts_with(start))
    };
    let dump = found(&folder.join("dumps"), "python").unwrap_or_else(|| panic!("no dump: {}", stderr(&result)));
    let core = found(folder.path(), "core").unwrap_or_else(|| panic!("no core: {}", stderr(&result)));
    Crash { folder, dump, core }
}

/// Leaves out what a core cannot know, and what names the input.
pub fn comparable(mut report: Value) -> Value {
    let top = report.as_object_mut().unwrap();
    for key in ["input", "capture", "notes"] {
        top.remove(key);
    }
    if let Some(process) = top.get_mut("process").and_then(Value::as_object_mut) {
        process.retain(|key, _| ["pid", "command", "executable"].contains(&key.as_str()));
    }
    for python in top
        .get_mut("python")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        python.as_object_mut().unwrap().remove("layout");
    }
    for thread in top
        .get_mut("threads")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        thread.as_object_mut().unwrap().remove("name");
    }
    report
}

fn assert_same(core: Value, dump: Value, what: &str) {
    let (core, dump) = (comparable(core), comparable(dump));
    if core != dump {
        let text = |value: &Value| serde_json::to_string_pretty(value).unwrap();
        let (core, dump) = (text(&core), text(&dump));
        let differs = core
            .lines()
            .zip(dump.lines())
            .position(|(a, b)| a != b)
            .unwrap_or_default();
        let near = |text: &str| {
            text.lines()
                .skip(differs.saturating_sub(12))
                .take(24)
                .collect::<Vec<_>>()
                .join("\n")
        };
        panic!("{what}: line {differs}\ncore:\n{}\ndump:\n{}", near(&core), near(&dump));
    }
}

pub fn notes(report: &Value) -> String {
    report["notes"].to_string()
}

pub fn python_frames(report: &Value) -> Vec<String> {
    let frames = report["threads"][0]["frames"].as_array();
    let frames = frames.into_iter().flatten().filter(|frame| frame["kind"] == "python");
    frames
        .map(|frame| format!("{}:{}", frame["function"], frame["line"]))
        .collect()
}

fn newest() -> Option<Python> {
    let newest = pythons().pop();
    if newest.is_none() {
        skip("no CPython to leave a core");
    }
    newest.filter(|_| kernel_writes_cores())
}

#[test]
fn a_core_says_what_the_dump_of_the_same_crash_says() {
    if !kernel_writes_cores() {
        return;
    }
    for python in pythons() {
        for sample in ["null_pointer.py", "thread.py", "generator.py", "callback.py"] {
            let crash = crash(&python.executable, sample, DEFAULT_FILTER);
            let core = report(
                &crash.folder,
                &[crash.core.as_os_str(), "--source-root".as_ref(), "/".as_ref()],
            );
            let dump = report(&crash.folder, &[&crash.dump]);
            assert_eq!(core["input"]["kind"], "core");
            assert!(python_frames(&core).len() > 1, "{}", core["threads"][0]);
            assert_same(core, dump, &format!("{sample} on {}", python.version));
        }
    }
}

#[test]
fn python_frames_alone() {
    let Some(python) = newest() else { return };
    // In the second, what the core names as the signal is what a handler raised after the fault.
    for sample in ["thread.py", "with_faulthandler.py", "abort.py"] {
        let crash = crash(&python.executable, sample, DEFAULT_FILTER);
        let whole = report(&crash.folder, &[&crash.core]);
        let alone = report(&crash.folder, &[crash.core.as_os_str(), "--no-native".as_ref()]);
        assert_eq!(alone["crash"], whole["crash"], "{sample}");
        let threads = |report: &Value| report["threads"].as_array().unwrap().clone();
        assert_eq!(threads(&alone).len(), threads(&whole).len(), "{sample}");
        for (alone, mut whole) in threads(&alone).into_iter().zip(threads(&whole)) {
            let frames = whole["frames"].as_array_mut().unwrap();
            frames.retain(|frame| frame["kind"] == "python");
            // What a thread does is told by its native frames.
            whole.as_object_mut().unwrap().remove("state");
            let mut alone = alone;
            alone.as_object_mut().unwrap().remove("state");
            assert_eq!(alone, whole, "{sample}");
        }
        assert!(python_frames(&alone).len() > 1 || sample == "abort.py", "{sample}");
    }
}

#[test]
fn whatever_the_filter_leaves_out() {
    let Some(python) = newest() else { return };
    // No build ids; only what is private and anonymous; everything.
    for (filter, is_noted) in [("0x23", true), ("0x01", true), ("0x7f", false)] {
        let crash = crash(&python.executable, "null_pointer.py", filter);
        let core = report(
            &crash.folder,
            &[crash.core.as_os_str(), "--source-root".as_ref(), "/".as_ref()],
        );
        assert_eq!(
            notes(&core).contains("build ids of"),
            is_noted,
            "{filter}: {}",
            notes(&core)
        );
        assert_same(core, report(&crash.folder, &[&crash.dump]), filter);
        if filter == "0x23" {
            // Files that are not there, and files that are not these.
            let root = Folder::new();
            let arguments = [crash.core.as_os_str(), "--sysroot".as_ref(), root.path().as_os_str()];
            let without = report(&crash.folder, &arguments);
            assert!(notes(&without).contains("no file can be told"), "{}", notes(&without));
            assert_eq!(python_frames(&without), Vec::<String>::new());
            copy_as("/bin/sh".as_ref(), &root, &python.library);
            let other = report(&crash.folder, &arguments);
            assert!(notes(&other).contains("no file can be told"), "{}", notes(&other));
            assert_eq!(other["threads"], without["threads"]);
        }
    }
}

/// Puts a file below `root` where another one would lie.
pub fn copy_as(file: &Path, root: &Folder, place: &Path) {
    let place = root.path().join(place.strip_prefix("/").unwrap());
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::copy(file, place).unwrap();
}

#[test]
fn files_that_are_gone_replaced_or_given_by_hand() {
    let Some(python) = newest() else { return };
    let crash = crash(&python.executable, "null_pointer.py", DEFAULT_FILTER);
    let root = Folder::new();
    let arguments = |more: &[&Path]| -> Value {
        let mut arguments = vec![crash.core.as_os_str()];
        arguments.extend(more.iter().map(|path| path.as_os_str()));
        arguments.extend(["--sysroot".as_ref(), root.path().as_os_str()]);
        report(&crash.folder, &arguments)
    };
    let whole = report(&crash.folder, &[&crash.core]);

    let gone = arguments(&[]);
    // What the instruction was is in a file.
    let mut crash_alone = whole["crash"].clone();
    crash_alone["instruction"]
        .as_object_mut()
        .unwrap()
        .retain(|key, _| key == "address");
    assert_eq!(gone["crash"], crash_alone);
    assert!(notes(&gone).contains("is needed"), "{}", notes(&gone));
    assert_eq!(python_frames(&gone), Vec::<String>::new());

    copy_as("/bin/sh".as_ref(), &root, &python.library);
    let replaced = arguments(&[]);
    assert!(
        notes(&replaced).contains("is another build than"),
        "{}",
        notes(&replaced)
    );
    assert_eq!(python_frames(&replaced), Vec::<String>::new());

    let by_hand = arguments(&[&python.library]);
    assert_eq!(python_frames(&by_hand), python_frames(&whole));
    let wrong = report(&crash.folder, &[crash.core.as_os_str(), "/bin/sh".as_ref()]);
    assert!(notes(&wrong).contains("is not what left the core"), "{}", notes(&wrong));
    assert_eq!(wrong["threads"], whole["threads"]);
    let script = crash.folder.join("script");
    fs::write(&script, format!("#!{}\n", python.library.display())).unwrap();
    let by_script = arguments(&[&script]);
    assert_eq!(python_frames(&by_script), python_frames(&whole));
    let text = repository("samples/null_pointer.py");
    let (output, _) = analyze(&crash.folder, &[&crash.core, &text]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("EXECUTABLE is the program"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn compressed_and_from_a_pipe() {
    let Some(python) = newest() else { return };
    let crash = crash(&python.executable, "null_pointer.py", DEFAULT_FILTER);
    let whole = comparable(report(&crash.folder, &[&crash.core]));
    let good = fs::read(&crash.core).unwrap();
    for tool in ["gzip", "zstd", "xz", "lz4"] {
        if !has(tool) {
            continue;
        }
        // Not named for what it is.
        let packed = crash.folder.join("packed");
        // Two frames or members, one after the other, are one file.
        let halves = good.split_at(good.len() / 3 + 5);
        fs::write(&packed, [pack(tool, halves.0), pack(tool, halves.1)].concat()).unwrap();
        assert!(comparable(report(&crash.folder, &[&packed])) == whole, "{tool}");
        let bytes = fs::read(&packed).unwrap();
        assert!(comparable(piped(&crash.folder, &bytes)) == whole, "{tool} from a pipe");
        // What is cut off is noted.
        let (cut, _) = analyze(&crash.folder, &[&truncated(&packed, bytes.len() as u64 * 2 / 3)]);
        assert!(cut.status.success(), "{tool}: {}", stderr(&cut));
        assert!(String::from_utf8_lossy(&cut.stdout).contains("cut short"), "{tool}");
    }
    assert!(comparable(piped(&crash.folder, &good)) == whole, "from a pipe");
    let dump = report(&crash.folder, &[&crash.dump]);
    let piped_dump = piped(&crash.folder, &fs::read(&crash.dump).unwrap());
    assert_eq!(comparable(piped_dump), comparable(dump));
    let arguments = ["packed", "--max-core-size", "1000000"];
    let (limited, _) = analyze(&crash.folder, &arguments);
    assert!(String::from_utf8_lossy(&limited.stdout).contains("--max-core-size"));
}

fn pack(tool: &str, bytes: &[u8]) -> Vec<u8> {
    let folder = Folder::new();
    fs::write(folder.join("bytes"), bytes).unwrap();
    let mut process = bare(tool.as_ref(), &folder);
    process.args(["-1", "-c", "bytes"]);
    let output = output(process);
    assert!(output.status.success(), "{tool}");
    output.stdout
}

/// `coldframe analyze -` with these bytes coming through a pipe.
fn piped(folder: &Folder, bytes: &[u8]) -> Value {
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process.args(["analyze", "--format", "json", "-"]);
    process.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = process.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // In odd pieces, as pipes deliver.
    for piece in bytes.chunks(65_521) {
        stdin.write_all(piece).unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn truncated(path: &Path, len: u64) -> PathBuf {
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(len)
        .unwrap();
    path.to_path_buf()
}

#[test]
fn truncated_anywhere() {
    let Some(python) = newest() else { return };
    let crash = crash(&python.executable, "thread.py", DEFAULT_FILTER);
    let len = fs::metadata(&crash.core).unwrap().len();
    let mut lengths: Vec<u64> = (0..24).map(|i| len * (24 - i) / 24 - i * 7 - 1).collect();
    lengths.extend((0..16).map(|i| 16_384 * (16 - i) / 16));
    lengths.extend([100, 64, 63, 20, 5, 4, 1, 0]);
    let mut with_threads = 0;
    for len in lengths {
        let (output, report) = analyze(&crash.folder, &[&truncated(&crash.core, len)]);
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 1)), "{len} bytes: {code:?} {}", stderr(&output));
        if code == Some(0) {
            assert!(notes(&report).contains("cut short"), "{len} bytes: {}", notes(&report));
            assert_eq!(report["crash"]["signal"], "SIGSEGV");
            with_threads += 1;
        }
    }
    assert!(with_threads > 20, "{with_threads}");
}

#[test]
fn bytes_that_lie() {
    let Some(python) = newest() else { return };
    let crash = crash(&python.executable, "null_pointer.py", DEFAULT_FILTER);
    let good = fs::read(&crash.core).unwrap();
    let path = crash.folder.join("bad");
    fs::write(&path, &good).unwrap();
    let file = fs::File::options().read(true).write(true).open(&path).unwrap();
    let mut seed = 42u64;
    let mut random = |below: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    use std::os::unix::fs::FileExt;
    for _ in 0..2_000 {
        // In the headers and notes, which come first, eight at most.
        let places: Vec<usize> = (0..1 + random(8)).map(|_| random(16_000)).collect();
        for &place in &places {
            let value = [0, 0xff, 0x7f, random(256) as u8][random(4)];
            file.write_all_at(&[value], place as u64).unwrap();
        }
        // Whatever it says, it ends.
        if let Ok(input) = Input::open(&path, unpack::DEFAULT_LIMIT) {
            let target = input.target();
            assert!(target.threads().len() < 100);
            assert!(target.modules().iter().count() < 1000);
        }
        for &place in &places {
            file.write_all_at(&good[place..=place], place as u64).unwrap();
        }
    }
    assert_eq!(fs::read(&path).unwrap(), good);
}

#[test]
fn a_snapshot_by_gcore() {
    const PROGRAM: &str = "
import sys, threading
stop = threading.Event()
def wait(): stop.wait()
threading.Thread(target=wait, daemon=True).start()
def f(x):
    print('ready', flush=True)
    sys.stdin.read()
f([1, 'two'])
";
    if !has("gcore") {
        return;
    }
    for python in pythons().into_iter().filter(|python| !python.is_foreign()) {
        let folder = Folder::new();
        let program = Running::python(&python.executable, PROGRAM);
        let pid = program.pid().to_string();
        // Into the read.
        std::thread::sleep(std::time::Duration::from_millis(100));
        let live = report(&folder, &["--pid", &pid]);
        let mut process = bare("gcore".as_ref(), &folder);
        process
            .args(["-o", "core", &pid])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if !process.status().unwrap().success() {
            return skip("gcore fails here");
        }
        let core = folder.join(format!("core.{pid}"));
        let core = report(&folder, &[core.as_os_str(), "--source-root".as_ref(), "/".as_ref()]);
        assert!(core["crash"].is_null());
        assert_same(core, live, &python.version.to_string());
    }
}
