//! Every command of the helpers, on a living process and on its core, in gdb and in lldb: all four say the same. And on its
//! dump, in lldb.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::transcript::section;
use super::{COMMITTED, gdb_with, has_debuggers, lldb, lldb_on, lldb_with};
use crate::cores::{DEFAULT_FILTER, crash, report};
use crate::golden::repository;
use crate::harness::{COLDFRAME, Folder, bare, output, skip, stderr};
use crate::pythons::{Python, pythons};
use crate::samples::is_permitted as ptrace_is_permitted;
use crate::tools::{Running, find_program};

/// Three threads, one of them without Python state; the main thread handles an exception, runs a task, and waits for input.
const PROGRAM: &str = "import asyncio, ctypes, sys, threading

started = threading.Event()

def wait():
    started.set()
    threading.Event().wait()

async def sleeper():
    await asyncio.sleep(10000)

def stand(text, number):
    try:
        raise KeyError(text)
    except KeyError:
        print('ready', flush=True)
        sys.stdin.read()

async def main():
    task = asyncio.create_task(sleeper(), name='resting')
    await asyncio.sleep(0)
    stand('lost', 7)

threading.Thread(target=wait, name='waiter', daemon=True).start()
started.wait()
library, thread = ctypes.CDLL(None), ctypes.c_ulong()
library.pthread_create(ctypes.byref(thread), None, library.pause, None)
asyncio.run(main())
";

/// What is typed, and words that the answer has, where it is the same in all four.
const SAME: [(&str, &[&str]); 11] = [
    ("py-bt", &["in stand", "in main", "in <module>", "sys.stdin.read()"]),
    ("py-list", &[">17            sys.stdin.read()"]),
    ("py-locals", &["text = 'lost'", "number = 7"]),
    ("py-print number", &["local 'number' = 7"]),
    (
        "py-print len",
        &["builtin 'len' = <built-in method len of module object"],
    ),
    ("py-print nothing", &["'nothing' not found"]),
    ("py-frame 99", &["Python frames, from 0 on"]),
    ("py-exc", &["Being handled:", "in stand", "KeyError('lost'"]),
    ("py-dis", &["> "]),
    ("py-list one", &["Expected START or START,END"]),
    ("py-dump", &["Expected the name of a file"]),
];

/// The same, where numbers of threads and native frames are the debugger's own. `f 2` selects a native frame.
const OWN: [(&str, &[&str]); 11] = [
    ("py-info", &["CPython 3.", "layout: "]),
    ("f 2", &["#2"]),
    ("py-bt", &["in stand", "in main"]),
    ("py-bt-full", &["in stand (text='lost', number=7)", "in <module>"]),
    ("py-frame 0", &["Frame 0x", "in stand (text='lost', number=7)"]),
    ("py-up", &["Frame 0x", "in main"]),
    ("py-down", &["Frame 0x", "in stand (text='lost', number=7)"]),
    ("py-mixed-bt", &["#0 ", "in stand", "in <module>"]),
    (
        "py-tasks",
        &["resting (sleeper), waiting for", "in sleeper", "running in thread"],
    ),
    (
        "py-threads",
        &["Interpreter 0", "'waiter'", "in wait", "in stand", "no Python state"],
    ),
    ("py-bt all", &ALL_THREADS),
];
/// What a dump has less than a process.
const LESS_IN_DUMPS: [(&str, &str); 4] = [
    ("py-bt", "in stand"),
    ("py-print nothing", "'nothing' not found"),
    ("py-print len", "'len' not found"),
    ("py-dis", "cannot be read"),
];
const IS_DUMP: &str = "This comes from a dump already";
const ALL_THREADS: [&str; 3] = ["in wait", "in stand", "This thread has no Python state"];

fn commands(dump: &Path) -> Vec<String> {
    let typed = SAME.iter().chain(&OWN).enumerate();
    let mut commands: Vec<String> = typed
        .flat_map(|(index, (command, _))| [format!("@{index}"), command.to_string()])
        .collect();
    commands.extend(["@dump".to_string(), format!("py-dump {}", dump.display())]);
    commands
}

/// Checks the answers; those that all give alike, `None` where there is less.
fn answers(what: &str, printed: &str, less: &[(&str, &str)]) -> Vec<Option<String>> {
    let lines: Vec<&str> = printed.lines().filter(|line| !line.starts_with("(lldb)")).collect();
    let answer = |index: usize| section(&lines, &format!("@{index}")).join("\n");
    let of_less = |command: &str| less.iter().find(|(known, _)| *known == command);
    for (index, (command, words)) in SAME.iter().chain(&OWN).enumerate() {
        let answer = answer(index);
        let words = of_less(command).map_or(words.to_vec(), |(_, word)| vec![*word]);
        for word in words {
            assert!(
                answer.contains(word),
                "{what}: {command} says nothing of {word}: {answer}\n{printed}"
            );
        }
    }
    let alike = |(index, (command, _)): (usize, &(&str, _))| of_less(command).is_none().then(|| answer(index));
    SAME.iter().enumerate().map(alike).collect()
}

/// The frames of the main thread that a dump has, by function.
fn functions(folder: &Folder, dump: &Path) -> Vec<String> {
    let report = report(folder, &[dump]);
    let threads = report["threads"].as_array().into_iter().flatten();
    let frames = threads.flat_map(|thread| thread["frames"].as_array().into_iter().flatten());
    let frames = frames.filter(|frame| frame["kind"] == "python");
    frames
        .filter_map(|frame| frame["function"].as_str().map(str::to_string))
        .collect()
}

fn check(python: &Python, lldb: &str) {
    let folder = Folder::new();
    fs::write(folder.join("program.py"), PROGRAM).expect("a program");
    let mut process = bare("sh".as_ref(), &folder);
    process
        .args(["-c", "ulimit -c unlimited; exec \"$0\" program.py"])
        .arg(&python.executable);
    let mut running = Running::start(process);
    assert_eq!(running.line, "ready\n", "{}", python.version);
    running.wait_until_it_reads();

    let helper = [repository(COMMITTED[0].1)];
    // Debug files would give names to native frames.
    let without_files = ["-iex", "set debug-file-directory /nowhere"];
    let in_gdb = |arguments: [&str; 2], dump: &Path| {
        let commands = [
            commands(dump),
            ["@each", "thread apply all py-bt"].map(str::to_string).to_vec(),
        ]
        .concat();
        let printed = gdb_with(&helper, &folder, &[&without_files[..], &arguments].concat(), &commands);
        let (_, each) = printed.split_once("@each\n").expect("the last command");
        assert!(ALL_THREADS.iter().all(|words| each.contains(words)), "{each}");
        printed
    };
    let in_lldb = |arguments: &[&str], dump: &Path| lldb_with(lldb, &folder, arguments, &commands(dump));
    let (executable, pid) = (python.executable.display().to_string(), running.pid().to_string());
    let dump = |name: &str| folder.join(name);

    let mut all = vec![
        ("gdb, living", in_gdb(["-p", &pid], &dump("gdb-living"))),
        ("lldb, living", in_lldb(&["-p", &pid], &dump("lldb-living"))),
    ];
    let file = folder.join("coldframe.dmp");
    let mut process = bare(COLDFRAME.as_ref(), &folder);
    process.args(["dump", &pid, "-o"]).arg(&file);
    let done = output(process);
    assert!(done.status.success(), "{}", stderr(&done));
    let of_dump = in_lldb(&["--core", &file.display().to_string()], &dump("lldb-dump"));
    kill(Pid::from_raw(running.pid() as i32), Signal::SIGABRT).expect("a process to end");
    let _ = running.child.wait();
    let core = core_in(&folder).display().to_string();
    all.push(("gdb, core", in_gdb([&executable, &core], &dump("gdb-core"))));
    all.push((
        "lldb, core",
        in_lldb(&["--core", &core, &executable], &dump("lldb-core")),
    ));

    all.push(("lldb, dump", of_dump));

    let mut first: Option<Vec<Option<String>>> = None;
    for (how, printed) in &all {
        let what = format!("{how}, {}", python.version);
        let less = if *how == "lldb, dump" { &LESS_IN_DUMPS[..] } else { &[] };
        let answers = answers(&what, printed, less);
        let expected = first.get_or_insert_with(|| answers.clone());
        for (answer, expected) in answers.iter().zip(expected).filter(|(answer, _)| answer.is_some()) {
            assert_eq!(answer, expected, "{what}");
        }
        assert!(!printed.contains("native frame not known"), "{what}: {printed}");
        let written = dump(&how.replace(", ", "-"));
        if *how == "lldb, dump" {
            assert!(printed.contains(IS_DUMP) && !written.exists(), "{what}: {printed}");
            continue;
        }
        let functions = functions(&folder, &written);
        for name in ["stand", "main", "wait"] {
            assert!(
                functions.iter().any(|function| function == name),
                "{what}: {functions:?}"
            );
        }
    }
    if python.library == python.executable {
        // A distribution's, stripped: the selected native frame had no symbol.
        assert!(all[0].1.contains("?? ()"), "{}", all[0].1);
    }
}

fn core_in(folder: &Folder) -> PathBuf {
    // The kernel writes it before the process is gone.
    for _ in 0..600 {
        let entries = fs::read_dir(folder.path()).into_iter().flatten().flatten();
        let mut paths = entries.map(|entry| entry.path());
        let is_core = |path: &PathBuf| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("core"))
        };
        if let Some(core) = paths.find(is_core) {
            return core;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("no core in {}", folder.path().display());
}

/// On the newest build with symbols, and on a distribution's, without.
#[test]
fn commands_say_the_same_of_a_process_and_of_its_core() {
    let (true, true) = (has_debuggers(), ptrace_is_permitted()) else {
        return;
    };
    let (Some(lldb), Some(_)) = (lldb(), find_program("gdb")) else {
        return;
    };
    let own: Vec<Python> = pythons()
        .into_iter()
        .filter(|python| !python.is_foreign() && !python.flavour.debug)
        .collect();
    let (stripped, shared): (Vec<_>, Vec<_>) = own.iter().partition(|python| python.library == python.executable);
    let chosen = [shared.last(), stripped.last()];
    if chosen.iter().flatten().count() == 0 {
        skip("there is no Python");
    }
    for python in chosen.into_iter().flatten() {
        check(python, lldb);
    }
}

/// Damaged memory gives messages, no exceptions, in bounded time; control characters in a name do not reach the terminal.
#[test]
fn damaged_memory_gives_messages() {
    let (true, Some(lldb)) = (has_debuggers(), lldb()) else {
        return;
    };
    let Some(python) = pythons().pop() else {
        return skip("there is no Python");
    };
    let crash = crash(&python.executable, "tasks.py", DEFAULT_FILTER);
    let commands = [format!(
        "command script import {}",
        repository("tests/it/programs/damage.py").display()
    )];
    let printed = lldb_on(lldb, &crash.folder, Some(&python.executable), &crash.core, &commands);
    let lines: Vec<&str> = printed.lines().filter(|line| line.contains(", seed ")).collect();
    let count = printed
        .lines()
        .find_map(|line| line.strip_prefix("commands: ")?.parse().ok());
    assert!(lines.is_empty() && count > Some(300), "{printed}");
}
