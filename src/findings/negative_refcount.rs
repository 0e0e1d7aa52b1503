//! A count of references below zero.

use super::freed_object::broken_variable;
use super::scene::{fits, function, named};
use super::{Conclusion, Scene};
use crate::report::model::{Confidence, NativeFrame};
use crate::triage::Origin;

/// What debug builds call where `Py_DECREF` finds such a count (Include/object.h).
const CHECKS: &[&str] = &["_Py_NegativeRefcount*"];
/// What gives references back for others.
const DECREF: &[&str] = &["Py_DecRef", "_Py_DecRef", "Py_DECREF*", "Py_XDECREF*", "_Py_XDECREF*"];
const ADVICE: &str =
    "look for a Py_DECREF too many, or a Py_INCREF that is missing, in native code that had the object";

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    checked(scene).or_else(|| variable(scene))
}

/// The check of a debug build.
fn checked(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.signal(libc::SIGABRT)?;
    let natives = scene.natives();
    let is_check =
        |frame: &&NativeFrame| fits(&function(frame), CHECKS) && !matches!(scene.origin(frame), Origin::Libc);
    let check = natives.iter().position(is_check)?;
    let outside = natives[check..].iter().skip(1);
    let culprit = outside.clone().find(|frame| !fits(&function(frame), DECREF));
    Some(
        Conclusion::new(
            Confidence::Certain,
            "a reference was given back that nobody had: the count of an object is below zero",
        )
        .because(format!("{} is on the stack", function(natives[check])))
        .because_if(culprit.map(|frame| format!("{} gave it back", named(frame))))
        .advise(ADVICE),
    )
}

fn variable(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.crash?;
    let is_negative = |text: &str| text.contains(": reference count -");
    let (name, function, text) = broken_variable(scene, is_negative)?;
    let count = text.rsplit(' ').next()?.trim_end_matches('>');
    Some(
        Conclusion::new(
            Confidence::Likely,
            format!(
                "the variable {name} of {function} refers to an object of which too many references were given back"
            ),
        )
        .because(format!("its reference count is {count}"))
        .advise(ADVICE),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;

    #[test]
    fn by_the_check_of_a_debug_build() {
        let frames = [
            "abort@/lib/libc.so.6",
            "_Py_NegativeRefcount",
            "Py_DecRef",
            "drop@/x/fast.so",
        ];
        let found = Stage::new(libc::SIGABRT, -6, 0).stack(&frames).apply(apply).unwrap();
        assert_eq!(found.evidence[1], "drop (fast.so) gave it back");
        let frames = ["abort@/lib/libc.so.6", "Py_DecRef"];
        assert_eq!(Stage::new(libc::SIGABRT, -6, 0).stack(&frames).apply(apply), None);
    }
}
