//! A Rust panic that nothing caught.

use super::scene::{fits, function, named};
use super::{Conclusion, Scene};
use crate::report::model::Confidence;

/// What a panic runs through (Rust library/std/src/panicking.rs, library/core/src/panicking.rs).
const PANIC: &[&str] = &[
    "rust_panic*",
    "__rustc::rust_panic*",
    "rust_begin_unwind",
    "__rustc::rust_begin_unwind",
    "core::panicking::*",
    "std::panicking::*",
];
/// What else stands between that and the code that panicked.
const LIBRARY: &[&str] = &[
    "std::*",
    "core::*",
    "alloc::*",
    "<core::*",
    "<alloc::*",
    "<std::*",
    "_Unwind_*",
    "rust_eh_personality",
    "__rust_*",
];

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.signal(libc::SIGABRT)?;
    let natives = scene.natives();
    let last = natives.iter().rposition(|frame| fits(&function(frame), PANIC))?;
    let culprit = natives[last..].iter().find(|frame| {
        let name = function(frame);
        !name.is_empty() && !fits(&name, PANIC) && !fits(&name, LIBRARY)
    });
    let title = match culprit {
        Some(frame) => format!("a Rust panic in {} ended the process", function(frame)),
        None => "a Rust panic ended the process".to_string(),
    };
    Some(
        Conclusion::new(Confidence::Certain, title)
            .because(format!("{} is on the stack", function(natives[last])))
            .because_if(culprit.map(|frame| format!("{} called it", named(frame))))
            .advise("read the line \"panicked at\" on stderr, which has file and line; a panic must not leave an extern \"C\" function"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;

    #[test]
    fn names_the_code_that_panicked() {
        let frames = [
            "abort@/lib/libc.so.6",
            "std::process::abort@/x/fast.so",
            "rust_panic@/x/fast.so",
            "core::panicking::panic_fmt@/x/fast.so",
            "core::option::unwrap_failed@/x/fast.so",
            "fast::parse@/x/fast.so",
            "py:f@/a.py",
        ];
        let found = Stage::new(libc::SIGABRT, -6, 0).stack(&frames).apply(apply).unwrap();
        assert_eq!(found.title, "a Rust panic in fast::parse ended the process");
        let frames = ["abort@/lib/libc.so.6", "fast::parse@/x/fast.so"];
        assert_eq!(Stage::new(libc::SIGABRT, -6, 0).stack(&frames).apply(apply), None);
    }
}
