//! Hostile variables: the handler starts nothing but its helper, and the helper loads nothing but itself.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::harness::{Folder, coldframe_run, one_report, output, python, stderr};

/// Tells which program loads or runs it.
const SPY: &str = r#"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
static void tell(void) {
    char text[4097] = {0};
    ssize_t size = readlink("/proc/self/exe", text, 4095);
    int file = open(LOG, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (size > 0 && file >= 0) { text[size] = '\n'; write(file, text, size + 1); }
    if (file >= 0) close(file);
}
__attribute__((constructor)) static void loaded(void) { tell(); }
unsigned la_version(unsigned version) { return version; }
#ifdef PROGRAM
int main(void) { return 0; }
#endif
"#;

const PROGRAM: &str = r#"
import ctypes, os, subprocess, sys
hostile, moment = sys.argv[1:]
spy = os.path.join(hostile, 'spy.so')
variables = {
    'LD_AUDIT': spy,
    'PATH': hostile,
    'COLDFRAME_HELPER': os.path.join(hostile, 'coldframe'),
    'DEBUGINFOD_URLS': 'http://127.0.0.1:9/',
}
if moment == 'before':
    variables['LD_PRELOAD'] = os.environ['LD_PRELOAD'] + ':' + spy
    os.environ.update(variables)
    os.execv(sys.executable, [sys.executable, __file__, hostile, 'started'])
elif moment == 'after':
    os.environ['LD_PRELOAD'] = spy
    subprocess.run(['/bin/true'], check=True)
    # There is a libc.so.6 of the spy's.
    variables['LD_LIBRARY_PATH'] = hostile
    variables['COLDFRAME_DIR'] = hostile
    os.environ.update(variables)
ctypes.string_at(0)
"#;

/// `before`: the program that crashes is started with them. `after`: it sets them itself.
#[test]
fn no_variable_makes_the_helper_load_or_be_something_else() {
    let Some(python) = python() else { return };
    for (moment, spied) in [("before", python.as_path()), ("after", Path::new("true"))] {
        let folder = Folder::new();
        let hostile = folder.join("hostile");
        fs::create_dir(&hostile).expect("a folder");
        let log = folder.join("log");
        let log_is = format!("-DLOG=\"{}\"", log.display());
        let library = folder.compile("cc", "spy.so", SPY, &["-shared", "-fPIC", &log_is]);
        let helper = folder.compile("cc", "coldframe", SPY, &["-DPROGRAM", &log_is]);
        let (Some(library), Some(helper)) = (library, helper) else {
            return;
        };
        for (file, name) in [(&library, "spy.so"), (&library, "libc.so.6"), (&helper, "coldframe")] {
            fs::copy(file, hostile.join(name)).expect("a copy");
        }
        let program = folder.join("program.py");
        fs::write(&program, PROGRAM).expect("the program");
        let result = output(coldframe_run(
            &folder,
            &[python.as_os_str(), program.as_ref(), hostile.as_ref(), moment.as_ref()],
        ));
        one_report(&result, libc::SIGSEGV);
        assert_eq!(
            fs::read_dir(folder.join("dumps")).expect("dumps").count(),
            1,
            "{}",
            stderr(&result)
        );
        let seen = fs::read_to_string(&log).expect("the spy's log");
        assert!(!seen.is_empty());
        for line in seen.lines() {
            assert_eq!(
                Path::new(line).file_name(),
                real_name(spied).as_deref(),
                "{moment}: {seen}"
            );
        }
    }
}

/// The name of a program's own file: /proc/PID/exe leads there.
fn real_name(program: &Path) -> Option<OsString> {
    let path = program.canonicalize().unwrap_or_else(|_| program.into());
    path.file_name().map(OsString::from)
}
