//! A division that has no result.

use super::{Conclusion, Scene};
use crate::report::model::Confidence;
use crate::report::signals::FPE_INTDIV;

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.signal(libc::SIGFPE).filter(|crash| crash.code == FPE_INTDIV)?;
    Some(
        Conclusion::new(
            Confidence::Certain,
            "an integer was divided by zero, or the quotient does not fit",
        )
        .because("the processor refused a division")
        .because_if(scene.operands())
        .because_if(scene.place())
        .advise("check the divisor: zero, or -1 where the dividend is the smallest number"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;

    #[test]
    fn only_what_the_processor_refused() {
        assert!(Stage::new(libc::SIGFPE, 1, 0x5000).apply(apply).is_some());
        assert_eq!(Stage::new(libc::SIGFPE, 0, 0).apply(apply), None);
    }
}
