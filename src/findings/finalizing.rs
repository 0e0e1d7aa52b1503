//! It happened while Python was shutting down.

use super::scene::{fits, function};
use super::{Conclusion, Scene};
use crate::report::model::Confidence;

/// What ends the interpreter or the program.
const ENDING: &[&str] = &[
    "Py_FinalizeEx",
    "Py_Finalize",
    "_Py_Finalize",
    "Py_EndInterpreter",
    "__run_exit_handlers",
    "_dl_fini",
];

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.crash?;
    let thread = scene.thread()?;
    let mut natives = scene.all_natives();
    let ending = natives.find(|frame| fits(&function(frame), ENDING)).map(function);
    let mut interpreters = scene.report.python.iter().flat_map(|python| &python.interpreters);
    let is_flagged = interpreters.any(|interpreter| {
        let is_own = thread.interpreter.is_none_or(|own| own == interpreter.id);
        is_own && interpreter.finalizing == Some(true)
    });
    let is_main = scene.report.process.as_ref().and_then(|process| process.pid) == Some(thread.tid);
    let evidence = match (&ending, is_flagged) {
        (Some(function), _) => format!("{function} is on the stack of the thread that crashed"),
        (None, true) => "the interpreter is marked as being finalised".to_string(),
        (None, false) => return None,
    };
    // An interpreter without symbols does not name what is on the stack of its main thread.
    let advice = match ending.is_some() || is_main {
        true => {
            "look for what is used at exit after it was torn down: atexit functions, __del__ methods, destructors in C++"
        }
        false => "end or join all threads before the main thread ends: those that go on find Python torn down",
    };
    Some(
        Conclusion::new(Confidence::Likely, "Python was shutting down")
            .because(evidence)
            .advise(advice),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;
    use crate::report::model::Interpreter;

    #[test]
    fn by_the_stack_or_by_the_flag() {
        let stage = |frames: &[&str]| Stage::new(libc::SIGSEGV, 1, 0).stack(frames);
        assert!(
            stage(&["close@/x/fast.so", "Py_FinalizeEx", "Py_RunMain"])
                .apply(apply)
                .is_some()
        );
        let mut other = stage(&["work@/x/fast.so"]);
        assert_eq!(other.apply(apply), None);
        other.report.python[0].interpreters = vec![Interpreter {
            finalizing: Some(true),
            ..Interpreter::default()
        }];
        assert!(other.apply(apply).unwrap().advice.starts_with("end or join"));
    }
}
