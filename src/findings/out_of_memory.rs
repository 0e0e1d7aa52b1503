//! Memory had run out.

use super::{Conclusion, Scene};
use crate::report::model::{Confidence, Exception};

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.crash?;
    let thread = scene.thread()?;
    let is_one = |exception: &&Exception| {
        let name = exception.type_name.as_deref().unwrap_or_default();
        name.rsplit('.')
            .next()
            .is_some_and(|name| ["MemoryError", "_ArrayMemoryError"].contains(&name))
    };
    let exceptions = [&thread.exception, &thread.handling].into_iter().flatten();
    let exception = exceptions.into_iter().find(is_one)?;
    let state = if exception.raised { "raising" } else { "handling" };
    Some(
        Conclusion::new(Confidence::Likely, "memory had run out")
            .because(format!("the thread was {state} a MemoryError"))
            .advise("look at the limits (ulimit -v, the memory limit of the container), and at native code that does not check what malloc() returns"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;

    #[test]
    fn by_the_exception_of_the_thread() {
        let mut stage = Stage::new(libc::SIGSEGV, 1, 0);
        for (name, is_found) in [
            ("MemoryError", true),
            ("numpy._core._exceptions._ArrayMemoryError", true),
            ("ValueError", false),
        ] {
            stage.thread().exception = Some(Exception {
                type_name: Some(name.to_string()),
                ..Exception::default()
            });
            assert_eq!(stage.apply(apply).is_some(), is_found, "{name}");
        }
    }
}
