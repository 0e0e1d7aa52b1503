//! Folders, tools, and running coldframe.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use coldframe::source::record::Record;

/// A folder that is removed with its content.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        Self::below(Path::new("/tmp"))
    }

    pub fn below(base: &Path) -> Self {
        let name = format!("coldframe-test-{:016x}", RandomState::new().build_hasher().finish());
        let path = base.canonicalize().expect("a base folder").join(name);
        fs::create_dir(&path).expect("a fresh folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// Writes and compiles a C program; `None`, after a SKIP line, where the compiler is missing.
    pub fn compile(&self, compiler: &str, name: &str, source: &str, flags: &[&str]) -> Option<PathBuf> {
        if !has(compiler) {
            return None;
        }
        let (file, program) = (self.join(format!("{name}.c")), self.join(name));
        fs::write(&file, source).expect("the source");
        let output = Command::new(compiler)
            .arg(&file)
            .arg("-o")
            .arg(&program)
            .args(flags)
            .output()
            .expect("a compiler");
        assert!(
            output.status.success(),
            "{compiler}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Some(program)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Says that a test cannot run here, and fails where that is not allowed.
pub fn skip(what: &str) {
    // Past the test harness, which shows the output of failed tests only.
    let _ = writeln!(std::io::stderr(), "SKIP: {what}");
    assert!(
        env::var_os("COLDFRAME_REQUIRE_TOOLS").is_none_or(|value| value != "1"),
        "required but missing: {what}"
    );
}

/// Whether a program is in PATH; if not, prints a SKIP line.
pub fn has(tool: &str) -> bool {
    let found = env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(tool).is_file());
    if !found {
        skip(&format!("{tool} is not installed"));
    }
    found
}

/// The real interpreter behind `python3`, which may be a shim.
pub fn python() -> Option<PathBuf> {
    if !has("python3") {
        return None;
    }
    let output = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .expect("python3");
    Some(String::from_utf8(output.stdout).expect("a path").trim().into())
}

/// Whether unshare(1) can do this here; if not, prints a SKIP line.
pub fn can_unshare(flags: &[&str]) -> bool {
    if !has("unshare") {
        return false;
    }
    let allowed = Command::new("unshare")
        .args(flags)
        .arg("true")
        .output()
        .is_ok_and(|output| output.status.success());
    if !allowed {
        skip(&format!("unshare {} is not permitted", flags.join(" ")));
    }
    allowed
}

pub const COLDFRAME: &str = env!("CARGO_BIN_EXE_coldframe");

/// `coldframe run --report json -o FOLDER/dumps -- ...`, with the cache in the folder.
pub fn coldframe_run<A: AsRef<OsStr>>(folder: &Folder, command: &[A]) -> Command {
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process
        .args(["run", "--report", "json", "-o"])
        .arg(folder.join("dumps"))
        .arg("--")
        .args(command);
    process
}

/// A program with the cache in the folder and no other variable of ours.
pub fn bare(program: &OsStr, folder: &Folder) -> Command {
    let mut process = Command::new(program);
    process
        .env("COLDFRAME_CACHE", folder.join("cache"))
        .current_dir(folder.path())
        .stdin(Stdio::null());
    for name in [
        "BUILD_TAG",
        "CI_PIPELINE_ID",
        "CI_PROJECT_DIR",
        "COLDFRAME_ARGS",
        "COLDFRAME_DIR",
        "COLDFRAME_EXCEPTIONS",
        "COLDFRAME_IGNORE",
        "COLDFRAME_LOCALS",
        "COLDFRAME_MAX_BYTES",
        "COLDFRAME_MAX_DUMPS",
        "COLDFRAME_ONLY",
        "COLDFRAME_REDACT",
        "COLDFRAME_REPORT",
        "COLDFRAME_SANITIZE_STACKS",
        "COLDFRAME_SUPERVISOR",
        "COLDFRAME_TEST_LOG",
        "DEBUGINFOD_URLS",
        "GITHUB_ACTIONS",
        "GITHUB_RUN_ID",
        "GITHUB_STEP_SUMMARY",
        "GITHUB_WORKSPACE",
        "LD_PRELOAD",
        "PYTHONFAULTHANDLER",
    ] {
        process.env_remove(name);
    }
    process
}

/// Copies a file to one that can be run at once. In another process: as long as a child that another test starts at that
/// moment has the new file open for writing, nobody can execute it (execve(2), ETXTBSY).
pub fn copy_program(from: &Path, to: &Path) {
    let status = Command::new("install").args(["-m", "755"]).args([from, to]).status();
    assert!(status.expect("install").success(), "{}", to.display());
}

/// Makes a file that can be run at once.
pub fn write_program(path: &Path, content: impl AsRef<[u8]>) {
    let draft = path.with_extension("draft");
    fs::write(&draft, content).expect("a draft");
    copy_program(&draft, path);
    fs::remove_file(draft).expect("the draft");
}

pub fn output(mut process: Command) -> Output {
    process.output().expect("the program runs")
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What `coldframe analyze` prints.
pub fn analyze(dump: &Path, options: &[&str]) -> String {
    let mut process = Command::new(COLDFRAME);
    process.arg("analyze").args(options).arg(dump);
    String::from_utf8_lossy(&output(process).stdout).into_owned()
}

/// The reports on stderr, one for each line that is one.
pub fn reports(output: &Output) -> Vec<serde_json::Value> {
    let lines = stderr(output);
    lines
        .lines()
        .filter(|line| line.contains("coldframe-report/"))
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

pub fn run_python(folder: &Folder, arguments: &[&str]) -> Option<Output> {
    let python = python()?;
    let mut command = vec![python.to_str().expect("a path")];
    command.extend(arguments);
    Some(output(coldframe_run(folder, &command)))
}

pub fn run_c(name: &str, source: &str, flags: &[&str]) -> Option<(Folder, Output)> {
    let folder = Folder::new();
    let program = folder.compile("gcc", name, source, flags)?;
    let result = output(coldframe_run(&folder, &[program]));
    Some((folder, result))
}

/// Asserts the signal and that there is exactly one report, and returns its crash.
pub fn one_report(result: &Output, signal: i32) -> serde_json::Value {
    assert_eq!(result.status.signal(), Some(signal), "{}", stderr(result));
    let reports = reports(result);
    assert_eq!(reports.len(), 1, "{}", stderr(result));
    assert_eq!(reports[0]["crash"]["number"], signal);
    reports[0]["crash"].clone()
}

/// The first file of that name below a folder: in it rather than further below.
pub fn find(folder: &Path, name: &str) -> Option<std::path::PathBuf> {
    if folder.join(name).is_file() {
        return Some(folder.join(name));
    }
    let entries = fs::read_dir(folder).ok()?.flatten();
    let mut folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.find_map(|entry| find(&entry.path(), name))
}

/// The only record in the dump folder.
pub fn record(folder: &Folder) -> Record {
    let mut files = fs::read_dir(folder.join("dumps")).expect("a dump folder").flatten();
    let file = files.next().expect("a record").path();
    assert!(files.next().is_none());
    Record::parse(&fs::read(file).expect("its content")).expect("a valid record")
}
