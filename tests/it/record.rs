//! What is left where no helper could run: a record, a line that says so, and a report of what it holds.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use coldframe_handler::IMAGE_NAME;
use serde_json::Value;

use crate::harness::{COLDFRAME, Folder, bare, coldframe_run, find, output, python, record, reports, stderr};

const SOURCE: &str = "
#include <unistd.h>
__attribute__((noinline)) void inner(volatile int *p) { *p = 1; }
__attribute__((noinline)) void middle(long n) { inner((int *)n); usleep(0); }
int main(int argc, char **argv) { middle(0x18); return 0; }
";

/// Runs a program whose handler finds no helper, and returns the only record.
fn crash_without_helper(folder: &Folder, command: &[OsString]) -> PathBuf {
    crash_and_print(folder, command).0
}

/// The same, and what it printed. A secret is in its environment.
fn crash_and_print(folder: &Folder, command: &[OsString]) -> (PathBuf, String) {
    assert!(output(coldframe_run(folder, &["/bin/true"])).status.success());
    let handler = find(&folder.join("cache"), IMAGE_NAME).expect("an extracted handler");
    // In place: the name under which the handler looks, without the file.
    let _ = fs::remove_file(handler.with_file_name("coldframe"));
    // Files as new as the crash, by the clock that stamps them, are not trusted to be unchanged since.
    std::thread::sleep(Duration::from_millis(30));
    let mut process = bare(&command[0], folder);
    process
        .args(&command[1..])
        .env("LD_PRELOAD", &handler)
        .env("SERVICE_PASSWORD", "Zq7-environment")
        .env("COLDFRAME_DIR", folder.join("dumps"));
    let result = output(process);
    assert_eq!(result.status.signal(), Some(libc::SIGSEGV));
    let printed = String::from_utf8_lossy(&result.stdout).into_owned();
    (only_file(folder, "rec"), printed)
}

fn only_file(folder: &Folder, extension: &str) -> PathBuf {
    let files = fs::read_dir(folder.join("dumps")).expect("a dump folder").flatten();
    let files: Vec<PathBuf> = files.map(|entry| entry.path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(
        files[0].extension().is_some_and(|found| found == extension),
        "{files:?}"
    );
    files[0].clone()
}

fn analyze(folder: &Folder, format: &str, file: &Path) -> Output {
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process.args(["analyze", "--format", format]).arg(file);
    let result = output(process);
    assert!(!stderr(&result).contains("panicked"), "{}", stderr(&result));
    result
}

fn json(folder: &Folder, file: &Path) -> Value {
    let result = analyze(folder, "json", file);
    assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
    serde_json::from_slice(&result.stdout).expect("JSON")
}

fn functions(report: &Value) -> Vec<&str> {
    let frames = report["threads"][0]["frames"].as_array().expect("frames");
    frames.iter().filter_map(|frame| frame["function"].as_str()).collect()
}

fn notes(report: &Value) -> String {
    report["notes"].to_string()
}

#[test]
fn a_record_of_a_c_program_has_its_native_stack() {
    let folder = Folder::new();
    let Some(program) = folder.compile("gcc", "lonely", SOURCE, &["-g", "-O1"]) else {
        return;
    };
    let record = crash_without_helper(&folder, &[program.clone().into()]);
    let report = json(&folder, &record);
    assert_eq!(report["input"]["kind"], "record");
    assert_eq!(report["crash"]["signal"], "SIGSEGV");
    assert_eq!(report["crash"]["address"], "0x18");
    assert_eq!(report["process"]["executable"], program.to_str().expect("a path"));
    assert_eq!(functions(&report)[..3], ["inner", "middle", "main"], "{report:#}");
    assert!(functions(&report).contains(&"_start"), "{report:#}");
    let line = &report["threads"][0]["frames"][0]["line"];
    assert_eq!(line, 3);
    for frame in report["threads"][0]["frames"].as_array().expect("frames") {
        assert!(frame["trust"] == "context" || frame["trust"] == "cfi", "{frame}");
    }
    let text = String::from_utf8_lossy(&analyze(&folder, "text", &record).stdout).into_owned();
    assert!(text.starts_with("coldframe: SIGSEGV at 0x18"), "{text}");
    assert!(
        text.contains("there is no dump: the helper could not be executed: No such file"),
        "{text}"
    );
    assert!(text.contains("the helper must lie beside the handler"), "{text}");
    assert!(text.contains("SUMMARY: coldframe: SIGSEGV inner (lonely)"), "{text}");
}

#[test]
fn a_file_that_changed_since_is_not_used() {
    let folder = Folder::new();
    let Some(program) = folder.compile("gcc", "lonely", SOURCE, &["-g", "-O1"]) else {
        return;
    };
    let record = crash_without_helper(&folder, &[program.clone().into()]);
    // Same path and inode, other content.
    let mut bytes = fs::read(&program).expect("the program");
    bytes.extend(b"more");
    fs::write(&program, bytes).expect("the program");
    let report = json(&folder, &record);
    assert!(!functions(&report).contains(&"inner"), "{report:#}");
    assert_eq!(
        report["threads"][0]["frames"][0]["module"],
        program.to_str().expect("a path")
    );
    assert!(
        notes(&report).contains("1 of the mapped files are not on this machine as they were"),
        "{report:#}"
    );
    // Another file under that name.
    fs::remove_file(&program).expect("it goes");
    fs::write(&program, "#!/bin/sh\n").expect("another");
    let report = json(&folder, &record);
    assert!(notes(&report).contains("1 of the mapped files are not"), "{report:#}");
}

#[test]
fn a_record_of_python_has_its_native_stack() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    let command = [
        python.into(),
        "-c".into(),
        "import ctypes; ctypes.string_at(0x18)".into(),
    ];
    let record = crash_without_helper(&folder, &command);
    let report = json(&folder, &record);
    let functions = functions(&report);
    assert!(functions[0].contains("strlen"), "{functions:?}");
    // Through libffi into the interpreter.
    assert!(functions.contains(&"ffi_call"), "{functions:?}");
    assert!(
        functions.iter().any(|name| name.contains("PyEval_EvalFrame")),
        "{functions:?}"
    );
    assert!(notes(&report).contains("no Python frames"), "{report:#}");
}

#[test]
fn broken_records_are_refused_or_analysed_in_part() {
    let folder = Folder::new();
    let Some(program) = folder.compile("gcc", "lonely", SOURCE, &[]) else {
        return;
    };
    let record = crash_without_helper(&folder, &[program.into()]);
    let whole = fs::read(&record).expect("the record");
    let broken = folder.join("broken.rec");
    for length in [8, 12, 16, 100, 1800, whole.len() / 2, whole.len() - 1] {
        fs::write(&broken, &whole[..length]).expect("a file");
        let result = analyze(&folder, "text", &broken);
        let message = stderr(&result);
        assert_eq!(result.status.code(), Some(1), "{length}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(
            message.contains("broken.rec") && message.contains("cut short"),
            "{message}"
        );
    }
    let mut other = whole.clone();
    other[8] = 77;
    fs::write(&broken, &other).expect("a file");
    let message = stderr(&analyze(&folder, "text", &broken));
    assert!(
        message.contains("version 77") && message.contains("installed there"),
        "{message}"
    );
    // Every field garbage in turn, all lists included.
    for at in (16..whole.len()).step_by(whole.len() / 60) {
        let mut bytes = whole.clone();
        let end = (at + 700).min(bytes.len());
        bytes[at..end].fill(0xff);
        fs::write(&broken, &bytes).expect("a file");
        let result = analyze(&folder, "text", &broken);
        assert!(matches!(result.status.code(), Some(0 | 1)), "{at}: {}", stderr(&result));
    }
}

/// A program that has a secret wherever a record might take it from, and prints where on the stack.
const SECRETS: &str = r#"
#include <stdio.h>
#include <string.h>
extern int coldframe_breadcrumb(const char *, size_t) __attribute__((weak));
extern int coldframe_annotate(const char *, size_t, const char *, size_t) __attribute__((weak));
int main(int argc, char **argv) {
    char text[64] = "Zq7-";
    strcat(text, argv[2]);
    printf("%lu %lu\n", (long)text, (long)argv[1]);
    fflush(stdout);
    if (!coldframe_breadcrumb(text, strlen(text)) || !coldframe_annotate("key", 3, text, strlen(text))) return 1;
    __asm__ volatile("movdqu %0, %%xmm7" : : "m"(*(char(*)[16])text) : "xmm7");
    *(volatile int *)0x18 = 1;
}
"#;

#[test]
fn a_record_has_no_text_of_the_program() {
    let folder = Folder::new();
    let Some(program) = folder.compile("gcc", "secretive", SECRETS, &[]) else {
        return;
    };
    let command = [program.as_os_str(), "Zq7-argument".as_ref(), "on-the-stack".as_ref()].map(OsString::from);
    let (file, printed) = crash_and_print(&folder, &command);
    let bytes = fs::read(&file).expect("the record");
    let record = record(&folder);
    // What is tested is there: the stack that was looked at has the texts.
    let range = record.stack_address..record.stack_address + record.stack.len() as u64;
    for address in printed.split_whitespace() {
        assert!(
            range.contains(&address.parse().expect("an address")),
            "{range:x?} {address}"
        );
    }
    assert!(record.stack.chunks(8).filter(|word| word != &[0; 8]).count() > 10);
    assert!(!bytes.windows(4).any(|window| window == b"Zq7-"), "{}", file.display());
}

/// Under `run`, a program that forbids itself to start the helper.
const FILTERED: &str = "
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
int main(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { 4, code };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 3;
    *(volatile int *)0x28 = 1;
}
";

#[test]
fn run_says_that_a_record_was_left() {
    let folder = Folder::new();
    let Some(program) = folder.compile("gcc", "filtered", FILTERED, &[]) else {
        return;
    };
    let result = output(coldframe_run(&folder, &[&program]));
    assert_eq!(result.status.signal(), Some(libc::SIGSEGV));
    assert!(reports(&result).is_empty());
    let record = only_file(&folder, "rec");
    let text = stderr(&result);
    let command = format!("coldframe analyze {}", record.display());
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.starts_with("coldframe: filtered (process ") && text.trim_end().ends_with(&command),
        "{text}"
    );
    assert!(
        text.contains("SIGSEGV") && text.contains("could not be executed: Operation not permitted"),
        "{text}"
    );
    assert!(notes(&json(&folder, &record)).contains("let the seccomp profile permit execve"));
    // Once: another run does not take it for its own, whatever the clock says.
    assert_eq!(stderr(&output(coldframe_run(&folder, &["/bin/true"]))), "");
    // Of two, both; of a child, too.
    let script = "\"$0\"; \"$0\"; exit 3";
    let command = ["/bin/sh".as_ref(), "-c".as_ref(), script.as_ref(), program.as_os_str()];
    let result = output(coldframe_run(&folder, &command));
    assert_eq!(result.status.code(), Some(3));
    assert_eq!(
        stderr(&result).matches("could not be captured").count(),
        2,
        "{}",
        stderr(&result)
    );
    // Nothing was asked for, nothing is said.
    let mut quiet = bare(COLDFRAME.as_ref(), &folder);
    quiet
        .args(["run", "--report", "none", "-o", "dumps", "--"])
        .arg(&program);
    assert_eq!(stderr(&output(quiet)), "");
}
