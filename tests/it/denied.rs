//! Crashes where a system call is denied, and what a record holds; the matrix has the other situations.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use coldframe_handler::IMAGE_NAME;
use coldframe_handler::wire::HelperFailure;

use crate::harness::{COLDFRAME, Folder, bare, coldframe_run, find, one_report, output, record, reports, run_c, skip};
use crate::pythons::pythons;

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
fn a_thread_that_sleeps_has_its_stack_without_ptrace() {
    const SOURCE: &str = r"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
static int ready[2];
__attribute__((noinline)) static void sleeps(void) { char byte; write(ready[1], &byte, 1); pause(); usleep(0); }
static void *thread(void *argument) { sleeps(); return argument; }
int main(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { 4, code };
    pthread_t id;
    char byte;
    pipe(ready);
    pthread_create(&id, 0, thread, 0);
    read(ready[0], &byte, 1);
    usleep(50000);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 3;
    *(volatile int *)0x28 = 1;
}
";
    let Some((_folder, result)) = run_c("sleeping", SOURCE, &["-pthread", "-g", "-O1"]) else {
        return;
    };
    one_report(&result, libc::SIGSEGV);
    let report = &reports(&result)[0];
    let other = &report["threads"][1]["frames"].to_string();
    assert!(other.contains("\"sleeps\"") && other.contains("\"thread\""), "{other}");
    assert!(
        report["notes"]
            .to_string()
            .contains("2 of 2 threads could not be stopped")
    );
}

/// Whoever changes its user is not dumpable any more: nobody of that user may look at it.
const DROPPED: &str = "
import ctypes, os, threading
ready = threading.Event()
def waits(certain_number):
    ready.set()
    threading.Event().wait()
def crashes(password, harmless):
    copied = ['got ' + text for text in (password, os.environ['SERVICE_PASSWORD'])]
    ctypes.string_at(0)
threading.Thread(target=waits, args=(271828,), daemon=True).start()
ready.wait()
os.setgid(65534)
os.setuid(65534)
crashes(''.join(['Zq', '8-', 'secret']), 'kept text')
";

#[test]
fn a_process_that_nobody_may_look_at_hands_out_its_memory() {
    if !nix::unistd::geteuid().is_root() {
        return skip("a changed user: not root");
    }
    // The helper runs as that user, too: below a home folder it finds no symbols.
    let is_open = |file: &Path| {
        let lets = |path: &Path, mode: u32| fs::metadata(path).is_ok_and(|found| found.mode() & mode != 0);
        lets(file, 0o4) && file.ancestors().skip(1).all(|folder| lets(folder, 0o1))
    };
    let (open, closed): (Vec<_>, Vec<_>) = pythons().into_iter().partition(|python| is_open(&python.library));
    if open.is_empty() {
        return skip("a changed user: no CPython that other users may execute");
    }
    println!("{} CPythons are closed to other users", closed.len());
    for python in open {
        let folder = Folder::new();
        fs::write(folder.join("program.py"), DROPPED).expect("the program");
        fs::create_dir(folder.join("dumps")).expect("a folder");
        fs::set_permissions(folder.join("dumps"), fs::Permissions::from_mode(0o1777)).expect("its mode");
        let mut process = bare(COLDFRAME.as_ref(), &folder);
        process
            .args(["run", "--report", "json", "-o", "dumps", "--"])
            .arg(&python.executable)
            .arg("program.py")
            .env("SERVICE_PASSWORD", "Zq8-environment");
        let result = output(process);
        let crash = one_report(&result, libc::SIGSEGV);
        assert_eq!(crash["address"], "0x0");
        let report = &reports(&result)[0];
        let threads = report["threads"].to_string();
        for word in ["\"crashes\"", "kept text", "\"waits\"", "271828"] {
            assert!(threads.contains(word), "{:?} lacks {word}: {report:#}", python.version);
        }
        assert!(
            report["process"]["executable"].to_string().contains("python"),
            "{report:#}"
        );
        assert!(report["process"]["command"].to_string().contains("program.py"));
        assert!(report["notes"].to_string().contains("handed out its memory"));
        let dump = fs::read_dir(folder.join("dumps"))
            .expect("dumps")
            .flatten()
            .next()
            .expect("a dump");
        let bytes = fs::read(dump.path()).expect("it");
        assert!(
            !bytes.windows(4).any(|window| window == b"Zq8-"),
            "a secret is in {:?}",
            dump.path()
        );
    }
}
