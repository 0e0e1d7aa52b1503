//! Crashes where something is missing or forbidden: system calls, descriptors, memory, privileges, the helper itself.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;

use coldframe_handler::IMAGE_NAME;
use coldframe_handler::wire::HelperFailure;

use crate::harness::{Folder, bare, coldframe_run, find, one_report, output, record, reports, run_c, skip};

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
    assert!(output(coldframe_run(&folder, &["/bin/true"])).status.success());
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
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(name.starts_with("lonely-") && name.ends_with(".rec"), "{name}");
    assert_eq!(fs::metadata(&file).expect("it").permissions().mode() & 0o777, 0o600);

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

#[test]
fn without_clone_or_execve_a_record_is_left() {
    for (call, failure) in [("clone", HelperFailure::Clone), ("execve", HelperFailure::Exec)] {
        let flag = format!("-DDENIED=SYS_{call}");
        let Some((folder, result)) = run_c("filtered", FILTERED, &[&flag]) else {
            return;
        };
        assert_eq!(result.status.signal(), Some(libc::SIGSEGV), "{call}");
        let record = record(&folder);
        assert_eq!((record.failure, record.failure_detail), (Some(failure), libc::EPERM));
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
    fs::set_permissions(folder.join("dumps"), Permissions::from_mode(0o1777)).expect("its mode");
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
        return skip("only root can give root up");
    }
    let Some((_folder, result)) = run_c("dropped", SOURCE, &[]) else {
        return;
    };
    one_report(&result, libc::SIGSEGV);
}
