use std::collections::BTreeSet;
use std::process::Command;
use std::time::Instant;

use coldframe::addr::Addr;
use coldframe::image::{CacheDir, ImageOptions, Images, Symbolizer};
use coldframe::notes::Notes;
use coldframe::source::streams::RecordedSymbols;

use crate::native::check_against_gdb;
use crate::pythons::pythons;
use crate::support::{Running, Stopped};

/// Threads that wait for a lock, and C that calls Python that calls C.
const PROGRAM: &str = "
import ctypes, functools, sys, threading
lock = threading.Lock()
lock.acquire()
def wait(depth):
    if depth:
        functools.reduce(lambda a, b: wait(depth - 1), [1, 2])
    else:
        lock.acquire()
for n in range(4):
    threading.Thread(target=wait, args=(n * 3,), daemon=True).start()
COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
class Key:
    def __init__(self, value): pass
    def __lt__(self, other):
        print('ready', flush=True)
        sys.stdin.readline()
        return True
def compare(a, b):
    sorted([1, 2], key=Key)
    return 0
numbers = (ctypes.c_int * 3)(3, 1, 2)
ctypes.CDLL(None).qsort(numbers, 3, 4, COMPARE(compare))
";

#[test]
fn every_python_unwinds_as_gdb_says_and_its_evaluation_loop_is_named() {
    for python in pythons() {
        let running = Running::start(Command::new(&python.executable).args(["-c", PROGRAM]));
        running.stop();
        let stopped = Stopped::look_at(running.pid());
        let stacks = check_against_gdb(&running, &stopped);
        assert_eq!(stacks.len(), 5);
        let lookups: BTreeSet<Addr> = stacks.iter().flat_map(|(_, steps)| steps).map(|s| s.lookup()).collect();

        let folder = tempfile::tempdir().unwrap();
        let none = RecordedSymbols::new();
        let name_all = |round: &str| {
            let start = Instant::now();
            let notes = Notes::new();
            let images = Images::new(ImageOptions {
                pid: Some(running.pid() as u32),
                cache: Some(CacheDir::at(folder.path()).unwrap()),
                ..ImageOptions::default()
            });
            let symbolizer = Symbolizer::new(&images, &stopped.modules, &none);
            for &lookup in &lookups {
                symbolizer.symbolize(lookup, &notes);
            }
            let asked = start.elapsed();
            images.save();
            let version = &python.version;
            eprintln!(
                "{version:?} {round}: {} addresses in {asked:?}, saved in {:?}",
                lookups.len(),
                start.elapsed()
            );
            symbolizer.into_recorded()
        };
        let cold = name_all("cold");
        assert_eq!(name_all("warm"), cold);
        let named = |name: &str| {
            let frames = cold.values().flatten();
            frames
                .filter(|f| f.function.as_deref().is_some_and(|f| f.starts_with(name)))
                .count()
        };
        let unnamed = cold.values().filter(|frames| frames.is_empty()).count();
        eprintln!(
            "  {} without a name; eval loop {}, main {}",
            unnamed,
            named("_PyEval_EvalFrameDefault"),
            named("Py_BytesMain")
        );
    }
}
