//! A pointer that no memory can have the address of.

use super::{Conclusion, Scene};
use crate::addr::Addr;
use crate::machine::is_canonical;
use crate::report::model::{AccessKind, Confidence};
use crate::source::Registers;

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene
        .signal(libc::SIGSEGV)
        .filter(|crash| crash.code == libc::SI_KERNEL)?;
    let access = scene.access();
    if access.is_some_and(|access| access.kind == AccessKind::Execute) {
        return None;
    }
    let (confidence, address) = match access.and_then(|access| access.address) {
        Some(address) => (
            Confidence::Certain,
            format!("the address is {address}{}", made_of(scene)),
        ),
        None => {
            let (name, value) = suspects(scene.registers?).next()?;
            (Confidence::Likely, format!("{name} is {value:#x}{}", shape(value)))
        }
    };
    Some(
        Conclusion::new(confidence, "a pointer was garbage: no memory can have its address")
            .because(address)
            .because_if(scene.operands())
            .because_if(scene.place())
            .advise("run with PYTHONMALLOC=debug, or under AddressSanitizer: memory was overwritten or used after it was freed"),
    )
}

/// The text that a register of the address holds.
fn made_of(scene: &Scene<'_>) -> String {
    let registers = scene
        .instruction()
        .map_or(&[][..], |instruction| &instruction.registers);
    let text = registers.iter().find_map(|register| {
        let shape = shape(register.value.0);
        (!shape.is_empty()).then(|| format!("; {} holds{}", register.name, shape.trim_start_matches(',')))
    });
    text.unwrap_or_default()
}

/// The registers whose values are no addresses.
pub(super) fn suspects(registers: &Registers) -> impl Iterator<Item = (&'static str, u64)> {
    let named = Registers::NAMES.into_iter().zip(registers.dwarf);
    named.filter(|&(_, value)| !is_canonical(Addr(value)))
}

/// What a wrong pointer looks like.
pub(super) fn shape(value: u64) -> String {
    let bytes = value.to_le_bytes();
    match bytes.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        true => format!(", the text {:?}", String::from_utf8_lossy(&bytes)),
        false => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;

    #[test]
    fn by_the_address_else_by_a_register() {
        let stage = |value| Stage::new(libc::SIGSEGV, libc::SI_KERNEL, 0).register(3, value);
        let found = stage(0x4141_4141_4141_4141).apply(apply).unwrap();
        assert_eq!(found.confidence, Confidence::Likely);
        assert_eq!(found.evidence[0], "rbx is 0x4141414141414141, the text \"AAAAAAAA\"");
        assert_eq!(stage(0x7fff_ffff_fff8).apply(apply), None);
        assert_eq!(stage(u64::MAX).apply(apply), None);
        let access = |kind| stage(0).access("mov rax, [rbx+8]", kind, 0x4141_4141_4141_4149);
        assert_eq!(
            access(AccessKind::Read).apply(apply).unwrap().confidence,
            Confidence::Certain
        );
        assert_eq!(access(AccessKind::Execute).apply(apply), None);
        let found = access(AccessKind::Read)
            .operand("rbx", 0x4141_4141_4141_4141)
            .apply(apply);
        assert_eq!(
            found.unwrap().evidence[0],
            "the address is 0x4141414141414149; rbx holds the text \"AAAAAAAA\""
        );
    }
}
