//! A variable that refers to an object which has been freed.

use super::{Conclusion, Scene};
use crate::report::model::{Confidence, PythonFrame, ValueState, Variable};

/// How many frames of the crashed thread, from the innermost, are looked at.
const FRAMES: usize = 3;

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.crash?;
    let (name, function, _) = broken_variable(scene, |text| text.ends_with(": freed>"))?;
    Some(
        Conclusion::new(
            Confidence::Likely,
            format!("the variable {name} of {function} refers to an object that has been freed"),
        )
        .because("its reference count is none that an object in use has")
        .advise("look for a Py_DECREF too many, or a Py_INCREF that is missing, in native code that had the object; PYTHONMALLOC=debug shows it earlier"),
    )
}

/// A variable of the innermost frames whose object is broken in this way: its name, its function, its text.
pub(super) fn broken_variable(scene: &Scene<'_>, is_it: impl Fn(&str) -> bool) -> Option<(String, String, String)> {
    let find = |frame: &PythonFrame| -> Option<(String, String, String)> {
        let is_broken = |variable: &&Variable| {
            let text = variable.value.as_deref().unwrap_or_default();
            variable.state == ValueState::Unreadable && text.starts_with("<unreadable ") && is_it(text)
        };
        let variable = frame.locals.iter().find(is_broken)?;
        let function = frame.qualname.as_ref().or(frame.function.as_ref())?;
        Some((variable.name.clone(), function.clone(), variable.value.clone()?))
    };
    scene.pythons().take(FRAMES).find_map(find)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;
    use crate::report::model::Frame;

    #[test]
    fn by_the_value_of_a_variable() {
        let mut stage = Stage::new(libc::SIGSEGV, 1, 0).stack(&["py:f@/a.py"]);
        assert_eq!(stage.apply(apply), None);
        if let Frame::Python(frame) = &mut stage.thread().frames[0] {
            frame.locals = vec![Variable {
                name: "row".to_string(),
                value: Some("<unreadable list at 0x7f0000000000: freed>".to_string()),
                state: ValueState::Unreadable,
                ..Variable::default()
            }];
        }
        let found = stage.apply(apply).unwrap();
        assert_eq!(
            found.title,
            "the variable row of f refers to an object that has been freed"
        );
    }
}
