//! A pointer that no memory can have the address of.

use super::{Conclusion, Scene};
use crate::report::model::Confidence;
use crate::source::Registers;

/// `SI_KERNEL`: what comes with a general protection fault.
const SI_KERNEL: i32 = 0x80;

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.signal(libc::SIGSEGV).filter(|crash| crash.code == SI_KERNEL)?;
    let registers = scene.registers?;
    let wild: Vec<String> = suspects(registers)
        .map(|(name, value)| format!("{name} is {value:#x}{}", shape(value)))
        .collect();
    if wild.is_empty() {
        return None;
    }
    Some(
        Conclusion::new(
            Confidence::Likely,
            "a pointer was garbage: no memory can have its address",
        )
        .because("the processor raised a general protection fault, which has no address")
        .because(wild.join(", "))
        .because_if(scene.place())
        .advise(
            "run with PYTHONMALLOC=debug, or under AddressSanitizer: memory was overwritten or used after it was freed",
        ),
    )
}

/// The registers whose values are no addresses, nor numbers that programs calculate with.
pub(super) fn suspects(registers: &Registers) -> impl Iterator<Item = (&'static str, u64)> {
    Registers::NAMES
        .into_iter()
        .zip(registers.dwarf)
        .filter(|&(_, value)| is_noncanonical(value))
}

/// With four levels of page tables, bits 47 to 63 of an address are equal (Intel SDM volume 1, 3.3.7.1). Of those with
/// five levels the kernel gives out none unless it is asked to (Documentation/arch/x86/x86_64/5level-paging.rst).
pub(super) fn is_noncanonical(value: u64) -> bool {
    let top = value >> 47;
    top != 0 && top != (1 << 17) - 1
}

/// What a wrong pointer looks like.
pub(super) fn shape(value: u64) -> String {
    let bytes = value.to_le_bytes();
    if bytes.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        return format!(", the text {:?}", String::from_utf8_lossy(&bytes));
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;

    #[test]
    fn a_register_with_an_impossible_address() {
        let stage = |value| Stage::new(libc::SIGSEGV, SI_KERNEL, 0).register(3, value);
        let found = stage(0x4141_4141_4141_4141).apply(apply).unwrap();
        assert_eq!(found.evidence[1], "rbx is 0x4141414141414141, the text \"AAAAAAAA\"");
        assert_eq!(stage(0x7fff_ffff_fff8).apply(apply), None);
        assert_eq!(stage(u64::MAX).apply(apply), None);
    }
}
