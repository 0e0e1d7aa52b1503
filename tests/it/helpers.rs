//! The generated debugger helpers, against `analyze` on the same core and dump.

mod session;
mod suite;
pub mod transcript;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use coldframe::helpers::{Debugger, generate};
use coldframe::layout::builtin_table;
use serde_json::Value;

use crate::cores::{DEFAULT_FILTER, crash, kernel_writes_cores, report};
use crate::golden::{repository, updating};
use crate::harness::{COLDFRAME, Folder, bare, output, skip, stderr};
use crate::pythons::{Python, pythons};
use crate::tools::find_program;
use transcript::{commands, differences, dump_differences, task_differences};

/// Where the helpers for all versions lie, to be used without coldframe.
const COMMITTED: [(Debugger, &str); 2] = [
    (Debugger::Gdb, "gdb-scripts/coldframe_gdb.py"),
    (Debugger::Lldb, "lldb-scripts/coldframe_lldb.py"),
];

/// The lldb that this machine has, newest first.
pub fn lldb() -> Option<&'static str> {
    let names = [
        "lldb-21", "lldb-20", "lldb-19", "lldb-18", "lldb-17", "lldb-16", "lldb-15", "lldb-14", "lldb",
    ];
    names.into_iter().find(|name| find_program(name).is_some())
}

#[test]
fn committed_helpers_are_current() {
    for (debugger, path) in COMMITTED {
        let path = repository(path);
        let text = generate(debugger, &builtin_table());
        if updating() {
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == text,
            "{} is out of date: run with UPDATE_GOLDENS=1",
            path.display()
        );
    }
}

#[test]
fn helpers_for_some_versions_only() {
    let folder = Folder::new();
    let run = |arguments: &[&str]| {
        let mut process = bare(COLDFRAME.as_ref(), &folder);
        process.arg("helpers").args(arguments);
        output(process)
    };
    let all = String::from_utf8(run(&["gdb"]).stdout).unwrap();
    assert_eq!(all, fs::read_to_string(repository(COMMITTED[0].1)).unwrap());
    let one = String::from_utf8(run(&["lldb", "--python", "3.12"]).stdout).unwrap();
    assert!(
        one.contains("\nfield\t3.12.") && !one.contains("\t3.11."),
        "{}",
        &one[..500]
    );
    let nearest = String::from_utf8(run(&["gdb", "--python", "3.12.9"]).stdout).unwrap();
    assert!(nearest.contains("field\t3.12.") && !nearest.contains("\t3.13."));
    let none = run(&["gdb", "--python", "3.7"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(stderr(&none).contains("3.7"), "{}", stderr(&none));
}

/// A build that is named has the row that its own files give, whatever the built-in ones are.
#[test]
fn a_helper_for_one_build() {
    let folder = Folder::new();
    let mut seen = 0;
    for python in pythons() {
        let mut process = bare(COLDFRAME.as_ref(), &folder);
        process.args(["helpers", "lldb", "--python"]).arg(&python.executable);
        let text = String::from_utf8(output(process).stdout).unwrap();
        let titles = text.lines().find_map(|line| line.strip_prefix("field\t"));
        let titles: Vec<&str> = titles.unwrap_or_default().split('\t').collect();
        assert!(
            titles.len() == 1 && titles[0].starts_with("3."),
            "{}: {titles:?}",
            python.version
        );
        let rows: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("field\t")).collect();
        let head = |name: &str| rows.iter().find_map(|row| row.strip_prefix(name).map(str::trim));
        assert_ne!(head("interpreter.threads_head"), None, "{}", python.version);
        assert_ne!(head("task.coro"), Some("-"), "{}", python.version);
        seen += 1;
    }
    if seen == 0 {
        skip("there is no Python");
    }
    let mut process = bare(COLDFRAME.as_ref(), &folder);
    process.args(["helpers", "gdb", "--python", COLDFRAME]);
    let none = output(process);
    assert_eq!(none.status.code(), Some(1), "{}", stderr(&none));
}

/// Runs a debugger to its end; what it printed.
fn debug(folder: &Folder, mut process: Command) -> String {
    process.current_dir(folder.path()).stdin(Stdio::null());
    // Neither terminal nor language of the machine shall matter.
    process.env("LC_ALL", "C.UTF-8").env_remove("DEBUGINFOD_URLS");
    let output = process.output().expect("the debugger runs");
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// What the gdb helper says of a core.
pub fn gdb(folder: &Folder, python: &Path, core: &Path, commands: &[String]) -> String {
    gdb_with(&[repository(COMMITTED[0].1)], folder, &[python, core], commands)
}

/// What gdb says of what these arguments name after it has read these scripts.
fn gdb_with<A: AsRef<OsStr>>(scripts: &[PathBuf], folder: &Folder, arguments: &[A], commands: &[String]) -> String {
    let mut process = Command::new("gdb");
    process.args(["-nx", "-batch", "-iex", "set auto-load off"]);
    for script in scripts {
        process.arg("-ex").arg(format!("source {}", script.display()));
    }
    for command in commands {
        process.arg("-ex").arg(match command.strip_prefix('@') {
            Some(mark) => format!("echo @{mark}\\n"),
            None => command.clone(),
        });
    }
    process.args(arguments);
    debug(folder, process)
}

/// What the lldb helper says of a core or a minidump.
pub fn lldb_on(lldb: &str, folder: &Folder, python: Option<&Path>, core: &Path, commands: &[String]) -> String {
    let arguments = [Some(Path::new("--core")), Some(core), python];
    lldb_with(
        lldb,
        folder,
        &arguments.into_iter().flatten().collect::<Vec<_>>(),
        commands,
    )
}

/// What the lldb helper says of what these arguments name.
fn lldb_with<A: AsRef<OsStr>>(lldb: &str, folder: &Folder, arguments: &[A], commands: &[String]) -> String {
    let mut process = Command::new(lldb);
    process.args(["--no-lldbinit", "--batch", "-o"]);
    process.arg(format!(
        "command script import {}",
        repository(COMMITTED[1].1).display()
    ));
    for command in commands {
        process.arg("-o").arg(match command.strip_prefix('@') {
            Some(mark) => format!("script print('@{mark}')"),
            None => command.clone(),
        });
    }
    process.args(arguments);
    debug(folder, process)
}

/// `coldframe export-core` of a dump.
pub fn exported(folder: &Folder, dump: &Path) -> PathBuf {
    let core = dump.with_extension("exported");
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process.arg("export-core").arg(dump).arg("-o").arg(&core);
    let done = output(process);
    assert!(done.status.success(), "{}", stderr(&done));
    core
}

/// Both helpers against `analyze`: on the core of a crash, on its dump, and on the core made from that.
fn compare(python: &Python, sample: &str) -> Vec<String> {
    let crash = crash(&python.executable, sample, DEFAULT_FILTER);
    let executable = python.executable.as_path();
    let what = format!("{sample} on {}", python.version);
    let of_core = report(&crash.folder, &[&crash.core]);
    let of_dump = report(&crash.folder, &[&crash.dump]);
    let exported = exported(&crash.folder, &crash.dump);
    let commands = commands(&of_core);
    let mut found = Vec::new();
    let mut check = |how: &str, expected: &Value, text: String| {
        let lines = differences(expected, &text).into_iter();
        found.extend(lines.map(|line| format!("{what}, {how}: {line}")));
    };
    if find_program("gdb").is_some() {
        check(
            "gdb on the core",
            &of_core,
            gdb(&crash.folder, executable, &crash.core, &commands),
        );
        check(
            "gdb on the exported core",
            &of_dump,
            gdb(&crash.folder, executable, &exported, &commands),
        );
    }
    if let Some(lldb) = lldb() {
        let on = |program: Option<&Path>, core: &Path| lldb_on(lldb, &crash.folder, program, core, &commands);
        check("lldb on the core", &of_core, on(Some(executable), &crash.core));
        check("lldb on the dump", &of_dump, on(None, &crash.dump));
        check("lldb on the exported core", &of_dump, on(Some(executable), &exported));
    }
    found
}

/// The generated helper is for debuggers with Python 3.6.
#[test]
fn helpers_load_in_python_3_6() {
    let Some(python) = find_python_3_6() else {
        return skip("there is no Python 3.6");
    };
    // All that a module does while it is loaded, with nothing of lldb's; gdb's registers commands at once, which needs gdb.
    let script = "import runpy, sys, types\n\
         sys.modules['lldb'] = types.ModuleType('lldb')\n\
         compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')\n\
         print(len(runpy.run_path(sys.argv[2])['COMMANDS']))";
    let mut process = Command::new(python);
    process
        .args(["-I", "-c", script])
        .args(COMMITTED.map(|(_, path)| repository(path)));
    let done = output(process);
    let count = String::from_utf8_lossy(&done.stdout).trim().parse().unwrap_or(0);
    assert!(count > 10, "{}", stderr(&done));
}

/// One of pyenv's, as it may be too old to be put into the PATH.
fn find_python_3_6() -> Option<PathBuf> {
    let root = Command::new("pyenv").arg("root").output().ok()?;
    let root = PathBuf::from(String::from_utf8_lossy(&root.stdout).trim());
    let versions = fs::read_dir(root.join("versions")).ok()?.flatten();
    let mut paths = versions.map(|entry| entry.path().join("bin/python3.6"));
    paths.find(|path| path.is_file())
}

fn has_debuggers() -> bool {
    if find_program("gdb").is_none() {
        skip("gdb is not installed");
    }
    if lldb().is_none() {
        skip("lldb is not installed");
    }
    kernel_writes_cores()
}

#[test]
fn helpers_agree_with_analyze_on_every_python() {
    if !has_debuggers() {
        return;
    }
    let mut found = Vec::new();
    for python in pythons() {
        found.extend(compare(&python, "values.py"));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn helpers_agree_with_analyze_on_other_crashes() {
    let Some(python) = pythons().pop().filter(|_| has_debuggers()) else {
        return;
    };
    let mut found = Vec::new();
    for sample in [
        "class_body.py",
        "generator.py",
        "sort_key.py",
        "during_exception.py",
        "thread.py",
    ] {
        found.extend(compare(&python, sample));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// `py-tasks` against `analyze`, and what `py-dump` writes against the core it was made of.
#[test]
fn tasks_and_dumps_of_helpers() {
    if !has_debuggers() {
        return;
    }
    let mut found = Vec::new();
    for python in pythons() {
        let crash = crash(&python.executable, "tasks.py", DEFAULT_FILTER);
        let of_core = report(&crash.folder, &[&crash.core]);
        let of_dump = report(&crash.folder, &[&crash.dump]);
        let exported = exported(&crash.folder, &crash.dump);
        let mut check = |how: &str, expected: &Value, run: &dyn Fn(&[String]) -> String| {
            let written = crash.folder.join(how).with_extension("dmp");
            let commands = [
                "@tasks",
                "py-tasks",
                "@dump",
                &format!("py-dump {}", written.display()),
                "@end",
            ];
            let printed = run(&commands.map(str::to_string));
            let mut lines = task_differences(expected, &printed);
            if written.exists() {
                let of_written = report(&crash.folder, &[&written]);
                lines.extend(dump_differences(expected, &of_written));
            } else if how.ends_with("-core") || !printed.contains("This comes from a dump already") {
                lines.push(format!("no dump was written: {printed}"));
            }
            let lines = lines.into_iter();
            found.extend(lines.map(|line| format!("{how} on {}: {line}", python.version)));
        };
        if find_program("gdb").is_some() {
            let on = |core: &Path, commands: &[String]| gdb(&crash.folder, &python.executable, core, commands);
            check("gdb-core", &of_core, &|commands| on(&crash.core, commands));
            check("gdb-exported", &of_dump, &|commands| on(&exported, commands));
        }
        if let Some(lldb) = lldb() {
            let on = |program, core: &Path, commands: &[String]| lldb_on(lldb, &crash.folder, program, core, commands);
            check("lldb-core", &of_core, &|commands| {
                on(Some(python.executable.as_path()), &crash.core, commands)
            });
            check("lldb-dump", &of_dump, &|commands| on(None, &crash.dump, commands));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// `py-dis` against `analyze --dis`, for the innermost Python frame.
#[test]
fn bytecode_of_helpers() {
    if !has_debuggers() {
        return;
    }
    for python in pythons() {
        let crash = crash(&python.executable, "null_pointer.py", DEFAULT_FILTER);
        let of_core = report(&crash.folder, &[crash.core.as_os_str(), "--dis".as_ref()]);
        let frames = of_core["threads"][0]["frames"].as_array().expect("frames");
        let python_frame = frames.iter().find(|frame| frame["kind"] == "python").expect("one");
        let expected: Vec<String> = python_frame["bytecode"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|instruction| {
                let mark = if instruction["current"] == true { ">" } else { " " };
                let argument = instruction["argument"]
                    .as_u64()
                    .map_or_else(String::new, |number| number.to_string());
                let text = format!(
                    "{mark} {:>5} {:<30} {argument}",
                    instruction["offset"].as_u64().unwrap_or_default(),
                    instruction["opcode"].as_str().unwrap_or_default()
                );
                let meaning = instruction["meaning"]
                    .as_str()
                    .map_or_else(String::new, |text| format!(" ({text})"));
                format!("{}{meaning}", text.trim_end())
            })
            .collect();
        assert!(expected.len() > 3, "{}: {python_frame}", python.version);
        let commands = ["@dis", "py-dis", "@end"].map(str::to_string);
        let check = |debugger: &str, text: &str| {
            let lines = text.lines().skip_while(|line| *line != "@dis").skip(1);
            let found: Vec<&str> = lines.take_while(|line| *line != "@end").collect();
            let found: Vec<&str> = found.into_iter().filter(|line| !line.starts_with("(lldb)")).collect();
            assert_eq!(found, expected, "{debugger} on {}", python.version);
        };
        if find_program("gdb").is_some() {
            check("gdb", &gdb(&crash.folder, &python.executable, &crash.core, &commands));
        }
        if let Some(lldb) = lldb() {
            check(
                "lldb",
                &lldb_on(lldb, &crash.folder, Some(&python.executable), &crash.core, &commands),
            );
        }
    }
}

/// CPython's own helper, as the debug package of the system's Python installs it.
fn cpythons_own() -> Option<PathBuf> {
    let folder = fs::read_dir("/usr/share/gdb/auto-load/usr/bin").ok()?;
    let mut paths = folder.flatten().map(|entry| entry.path());
    paths.find(|path| path.to_string_lossy().ends_with("-gdb.py"))
}

#[test]
fn takes_the_place_of_cpythons_own() {
    if !has_debuggers() {
        return;
    }
    let system = pythons()
        .into_iter()
        .find(|python| python.executable.starts_with("/usr/bin"));
    let (Some(theirs), Some(python)) = (cpythons_own(), system) else {
        return skip("the system's Python has no helper for gdb");
    };
    let ours = repository(COMMITTED[0].1);
    let crash = crash(&python.executable, "generator.py", DEFAULT_FILTER);
    let commands = [
        "@bt",
        "py-bt",
        "@locals",
        "py-locals",
        "@printers",
        "info pretty-printer",
    ]
    .map(str::to_string);
    let run = |scripts: &[&PathBuf]| {
        let scripts: Vec<PathBuf> = scripts.iter().map(|script| (*script).clone()).collect();
        gdb_with(&scripts, &crash.folder, &[&python.executable, &crash.core], &commands)
    };
    let parts = |text: &str| {
        text.split_once("@bt\n")
            .map(|(before, after)| (before.to_string(), after.to_string()))
    };
    let (_, alone) = parts(&run(&[&ours])).expect("the commands ran");
    assert!(
        alone.contains("generator.py") && alone.matches("coldframe").count() == 1,
        "{alone}"
    );
    for order in [[&theirs, &ours], [&ours, &theirs]] {
        let text = run(&order);
        assert_eq!(
            text.matches("instead of the one that came with CPython").count(),
            1,
            "{text}"
        );
        let (_, after) = parts(&text).expect("the commands ran");
        let (ours, _) = after.split_once("@printers\n").expect("the printers");
        let (expected, _) = alone.split_once("@printers\n").expect("the printers");
        assert_eq!(ours, expected);
        assert_eq!(printers(&after), printers(&alone), "{after}");
    }
}

/// The names of pretty printers, each as often as it is registered.
fn printers(text: &str) -> Vec<&str> {
    let (_, list) = text.split_once("@printers\n").expect("the printers");
    let names = list.lines().map(str::trim);
    names.filter(|name| !name.is_empty() && !name.ends_with(':')).collect()
}

#[test]
fn a_core_is_not_exported_again() {
    let folder = Folder::new();
    let core = folder.join("core");
    // ELF, 64 bits, little-endian, ET_CORE, x86_64, and one program header, of empty notes.
    let mut header = vec![0u8; 120];
    header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    (header[16], header[18], header[20], header[32], header[54]) = (4, 62, 1, 64, 56);
    (header[56], header[64]) = (1, 4);
    fs::write(&core, header).unwrap();
    let mut process = bare(COLDFRAME.as_ref(), &folder);
    process.arg("export-core").arg(&core).args(["-o", "out"]);
    let done = output(process);
    assert_eq!(done.status.code(), Some(1));
    assert!(stderr(&done).contains("analyze"), "{}", stderr(&done));
    assert!(!folder.join("out").exists());
}
