//! Findings of processes that have not crashed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{COLDFRAME, Folder, bare, output, python, stderr};
use crate::pythons::pythons;

/// A thread that waits for input, one that sleeps, one that calculates.
const SOUND: &str = "
import sys, threading, time
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
def count():
    while True: pass
threading.Thread(target=count, daemon=True).start()
print('ready', flush=True)
sys.stdin.read()
";

/// Much of what a program may do and be well: recursion that ended, signals that were handled, errors that were caught, a
/// lock that a thread waits for and another holds, tasks, executors, C code that calls Python, numpy where it is.
const BUSY: &str = "
import asyncio, concurrent.futures, ctypes, functools, gc, os, signal, sys, threading, time, weakref
try:
    import numpy
    numpy.linalg.inv(numpy.eye(50))
except ImportError:
    pass
def deep(n):
    return n if n < 0 else deep(n + 1)
def quietly(function, *arguments):
    try:
        function(*arguments)
    except (RecursionError, MemoryError, ZeroDivisionError, ctypes.ArgumentError):
        pass
quietly(deep, 0)
quietly(bytearray, 1 << 62)
quietly(divmod, 1, 0)
handled = []
for number in (signal.SIGUSR1, signal.SIGSEGV, signal.SIGABRT):
    signal.signal(number, lambda number, frame: handled.append(number))
    os.kill(os.getpid(), number)
gc.collect()
lock, other = threading.RLock(), threading.Lock()
lock.acquire()
other.acquire()
condition = threading.Condition()
def wait_for_condition():
    with condition:
        condition.wait()
def count():
    while True: pass
executor = concurrent.futures.ThreadPoolExecutor(2)
executor.submit(time.sleep, 1000)
threads = [lock.acquire, other.acquire, wait_for_condition, count, functools.partial(time.sleep, 1000)]
for target in threads:
    threading.Thread(target=target, daemon=True).start()
COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
async def nap(): await asyncio.sleep(1000)
async def work():
    tasks = [asyncio.ensure_future(nap()) for _ in range(3)]
    future = asyncio.get_running_loop().create_future()
    print('ready', flush=True)
    await asyncio.wait(tasks + [future])
def compare(a, b):
    asyncio.run(work())
    return 0
numbers = (ctypes.c_int * 3)(3, 1, 2)
ctypes.CDLL(None).qsort(numbers, 3, 4, COMPARE(compare))
";

/// Locks a mutex twice, and does not let go of the GIL for it (PyDLL).
const DEADLOCK: &str = "
import ctypes, threading
mutex = ctypes.create_string_buffer(256)
lock = ctypes.PyDLL(None).pthread_mutex_lock
def count():
    while True: pass
threading.Thread(target=count, daemon=True).start()
print('ready', flush=True)
lock(mutex)
lock(mutex)
";

/// A program that has said that it is ready; killed when dropped.
struct Program(Child);

impl Program {
    fn start(python: &std::path::Path, code: &str) -> Program {
        let mut child = Command::new(python)
            .args(["-c", code])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
        lines.read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n");
        Program(child)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(input) = &mut self.0.stdin {
            let _ = input.flush();
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a dump of a process reports, which is what the dump itself says.
fn dumped(folder: &Folder, program: &Program) -> Value {
    let file = folder.join("hang.dmp");
    // A dump replaces none.
    let _ = std::fs::remove_file(&file);
    let mut dump = bare(COLDFRAME.as_ref(), folder);
    let pid = program.0.id().to_string();
    dump.args(["dump", &pid, "--report", "json", "-o"]).arg(&file);
    let result = output(dump);
    assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
    let report: Value = serde_json::from_slice(&result.stdout).expect("a report");
    let mut analyze = bare(COLDFRAME.as_ref(), folder);
    analyze.args(["analyze", "--format", "json"]).arg(&file);
    let again: Value = serde_json::from_slice(&output(analyze).stdout).expect("a report");
    assert_eq!(again["findings"], report["findings"]);
    report
}

#[test]
fn nothing_is_concluded_of_a_sound_process() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    let report = dumped(&folder, &Program::start(&python, SOUND));
    assert!(
        report["threads"].as_array().is_some_and(|threads| threads.len() == 3),
        "{report}"
    );
    assert_eq!(report["findings"], Value::Null);
}

#[test]
fn nothing_is_concluded_of_a_busy_process_on_any_python() {
    for python in pythons() {
        let folder = Folder::new();
        let program = Program::start(&python.executable, BUSY);
        let mut analyze = bare(COLDFRAME.as_ref(), &folder);
        analyze.args(["analyze", "--format", "json", "--pid", &program.0.id().to_string()]);
        let live: Value = serde_json::from_slice(&output(analyze).stdout).expect("a report");
        for report in [live, dumped(&folder, &program)] {
            let version = &python.version;
            assert!(
                report["threads"].as_array().is_some_and(|threads| threads.len() >= 7),
                "{version:?}"
            );
            assert_eq!(report["findings"], Value::Null, "{version:?}");
            let waits = report["threads"].as_array().into_iter().flatten();
            let owners: Vec<&Value> = waits.filter_map(|thread| thread.get("waits_for")).collect();
            assert_eq!(owners.len(), 1, "{version:?}: {owners:?}");
        }
    }
}

#[test]
fn a_deadlock_with_the_gil_is_seen() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    let program = Program::start(&python, DEADLOCK);
    let deadline = Instant::now() + Duration::from_secs(60);
    // The main thread may be on its way there yet.
    loop {
        let report = dumped(&folder, &program);
        if let Some([finding]) = report["findings"].as_array().map(Vec::as_slice)
            && (&finding["id"], &finding["confidence"]) == (&"deadlock".into(), &"certain".into())
        {
            break;
        }
        assert!(Instant::now() < deadline, "{report}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
