//! An instruction that the processor does not run.

use super::{Conclusion, Scene};
use crate::report::model::Confidence;
use crate::source::MemoryExt;

/// `ud2` and `ud1`: what compilers put where code must not be reached (Intel SDM volume 2, "UD").
const TRAPS: [[u8; 2]; 2] = [[0x0f, 0x0b], [0x0f, 0xb9]];
/// Instructions with VEX and EVEX prefixes: AVX, AVX2, BMI; AVX-512 (Intel SDM volume 2, 2.3 and 2.7).
const VEX: [u8; 2] = [0xc4, 0xc5];
const EVEX: u8 = 0x62;

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    let crash = scene.signal(libc::SIGILL).filter(|crash| crash.code > 0)?;
    let pc = scene.registers.map_or(crash.address, |registers| registers.pc());
    let code = scene.target.memory().read_array::<2>(pc).ok()?;
    if TRAPS.contains(&code) {
        return Some(
            Conclusion::new(Confidence::Certain, "the program ran into a trap that its compiler put there")
                .because(format!("the instruction at {pc} is ud2"))
                .because_if(scene.place())
                .advise("look for __builtin_trap(), __builtin_unreachable(), a failed check of a sanitizer, or a function that ends without a return"),
        );
    }
    let kind = match code {
        [EVEX, _] => "AVX-512",
        [first, _] if VEX.contains(&first) => "AVX or later",
        _ => return None,
    };
    let host = scene.report.process.as_ref().and_then(|process| process.host.as_ref());
    let cpu = host.and_then(|host| Some(format!("the processor is {}", host.cpu.as_ref()?)));
    Some(
        Conclusion::new(
            Confidence::Likely,
            format!("the processor does not have an instruction of {kind}"),
        )
        .because(format!(
            "the instruction at {pc} begins with the bytes {:02x} {:02x}",
            code[0], code[1]
        ))
        .because_if(scene.place())
        .because_if(cpu)
        .advise("install a build for processors without it, or build from source on this machine"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;
    use crate::source::Registers;

    #[test]
    fn by_the_bytes_at_the_pc() {
        let found = |code: &[u8]| {
            let stage = Stage::new(libc::SIGILL, 2, 0x5000).register(Registers::RIP, 0x5000);
            stage.bytes(0x5000, code).apply(apply).map(|found| found.confidence)
        };
        assert_eq!(found(&[0x0f, 0x0b]), Some(Confidence::Certain));
        assert_eq!(found(&[0xc5, 0xfd]), Some(Confidence::Likely));
        assert_eq!(found(&[0x62, 0xf1]), Some(Confidence::Likely));
        assert_eq!(found(&[0x48, 0x89]), None);
    }
}
