//! Real crashes under `run`: the status stays, the report comes once.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Output;

use coldframe::capture::record::Record;
use coldframe_handler::IMAGE_NAME;
use coldframe_handler::wire::HelperFailure;

use crate::support::{Folder, bare, coldframe_run, output, python, reports, stderr};

fn run_python(folder: &Folder, arguments: &[&str]) -> Option<Output> {
    let python = python()?;
    let mut command = vec![python.to_str().expect("a path")];
    command.extend(arguments);
    Some(output(coldframe_run(folder, &command)))
}

fn run_c(name: &str, source: &str, flags: &[&str]) -> Option<(Folder, Output)> {
    let folder = Folder::new();
    let program = folder.compile("gcc", name, source, flags)?;
    let result = output(coldframe_run(&folder, &[program]));
    Some((folder, result))
}

/// Asserts the signal and that there is exactly one report, and returns its crash.
fn one_report(result: &Output, signal: i32) -> serde_json::Value {
    assert_eq!(result.status.signal(), Some(signal), "{}", stderr(result));
    let reports = reports(result);
    assert_eq!(reports.len(), 1, "{}", stderr(result));
    assert_eq!(reports[0]["crash"]["signal"], signal);
    reports[0]["crash"].clone()
}

#[test]
fn a_null_pointer_in_python() {
    let folder = Folder::new();
    let Some(result) = run_python(&folder, &["-c", "import ctypes; ctypes.string_at(0)"]) else {
        return;
    };
    let crash = one_report(&result, libc::SIGSEGV);
    assert_eq!(crash["address"], "0x0");
    assert_eq!(stderr(&result).lines().count(), 1, "{}", stderr(&result));
    assert!(result.stdout.is_empty());
}

#[test]
fn through_whatever_python3_is() {
    let folder = Folder::new();
    if !crate::support::has("python3") {
        return;
    }
    let result = output(coldframe_run(
        &folder,
        &["python3", "-c", "import ctypes; ctypes.string_at(0)"],
    ));
    one_report(&result, libc::SIGSEGV);
}

#[test]
fn faulthandler_still_reports() {
    let folder = Folder::new();
    let crash = [
        "-X",
        "faulthandler",
        "-c",
        "import ctypes; ctypes.string_at(0)",
    ];
    let Some(result) = run_python(&folder, &crash) else {
        return;
    };
    one_report(&result, libc::SIGSEGV);
    assert!(
        stderr(&result).contains("Fatal Python error: Segmentation fault"),
        "{}",
        stderr(&result)
    );
    assert!(stderr(&result).contains("string_at"), "{}", stderr(&result));
}

#[test]
fn abort_fpe_and_a_sent_signal() {
    let folder = Folder::new();
    let Some(result) = run_python(&folder, &["-c", "import os; os.abort()"]) else {
        return;
    };
    one_report(&result, libc::SIGABRT);
    let script = "import os,signal; os.kill(os.getpid(), signal.SIGFPE)";
    let Some(result) = run_python(&folder, &["-c", script]) else {
        return;
    };
    let crash = one_report(&result, libc::SIGFPE);
    assert_eq!(crash["sender"]["pid"], crash["pid"]);
}

#[test]
fn a_handler_of_the_programs_own_is_left_alone() {
    const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <ucontext.h>
static void handler(int sig, siginfo_t *info, void *context) {
    char text[100];
    void *pc = (void *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    int n = snprintf(text, sizeof text, "%d %d %p %d\n", sig, info->si_code, info->si_addr, pc != 0);
    write(1, text, n);
    _exit(7);
}
int main(void) {
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &action, 0);
    *(volatile int *)0x123450 = 1;
}
"#;
    // A handler set by the program replaces ours, as it must: the program deals with its own faults.
    let Some((_folder, result)) = run_c("own_handler", SOURCE, &[]) else {
        return;
    };
    assert_eq!(result.status.code(), Some(7), "{}", stderr(&result));
    assert_eq!(String::from_utf8_lossy(&result.stdout), "11 1 0x123450 1\n");
    assert!(reports(&result).is_empty());
}

#[test]
fn a_handler_from_before_runs_after_the_capture() {
    const LIBRARY: &str = r#"
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
static void handler(int sig, siginfo_t *info, void *context) {
    char text[100];
    int n = snprintf(text, sizeof text, "%d %d %p\n", sig, info->si_code, info->si_addr);
    write(1, text, n);
    _exit(7);
}
__attribute__((constructor)) static void early(void) {
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &action, 0);
}
"#;
    let folder = Folder::new();
    let Some(library) = folder.compile("gcc", "early.so", LIBRARY, &["-shared", "-fPIC"]) else {
        return;
    };
    assert!(
        output(coldframe_run(&folder, &["/bin/true"]))
            .status
            .success()
    );
    let handler = find(&folder.join("cache"), IMAGE_NAME).expect("an extracted handler");
    // Preloaded, it would be initialised before or after ours as the loader likes; so both are loaded late, in order.
    const LATE: &str = r#"
#include <dlfcn.h>
int main(int argc, char **argv) {
    dlopen(argv[1], RTLD_NOW);
    dlopen(argv[2], RTLD_NOW);
    *(volatile int *)0x123450 = 1;
}
"#;
    let Some(late) = folder.compile("gcc", "late", LATE, &["-ldl"]) else {
        return;
    };
    let mut process = bare(late.as_os_str(), &folder);
    process
        .arg(&library)
        .arg(&handler)
        .env("COLDFRAME_DIR", folder.join("dumps"));
    let result = output(process);
    assert_eq!(result.status.code(), Some(7), "{}", stderr(&result));
    assert_eq!(String::from_utf8_lossy(&result.stdout), "11 1 0x123450\n");
    assert_eq!(
        reports(&result).len(),
        1,
        "printed by the helper itself: {}",
        stderr(&result)
    );
}

#[test]
fn called_as_a_plain_function_by_a_handler_that_came_after() {
    // What runtimes do that chain by hand; one of them passes the signal number alone.
    const SOURCE: &str = r#"
#include <signal.h>
#include <unistd.h>
static struct sigaction old;
static void handler(int sig, siginfo_t *info, void *context) {
    write(1, "mine\n", 5);
    if (FULL) old.sa_sigaction(sig, info, context); else old.sa_handler(sig);
}
int main(void) {
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &action, &old);
    *(volatile int *)0x123450 = 1;
}
"#;
    for full in ["-DFULL=1", "-DFULL=0"] {
        let Some((_folder, result)) = run_c("chained", SOURCE, &[full]) else {
            return;
        };
        assert_eq!(String::from_utf8_lossy(&result.stdout), "mine\n");
        one_report(&result, libc::SIGSEGV);
    }
}

/// The first file of that name below a folder.
fn find(folder: &Path, name: &str) -> Option<std::path::PathBuf> {
    fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            find(&path, name)
        } else {
            (path.file_name()? == name).then_some(path)
        }
    })
}

#[test]
fn a_stack_overflow_in_any_thread() {
    const SOURCE: &str = r"
#include <pthread.h>
#include <string.h>
static volatile int depth;
static int recurse(int n) { volatile char frame[1000]; memset((char *)frame, n, sizeof frame); depth = n; return recurse(n + 1) + frame[5]; }
static void *thread(void *argument) { return (void *)(long)recurse(0); }
int main(int argc, char **argv) {
    if (WHERE == 0) return recurse(0);
    pthread_t id;
    pthread_create(&id, 0, thread, 0);
    pthread_join(id, 0);
}
";
    for place in ["-DWHERE=0", "-DWHERE=1"] {
        let Some((_folder, result)) = run_c("overflow", SOURCE, &[place, "-pthread", "-O0"]) else {
            return;
        };
        let crash = one_report(&result, libc::SIGSEGV);
        assert_eq!(crash["tid"] == crash["pid"], place == "-DWHERE=0");
    }
}

#[test]
fn eight_threads_at_once() {
    const SOURCE: &str = r"
#include <pthread.h>
static pthread_barrier_t barrier;
static void *thread(void *argument) { pthread_barrier_wait(&barrier); *(volatile int *)0 = 1; return 0; }
int main(void) {
    pthread_t id;
    pthread_barrier_init(&barrier, 0, 8);
    for (int i = 0; i < 7; i++) pthread_create(&id, 0, thread, 0);
    thread(0);
}
";
    for _ in 0..5 {
        let Some((_folder, result)) = run_c("eight", SOURCE, &["-pthread"]) else {
            return;
        };
        one_report(&result, libc::SIGSEGV);
    }
}

#[test]
fn with_sigchld_ignored_and_no_descriptor_left() {
    const SOURCE: &str = r"
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
int main(void) {
    signal(SIGCHLD, SIG_IGN);
    while (dup(0) >= 0) {}
    abort();
}
";
    let Some((_folder, result)) = run_c("exhausted", SOURCE, &[]) else {
        return;
    };
    one_report(&result, libc::SIGABRT);
}

#[test]
fn a_crash_in_a_forked_and_in_a_vforked_child() {
    const SOURCE: &str = r#"
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv) {
    int status;
    pid_t child = FORK();
    if (child == 0) { *(volatile int *)8 = 1; _exit(0); }
    waitpid(child, &status, 0);
    printf("%d\n", WTERMSIG(status));
    fflush(stdout);
    *(volatile int *)16 = 1;
}
"#;
    for call in ["-DFORK=fork", "-DFORK=vfork"] {
        let Some((_folder, result)) = run_c("forks", SOURCE, &[call]) else {
            return;
        };
        assert_eq!(String::from_utf8_lossy(&result.stdout), "11\n");
        assert_eq!(result.status.signal(), Some(libc::SIGSEGV));
        let addresses: Vec<_> = reports(&result)
            .iter()
            .map(|report| report["crash"]["address"].clone())
            .collect();
        assert_eq!(addresses, ["0x8", "0x10"], "{call}: {}", stderr(&result));
    }
}

#[test]
fn what_the_program_limited_does_not_limit_the_helper() {
    const SOURCE: &str = r"
#include <stdlib.h>
#include <sys/resource.h>
int main(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = 16 << 20;
    setrlimit(RLIMIT_AS, &limit);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 0;
    setrlimit(RLIMIT_FSIZE, &limit);
    abort();
}
";
    let Some((_folder, result)) = run_c("limits", SOURCE, &[]) else {
        return;
    };
    one_report(&result, libc::SIGABRT);
}

#[test]
fn a_missing_helper_leaves_a_record_and_the_status() {
    const SOURCE: &str = r"int main(void) { *(volatile int *)0x18 = 1; }";
    let folder = Folder::new();
    let Some(program) = folder.compile("gcc", "lonely", SOURCE, &[]) else {
        return;
    };
    assert!(
        output(coldframe_run(&folder, &["/bin/true"]))
            .status
            .success()
    );
    let handler = find(&folder.join("cache"), IMAGE_NAME).expect("an extracted handler");
    fs::remove_file(handler.with_file_name("coldframe")).expect("remove the helper");
    let mut process = bare(program.as_os_str(), &folder);
    process
        .env("LD_PRELOAD", &handler)
        .env("COLDFRAME_DIR", folder.join("dumps"));
    let result = output(process);
    assert_eq!(result.status.signal(), Some(libc::SIGSEGV));
    let file = fs::read_dir(folder.join("dumps"))
        .expect("a folder")
        .flatten()
        .next()
        .expect("a record")
        .path();
    let name = file
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    assert!(
        name.starts_with("lonely-") && name.ends_with(".rec"),
        "{name}"
    );
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).expect("it").permissions())
            & 0o777,
        0o600
    );

    let record = record(&folder);
    assert_eq!(record.failure, Some(HelperFailure::Exec));
    assert_eq!(record.failure_detail, libc::ENOENT);
    assert!(record.stack.len() >= 512, "{}", record.stack.len());
    assert_eq!(record.stack_address, record.request.registers[7]);
    assert!(String::from_utf8_lossy(&record.maps).contains("lonely"));
    assert_eq!(
        (record.request.signal, record.request.address),
        (libc::SIGSEGV, Some(0x18))
    );
    assert_eq!(record.request.program, "lonely");
}

/// Installs a seccomp filter that answers EPERM to one system call, then crashes.
const FILTERED: &str = r"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
int main(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DENIED, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { 4, code };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 3;
    *(volatile int *)0x28 = 1;
}
";

#[test]
fn with_system_calls_that_containers_filter() {
    for call in [
        "process_vm_readv",
        "close_range",
        "prctl",
        "setsid",
        "prlimit64",
        "rt_tgsigqueueinfo",
        "tgkill",
    ] {
        let flag = format!("-DDENIED=SYS_{call}");
        let Some((_folder, result)) = run_c("filtered", FILTERED, &[&flag]) else {
            return;
        };
        let crash = one_report(&result, libc::SIGSEGV);
        assert_eq!(crash["address"], "0x28", "{call}");
    }
}

/// The only record in the dump folder.
fn record(folder: &Folder) -> Record {
    let mut files = fs::read_dir(folder.join("dumps"))
        .expect("a dump folder")
        .flatten();
    let file = files.next().expect("a record").path();
    assert!(files.next().is_none());
    Record::parse(&fs::read(file).expect("its content")).expect("a valid record")
}

#[test]
fn without_clone_or_execve_a_record_is_left() {
    for (call, failure) in [
        ("clone", HelperFailure::Clone),
        ("execve", HelperFailure::Exec),
    ] {
        let flag = format!("-DDENIED=SYS_{call}");
        let Some((folder, result)) = run_c("filtered", FILTERED, &[&flag]) else {
            return;
        };
        assert_eq!(result.status.signal(), Some(libc::SIGSEGV), "{call}");
        let record = record(&folder);
        assert_eq!(
            (record.failure, record.failure_detail),
            (Some(failure), libc::EPERM)
        );
        assert!(reports(&result).is_empty());
    }
}

#[test]
fn a_process_that_is_not_dumpable_leaves_the_record_alone() {
    const SOURCE: &str = r"
#include <sys/prctl.h>
#include <unistd.h>
int main(void) {
    if (getuid() == 0 && (setgid(65534) || setuid(65534))) return 3;
    prctl(PR_SET_DUMPABLE, 0);
    *(volatile int *)0x28 = 1;
}
";
    let folder = Folder::new();
    let Some(program) = folder.compile("gcc", "private", SOURCE, &[]) else {
        return;
    };
    fs::create_dir(folder.join("dumps")).expect("a folder");
    fs::set_permissions(
        folder.join("dumps"),
        std::os::unix::fs::PermissionsExt::from_mode(0o1777),
    )
    .expect("its mode");
    let result = output(coldframe_run(&folder, &[program]));
    assert_eq!(result.status.signal(), Some(libc::SIGSEGV));
    let record = record(&folder);
    assert_eq!(
        (record.failure, record.failure_detail),
        (Some(HelperFailure::Exited), 1)
    );
}

#[test]
fn a_child_that_gave_up_root_is_captured() {
    const SOURCE: &str = r"
#include <unistd.h>
int main(int argc, char **argv) {
    if (argc > 1) { *(volatile int *)0x28 = 1; }
    if (setgid(65534) || setuid(65534)) return 3;
    execl(argv[0], argv[0], argv[0], (char *)0);
}
";
    if !nix::unistd::geteuid().is_root() {
        return crate::support::skip("only root can give root up");
    }
    let Some((_folder, result)) = run_c("dropped", SOURCE, &[]) else {
        return;
    };
    one_report(&result, libc::SIGSEGV);
}

#[test]
fn a_signal_from_another_process_has_its_sender() {
    let folder = Folder::new();
    let result = output(coldframe_run(
        &folder,
        &["sh", "-c", "sleep 60 & kill -SEGV $!; wait $!; echo $? $$"],
    ));
    let text = String::from_utf8_lossy(&result.stdout).into_owned();
    let (status, shell) = text.trim().split_once(' ').expect("two numbers");
    assert_eq!(status, "139");
    let reports = reports(&result);
    assert_eq!(reports.len(), 1, "{}", stderr(&result));
    assert_eq!(reports[0]["crash"]["sender"]["pid"].to_string(), shell);
}

#[test]
fn pid_1_is_still_shielded_from_signals_it_does_not_handle() {
    if !crate::support::can_unshare(&["--pid", "--fork", "--mount-proc"]) {
        return;
    }
    let folder = Folder::new();
    let script = "sh -c 'kill -SEGV 1; kill -ABRT 1; sleep 0.2'; exit 11";
    let command = [
        "unshare",
        "--pid",
        "--fork",
        "--mount-proc",
        "sh",
        "-c",
        script,
    ];
    let result = output(coldframe_run(&folder, &command));
    assert_eq!(result.status.code(), Some(11), "{}", stderr(&result));
    assert!(reports(&result).is_empty());
}

#[test]
fn a_stack_overflow_in_a_python_thread() {
    let folder = Folder::new();
    let script = "import faulthandler, threading\n\
        thread = threading.Thread(target=faulthandler._stack_overflow)\n\
        thread.start(); thread.join()";
    let Some(result) = run_python(&folder, &["-c", script]) else {
        return;
    };
    let crash = one_report(&result, libc::SIGSEGV);
    assert_ne!(crash["tid"], crash["pid"]);
}

#[test]
fn a_run_inside_a_run_reports_once() {
    let folder = Folder::new();
    let command = [
        crate::support::COLDFRAME,
        "run",
        "--",
        "sh",
        "-c",
        "kill -SEGV $$",
    ];
    one_report(&output(coldframe_run(&folder, &command)), libc::SIGSEGV);
}
