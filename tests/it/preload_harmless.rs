//! The library is loaded by every program of the tree. All must run exactly as without it.

use std::path::Path;
use std::process::Output;

use crate::harness::{COLDFRAME, Folder, bare, can_unshare, coldframe_run, output, reports, stderr};

/// Uses threads, thread-specific data, environment and exit status.
const ORDINARY: &str = r#"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static void *thread(void *argument) { return (void *)((long)argument * 2); }
static void *leaver(void *argument) { pthread_exit(argument); }
int main(void) {
    long sum = 0;
    for (long i = 0; i < 200; i++) {
        pthread_t id;
        void *result;
        if (pthread_create(&id, 0, i % 2 ? thread : leaver, (void *)i)) return 99;
        pthread_join(id, &result);
        sum += (long)result;
    }
    printf("%ld\n", sum);
    return 12;
}
"#;

fn with_and_without(folder: &Folder, program: &Path) -> (Output, Output) {
    let with = output(coldframe_run(folder, &[program]));
    let without = output(bare(program.as_os_str(), folder));
    (with, without)
}

fn assert_harmless(compiler: &str, flags: &[&str]) {
    let folder = Folder::new();
    let Some(program) = folder.compile(compiler, "ordinary", ORDINARY, flags) else {
        return;
    };
    let (with, without) = with_and_without(&folder, &program);
    assert_eq!(without.status.code(), Some(12), "{}", stderr(&without));
    assert_eq!(with, without, "{}", stderr(&with));
}

#[test]
fn a_program_on_this_libc() {
    assert_harmless("gcc", &["-pthread"]);
}

#[test]
fn a_static_program() {
    assert_harmless("gcc", &["-pthread", "-static"]);
}

#[test]
fn a_program_on_musl() {
    assert_harmless("musl-gcc", &["-pthread"]);
}

#[test]
fn a_crash_on_musl_is_captured() {
    let folder = Folder::new();
    let source = "#include <pthread.h>\nstatic int f(int n) { volatile char x[999]; x[5] = n; return f(n + 1) + x[5]; }\n\
        static void *t(void *a) { return (void *)(long)f(0); }\n\
        int main(void) { pthread_t i; pthread_create(&i, 0, t, 0); pthread_join(i, 0); }";
    let Some(program) = folder.compile("musl-gcc", "overflow", source, &["-O0"]) else {
        return;
    };
    let (with, without) = with_and_without(&folder, &program);
    assert_eq!(with.status, without.status, "{}", stderr(&with));
    assert_eq!(reports(&with).len(), 1, "{}", stderr(&with));
}

#[test]
fn a_program_under_address_sanitizer() {
    assert_harmless("gcc", &["-pthread", "-fsanitize=address"]);
}

#[test]
fn a_sanitizer_report_stays_as_it_is() {
    let folder = Folder::new();
    let source = "#include <stdlib.h>\nint main(void) { char *p = malloc(8); free(p); return p[3]; }";
    let Some(program) = folder.compile("gcc", "uaf", source, &["-fsanitize=address"]) else {
        return;
    };
    let (with, without) = with_and_without(&folder, &program);
    assert_eq!(with.status, without.status);
    assert!(stderr(&with).contains("heap-use-after-free"), "{}", stderr(&with));
}

#[test]
fn without_coldframe_dir_nothing_is_installed() {
    let folder = Folder::new();
    // cat: unlike grep it catches no signals of its own.
    let captured = output(coldframe_run(&folder, &["cat", "/proc/self/status"]));
    let command = ["env", "-u", "COLDFRAME_DIR", "cat", "/proc/self/status"];
    let inactive = output(coldframe_run(&folder, &command));
    let catches_segv = |output: &Output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("SigCgt:"))
            .expect("the mask");
        u64::from_str_radix(line.trim(), 16).expect("hex") & (1 << (libc::SIGSEGV - 1)) != 0
    };
    assert!(catches_segv(&captured));
    assert!(!catches_segv(&inactive));
}

#[test]
fn a_root_where_nothing_can_be_written_or_executed() {
    if !can_unshare(&["--mount"]) {
        return;
    }
    let folder = Folder::new();
    // Everything read-only, the temporary folder noexec, no home, no cache. The binary itself may lie below /tmp.
    let binaries = Path::new(COLDFRAME).parent().expect("its folder");
    let script = format!(
        "mount --bind {} /mnt; mount -o remount,ro,bind /mnt; mount -t tmpfs -o noexec tmpfs /tmp 2>/dev/null; mount -t tmpfs -o noexec tmpfs /run; mount -t tmpfs -o noexec tmpfs /var; \
         mount -o remount,ro,bind / 2>/dev/null; unset HOME XDG_CACHE_HOME COLDFRAME_CACHE TMPDIR; cd /; \
         exec /mnt/coldframe run -- /bin/sh -c 'echo out; exit 21'",
        binaries.display()
    );
    let mut process = bare("unshare".as_ref(), &folder);
    process.args(["--mount", "/bin/sh", "-c", &script]);
    let result = output(process);
    assert_eq!(result.status.code(), Some(21), "{}", stderr(&result));
    assert_eq!(result.stdout, b"out\n");
    let messages = stderr(&result);
    assert!(messages.lines().count() <= 1, "{messages}");
    assert!(messages.contains("without crash capture"), "{messages}");
}
