//! An instruction that the processor does not run.

use super::{Conclusion, Scene};
use crate::addr::Addr;
use crate::machine;
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
    let host = scene.report.process.as_ref().and_then(|process| process.host.as_ref());
    let cpu = host.and_then(|host| Some(format!("the processor is {}", host.cpu.as_ref()?)));
    let (confidence, kind, evidence) = match scene.target.context().process.cpu_flags {
        Some(_) => missing(scene),
        None => by_prefix(code, pc),
    }?;
    Some(
        Conclusion::new(
            confidence,
            format!("the processor does not have an instruction of {kind}"),
        )
        .because(evidence)
        .because_if(scene.place())
        .because_if(cpu)
        .advise("install a build for processors without it, or build from source on this machine"),
    )
}

/// What the instruction needs and the processor lacks.
fn missing(scene: &Scene<'_>) -> Option<(Confidence, String, String)> {
    let flags = scene.target.context().process.cpu_flags.as_deref()?;
    let instruction = machine::Instruction::read(scene.target.memory(), scene.registers?)?;
    let has = |feature: &String| flags.split_whitespace().any(|flag| flag == feature);
    let lacks: Vec<&str> = instruction
        .needs
        .iter()
        .filter(|feature| !has(feature))
        .map(String::as_str)
        .collect();
    (!lacks.is_empty()).then(|| {
        (
            Confidence::Certain,
            lacks.join(" and "),
            format!(
                "the instruction is `{}`, and {} is not among the processor's features",
                instruction.text,
                lacks.join(", ")
            ),
        )
    })
}

/// Where it is not known what the processor has.
fn by_prefix(code: [u8; 2], pc: Addr) -> Option<(Confidence, String, String)> {
    let kind = match code {
        [EVEX, _] => "AVX-512",
        [first, _] if VEX.contains(&first) => "AVX or later",
        _ => return None,
    };
    let [first, second] = code;
    let evidence = format!("the instruction at {pc} begins with the bytes {first:02x} {second:02x}");
    Some((Confidence::Likely, kind.to_string(), evidence))
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

    #[test]
    fn by_what_the_processor_lacks() {
        let found = |flags: &str| {
            let mut code = vec![0xc5, 0xfd, 0xfe, 0xc0];
            code.resize(15, 0x90);
            let stage = Stage::new(libc::SIGILL, 2, 0x5000).register(Registers::RIP, 0x5000);
            let mut stage = stage.bytes(0x5000, &code);
            stage.target.facts.context.process.cpu_flags = Some(flags.to_string());
            stage.apply(apply).map(|found| (found.confidence, found.title))
        };
        let title = "the processor does not have an instruction of avx2".to_string();
        assert_eq!(found("fpu sse2 avx"), Some((Confidence::Certain, title)));
        // It has it, so that something else is wrong, and `likely` by its first bytes would be a guess.
        assert_eq!(found("fpu sse2 avx avx2"), None);
    }
}
