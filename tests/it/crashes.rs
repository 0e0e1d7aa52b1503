//! Real crashes under `run`: the status stays, the report comes once.

use coldframe_handler::IMAGE_NAME;

use crate::harness::{
    COLDFRAME, Folder, bare, can_unshare, coldframe_run, find, has, one_report, output, reports, run_c, run_python,
    stderr,
};

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
    if !has("python3") {
        return;
    }
    let result = output(coldframe_run(
        &folder,
        &["python3", "-c", "import ctypes; ctypes.string_at(0)"],
    ));
    one_report(&result, libc::SIGSEGV);
}

#[test]
fn a_handler_of_the_programs_own_ends_it_its_own_way() {
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
    _exit(STATUS);
}
int main(void) {
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &action, 0);
    *(volatile int *)0x123450 = 1;
}
"#;
    // A handler set by the program replaces ours, as it must. One that calls the fault a success dealt with it; what
    // ends by any other status died of the fault.
    for (name, status, died) in [("own_handler_0", 0, false), ("own_handler_7", 7, true)] {
        let source = SOURCE.replace("STATUS", &status.to_string());
        let Some((_folder, result)) = run_c(name, &source, &[]) else {
            return;
        };
        assert_eq!(result.status.code(), Some(status), "{}", stderr(&result));
        assert_eq!(String::from_utf8_lossy(&result.stdout), "11 1 0x123450 1\n");
        assert_eq!(!reports(&result).is_empty(), died);
    }
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
    assert!(output(coldframe_run(&folder, &["/bin/true"])).status.success());
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
        .env("COLDFRAME_REPORT", "json")
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
    // What runtimes do that install their handlers past libc and chain by hand; one of them passes the signal number
    // alone.
    const SOURCE: &str = r#"
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>
struct kernel_action { void (*handler)(); unsigned long flags; void (*restorer)(void); unsigned long mask; };
static struct kernel_action old;
__asm__("restorer: mov $15, %rax; syscall");
void restorer(void);
static void handler(int sig, siginfo_t *info, void *context) {
    write(1, "mine\n", 5);
    if (FULL) old.handler(sig, info, context); else old.handler(sig);
}
int main(void) {
    struct kernel_action action = { handler, SA_SIGINFO | 0x04000000, restorer, 0 };
    syscall(SYS_rt_sigaction, SIGSEGV, &action, &old, 8);
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

#[test]
fn a_signal_from_another_process_has_its_sender() {
    let folder = Folder::new();
    // A process that is hit while it is being started has no handler yet.
    let victim = "touch ready; while :; do sleep 0.05; done";
    let script =
        format!("sh -c '{victim}' & until [ -e ready ]; do sleep 0.05; done; kill -SEGV $!; wait $!; echo $? $$");
    let result = output(coldframe_run(&folder, &["sh", "-c", &script]));
    let text = String::from_utf8_lossy(&result.stdout).into_owned();
    let (status, shell) = text.trim().split_once(' ').expect("two numbers");
    assert_eq!(status, "139");
    let reports = reports(&result);
    assert_eq!(reports.len(), 1, "{}", stderr(&result));
    assert_eq!(reports[0]["crash"]["sender"]["pid"].to_string(), shell);
}

#[test]
fn pid_1_is_still_shielded_from_signals_it_does_not_handle() {
    if !can_unshare(&["--pid", "--fork", "--mount-proc"]) {
        return;
    }
    let folder = Folder::new();
    let script = "sh -c 'kill -SEGV 1; kill -ABRT 1; sleep 0.2'; exit 11";
    let command = ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", script];
    let result = output(coldframe_run(&folder, &command));
    assert_eq!(result.status.code(), Some(11), "{}", stderr(&result));
    assert!(reports(&result).is_empty());
}

#[test]
fn a_run_inside_a_run_reports_once() {
    let folder = Folder::new();
    let command = [COLDFRAME, "run", "--", "sh", "-c", "kill -SEGV $$"];
    one_report(&output(coldframe_run(&folder, &command)), libc::SIGSEGV);
}

/// Up to 3.8 the main program's code names its file as the command line did.
#[test]
fn source_lines_of_a_program_with_a_relative_path() {
    for python in crate::pythons::pythons() {
        let folder = Folder::new();
        std::fs::write(
            folder.join("relative.py"),
            "import ctypes\nctypes.string_at(0)  # here\n",
        )
        .expect("a program");
        let command = [python.executable.as_os_str(), "relative.py".as_ref()];
        let result = output(coldframe_run(&folder, &command));
        one_report(&result, libc::SIGSEGV);
        let text = reports(&result)[0].to_string();
        assert!(
            text.contains("ctypes.string_at(0)  # here"),
            "{}: {text}",
            python.version
        );
    }
}
