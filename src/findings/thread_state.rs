//! Python's C interface was called by a thread that may not.

use super::scene::{fits, function, named};
use super::{Conclusion, Scene};
use crate::report::model::{Confidence, NativeFrame};
use crate::triage::Origin;

/// What may be called without the GIL or a thread state, or gets them itself ("Initialization, Finalization, and Threads"
/// in CPython's documentation).
const ALLOWED: &[&str] = &[
    "PyGILState_*",
    "PyEval_*",
    "_PyEval_*",
    "PyThread_*",
    "PyThreadState_*",
    "_PyThreadState_*",
    "PyInterpreterState_*",
    "PyMem_Raw*",
    "PyMutex_*",
    "_PyMutex_*",
    "PyOS_*",
    "PyPreConfig_*",
    "PyConfig_*",
    "PyStatus_*",
    "PyWideStringList_*",
    "PyInit_*",
    "PyUnstable_*",
    "Py_Initialize*",
    "Py_Is*",
    "Py_Finalize*",
    "Py_NewInterpreter*",
    "Py_EndInterpreter",
    "Py_FatalError",
    "_Py_FatalError*",
    "Py_Main",
    "Py_BytesMain",
    "Py_RunMain",
    "Py_Exit*",
    "Py_AddPendingCall",
    "Py_AtExit",
    "Py_Get*",
    "Py_Set*",
    "Py_DecodeLocale",
    "Py_EncodeLocale",
];

/// What the names of functions of the C interface begin with.
const API: &[&str] = &["Py*", "_Py*"];

/// The function of the C interface that code outside of Python called, and its caller.
fn call<'a>(scene: &Scene<'a>) -> Option<(&'a NativeFrame, &'a NativeFrame)> {
    scene.fault()?;
    let natives = scene.natives();
    // The C library works for whoever called it.
    let inside = natives.iter().position(|frame| scene.origin(frame) != Origin::Libc)?;
    let count = natives[inside..]
        .iter()
        .take_while(|frame| scene.origin(frame) == Origin::Python)
        .count();
    let entry = natives.get(inside + count.checked_sub(1)?)?;
    let caller = natives.get(inside + count)?;
    let name = function(entry);
    let is_foreign = matches!(scene.origin(caller), Origin::Other | Origin::Passing);
    (is_foreign && fits(&name, API) && !fits(&name, ALLOWED)).then_some((*entry, *caller))
}

pub(super) fn missing(scene: &Scene<'_>) -> Option<Conclusion> {
    let (entry, caller) = call(scene)?;
    let thread = scene.thread()?;
    let is_known = thread.interpreter.is_some() || scene.pythons().next().is_some();
    let has_interpreters = scene.report.python.iter().any(|python| !python.interpreters.is_empty());
    if is_known || !has_interpreters {
        return None;
    }
    Some(
        Conclusion::new(
            Confidence::Certain,
            format!("{} was called by a thread that Python does not know", function(entry)),
        )
        .because(format!("no interpreter has a thread state for thread {}", thread.tid))
        .because(format!("{} called it", named(caller)))
        .advise(
            "call PyGILState_Ensure() in such a thread before any other function of Python, PyGILState_Release() after",
        ),
    )
}

pub(super) fn gil_not_held(scene: &Scene<'_>) -> Option<Conclusion> {
    let (entry, caller) = call(scene)?;
    let thread = scene.thread()?;
    if thread.holds_gil != Some(false) {
        return None;
    }
    let interpreters = scene.report.python.iter().flat_map(|python| &python.interpreters);
    let gil = interpreters
        .filter(|interpreter| Some(interpreter.id) == thread.interpreter)
        .find_map(|interpreter| interpreter.gil.as_ref());
    let holder = match gil.and_then(|gil| gil.holder_tid) {
        Some(tid) => format!("thread {} does not hold the GIL, thread {tid} does", thread.tid),
        None => format!("thread {} does not hold the GIL, nor does another thread", thread.tid),
    };
    let advice = match scene.origin(caller) {
        Origin::Passing => "with ctypes, use PyDLL for functions of Python: CDLL lets go of the GIL for the call",
        _ => "call it outside of Py_BEGIN_ALLOW_THREADS, or between PyGILState_Ensure() and PyGILState_Release()",
    };
    Some(
        Conclusion::new(
            Confidence::Certain,
            format!("{} was called without the GIL", function(entry)),
        )
        .because(holder)
        .because(format!("{} called it", named(caller)))
        .advise(advice),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;
    use crate::report::model::Interpreter;

    fn stage(frames: &[&str]) -> Stage {
        let mut stage = Stage::new(libc::SIGSEGV, 1, 0x10).stack(frames);
        stage.report.python[0].interpreters = vec![Interpreter::default()];
        stage
    }

    #[test]
    fn a_thread_without_state() {
        let found = stage(&[
            "new_list",
            "PyList_New",
            "worker@/x/fast.so",
            "start_thread@/lib/libc.so.6",
        ])
        .apply(missing);
        assert_eq!(
            found.unwrap().title,
            "PyList_New was called by a thread that Python does not know"
        );
        assert_eq!(stage(&["PyGILState_Ensure", "worker@/x/fast.so"]).apply(missing), None);
        assert_eq!(stage(&["parse@/x/fast.so", "PyObject_Call"]).apply(missing), None);
        let mut known = stage(&["PyList_New", "worker@/x/fast.so"]);
        known.thread().interpreter = Some(0);
        assert_eq!(known.apply(missing), None);
    }

    #[test]
    fn a_thread_that_does_not_hold_the_gil() {
        let mut stage = stage(&[
            "_PyErr_SetObject",
            "PyErr_SetString",
            "?@/lib/libffi.so.8",
            "py:f@/a.py",
        ]);
        stage.thread().interpreter = Some(0);
        assert_eq!(stage.apply(gil_not_held), None);
        stage.thread().holds_gil = Some(true);
        assert_eq!(stage.apply(gil_not_held), None);
        stage.thread().holds_gil = Some(false);
        let found = stage.apply(gil_not_held).unwrap();
        assert!(found.title.starts_with("PyErr_SetString "));
        assert!(found.advice.contains("PyDLL"));
    }
}
