//! An instruction that the processor does not run.

use super::{Conclusion, Scene};
use crate::machine;
use crate::report::model::Confidence;
use crate::source::MemoryExt;

/// `ud2` and `ud1`: what compilers put where code must not be reached (Intel SDM volume 2, "UD").
const TRAPS: [[u8; 2]; 2] = [[0x0f, 0x0b], [0x0f, 0xb9]];

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
    let (confidence, kind, evidence) = missing(scene)?;
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

/// What the instruction needs and the processor lacks. Where it is not known what the processor has, as in a core: the
/// instruction is one that programs may use, and it was refused.
fn missing(scene: &Scene<'_>) -> Option<(Confidence, String, String)> {
    let instruction = machine::Instruction::read(scene.target.memory(), scene.registers?)?;
    let flags = scene.target.context().process.cpu_flags.as_deref();
    let has = |feature: &str| flags.is_some_and(|flags| flags.split_whitespace().any(|flag| flag == feature));
    let needs = instruction.needs.iter().map(String::as_str);
    let lacks: Vec<&str> = needs.filter(|feature| !has(feature)).collect();
    if lacks.is_empty() {
        return None;
    }
    let (confidence, why) = match flags {
        Some(_) => (
            Confidence::Certain,
            format!("{} is not among the processor's features", lacks.join(", ")),
        ),
        None => (
            Confidence::Likely,
            format!("not every processor has {}", lacks.join(", ")),
        ),
    };
    Some((
        confidence,
        lacks.join(" and "),
        format!("the instruction is `{}`, and {why}", instruction.text),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;
    use crate::source::Registers;

    #[test]
    fn by_the_instruction_alone() {
        let found = |code: &[u8]| {
            let mut code = code.to_vec();
            code.resize(15, 0x90);
            let stage = Stage::new(libc::SIGILL, 2, 0x5000).register(Registers::RIP, 0x5000);
            let found = stage.bytes(0x5000, &code).apply(apply);
            found.map(|found| (found.confidence, found.title))
        };
        let lacks = |feature: &str| format!("the processor does not have an instruction of {feature}");
        assert_eq!(
            found(&[0x0f, 0x0b]).map(|(sure, _)| sure),
            Some(Confidence::Certain),
            "ud2"
        );
        assert_eq!(
            found(&[0xc5, 0xfd, 0xfe, 0xc0]),
            Some((Confidence::Likely, lacks("avx2")))
        );
        assert_eq!(
            found(&[0x62, 0xf1, 0x7d, 0x48, 0xfe, 0xc0]),
            Some((Confidence::Likely, lacks("avx512f")))
        );
        assert_eq!(found(&[0x48, 0x89, 0xc3]), None, "mov, which each has");
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
