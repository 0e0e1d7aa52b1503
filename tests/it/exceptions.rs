//! Dumps of Python exceptions that nobody catches.

use std::fs;
use std::process::Command;

use crate::harness::{COLDFRAME, Folder, bare, output, reports, stderr};
use crate::package::{oldest_and_newest, python};
use crate::pythons::pythons;

/// A thread and the main one end by an exception; the latter is left to call.
const RAISES: &str = "
import sys, threading
def in_a_thread():
    certain_number = 271828
    raise KeyError('said by a thread')
thread = threading.Thread(target=in_a_thread, name='T')
thread.start()
thread.join()
try:
    raise OSError('caught')
except OSError:
    pass
def in_main():
    raise ValueError('said by main')
";

const PROGRAM: &str = "
print(sys.path[0], any('coldframe' in path for path in sys.path[1:]), 'sitecustomize' in sys.modules, flush=True)
in_main()
";

#[test]
fn uncaught_exceptions_leave_a_dump_and_end_as_ever() {
    for python in pythons() {
        let folder = Folder::new();
        fs::write(folder.join("program.py"), [RAISES, PROGRAM].concat()).expect("the program");
        let other = folder.join("others");
        fs::create_dir(&other).expect("a folder");
        fs::write(other.join("sitecustomize.py"), "print('of the user', flush=True)").expect("a module");
        let program = |process: &mut Command| {
            process
                .arg("program.py")
                .env("PYTHONPATH", &other)
                .env("PYTHONDONTWRITEBYTECODE", "1");
        };
        let mut plain = bare(python.executable.as_os_str(), &folder);
        program(&mut plain);
        let plain = output(plain);
        assert_eq!(plain.status.code(), Some(1), "{}", stderr(&plain));
        let mut captured = bare(COLDFRAME.as_ref(), &folder);
        captured
            .args(["run", "--on-exception", "--report", "json", "-o", "dumps", "--"])
            .arg(&python.executable);
        program(&mut captured);
        let captured = output(captured);
        assert_eq!(
            (&captured.status, &captured.stdout),
            (&plain.status, &plain.stdout),
            "{}",
            stderr(&captured)
        );
        let said: String = stderr(&captured)
            .lines()
            .filter(|line| !line.contains("coldframe-report/"))
            .flat_map(|line| [line, "\n"])
            .collect();
        assert_eq!(said, stderr(&plain));
        let reports = reports(&captured);
        assert_eq!(reports.len(), 2, "{:?}", python.version);
        for (report, text) in reports.iter().zip(["said by a thread", "said by main"]) {
            assert_eq!(report["trigger"], "exception");
            assert!(report["threads"].to_string().contains(text), "{report}");
        }
        assert_eq!(fs::read_dir(folder.join("dumps")).expect("dumps").count(), 2);
    }
}

/// ENABLE is the form of the report; empty, the package is not imported.
const ENABLED: &str = "
import os, threading
form = os.environ['ENABLE']
if form:
    import coldframe
    assert coldframe.enable(dir='dumps', report=form, exceptions=True)
started = threading.Event()
def waits(certain_number):
    started.set()
    threading.Event().wait()
threading.Thread(target=waits, args=(271828,), daemon=True).start()
started.wait()
";

#[test]
fn enable_dumps_what_nobody_catches_and_changes_nothing_else() {
    for executable in oldest_and_newest() {
        let folder = Folder::new();
        fs::write(
            folder.join("program.py"),
            [ENABLED, RAISES, "print('prints', flush=True)\nin_main()\n"].concat(),
        )
        .expect("the program");
        let run = |form: &str| {
            let mut process = python(&executable, &folder);
            process.arg("program.py").env("ENABLE", form);
            output(process)
        };
        let plain = run("");
        assert_eq!(plain.status.code(), Some(1), "{}", stderr(&plain));
        let silent = run("none");
        assert_eq!((&silent.status, &silent.stdout), (&plain.status, &plain.stdout));
        assert_eq!(stderr(&silent), stderr(&plain));
        assert_eq!(fs::read_dir(folder.join("dumps")).expect("dumps").count(), 2);
        let captured = run("json");
        assert_eq!((&captured.status, &captured.stdout), (&plain.status, &plain.stdout));
        let reports = reports(&captured);
        assert_eq!(reports.len(), 2, "{}", stderr(&captured));
        for (report, text) in reports.iter().zip(["said by a thread", "said by main"]) {
            assert_eq!(report["trigger"], "exception");
            let threads = report["threads"].to_string();
            for word in [text, "\"waits\"", "271828"] {
                assert!(threads.contains(word), "{word}: {report:#}");
            }
        }
    }
}
