//! A division that has no result.

use super::{Conclusion, Scene};
use crate::machine::Instruction;
use crate::report::model::Confidence;
use crate::report::signals::FPE_INTDIV;

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.signal(libc::SIGFPE).filter(|crash| crash.code == FPE_INTDIV)?;
    let instruction = || Instruction::read(scene.target.memory(), scene.registers?);
    let (title, advice) = match instruction().and_then(|instruction| instruction.divisor) {
        Some(0) => ("an integer was divided by zero", "check the divisor"),
        Some(_) => (
            "the quotient of a division of integers does not fit",
            "check for the smallest number divided by -1, and that what is divided has its upper half right",
        ),
        None => (
            "an integer was divided by zero, or the quotient does not fit",
            "check the divisor: zero, or -1 where the dividend is the smallest number",
        ),
    };
    Some(
        Conclusion::new(Confidence::Certain, title)
            .because("the processor refused a division")
            .because_if(scene.operands())
            .because_if(scene.place())
            .advise(advice),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;
    use crate::source::Registers;

    #[test]
    fn only_what_the_processor_refused() {
        assert!(Stage::new(libc::SIGFPE, 1, 0x5000).apply(apply).is_some());
        assert_eq!(Stage::new(libc::SIGFPE, 0, 0).apply(apply), None);
    }

    #[test]
    fn tells_zero_from_a_quotient_that_does_not_fit() {
        // idiv rcx, and what can be read behind it
        let code = [&[0x48, 0xf7, 0xf9][..], &[0x90; 16]].concat();
        let title = |divisor| {
            let stage = Stage::new(libc::SIGFPE, 1, 0x5000).bytes(0x5000, &code);
            let stage = stage.register(Registers::RIP, 0x5000).register(2, divisor);
            stage.apply(apply).unwrap().title
        };
        assert_eq!(title(0), "an integer was divided by zero");
        assert!(title(u64::MAX).contains("does not fit"));
    }
}
