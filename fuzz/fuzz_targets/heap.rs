//! A CPython heap of arbitrary bytes: runtime, threads, frames, code objects, values. The input is the version, then
//! memory; small numbers in it are pointers. It begins with the addresses of objects, then the runtime.
#![no_main]

use coldframe::addr::Addr;
use coldframe::notes::Notes;
use coldframe::python::{Limits, Python};
use coldframe::source::MemoryExt;
use coldframe_fuzz::{Bytes, START, layout};

/// So many addresses of objects come first.
const OBJECTS: u64 = 16;
const MAX_FRAMES: usize = 100;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&version, heap)) = data.split_first() else {
        return;
    };
    let (memory, layout, notes) = (Bytes(heap), layout(version), Notes::new());
    let python = Python::new(&memory, layout, &notes);
    let mut limits = Limits::default();
    limits.budget = 2000;
    for index in 0..OBJECTS {
        let value = python.value(
            memory.read_addr(Addr(START + 8 * index)).unwrap_or_default(),
            &mut limits,
        );
        assert!(value.text.len() < 1 << 20, "a value of {} bytes", value.text.len());
    }
    let _ = python.probe();
    for interpreter in python.interpreters() {
        for thread in &interpreter.threads {
            for step in python.frames(thread, MAX_FRAMES) {
                if let Some(code) = python.code(step.code) {
                    let _ = code.position(&python, step.lasti);
                    let _ = python.locals(&step, &code, &mut limits);
                }
            }
        }
    }
});
