//! Pointers made of the bytes with which Python's debug allocator fills memory.

use super::{Conclusion, Scene};
use crate::report::model::Confidence;

/// `PYMEM_CLEANBYTE` (Include/internal/pycore_pymem.h; the same since 3.8): new memory.
const CLEAN: u8 = 0xcd;
/// `PYMEM_DEADBYTE`: freed memory.
const DEAD: u8 = 0xdd;

pub(super) fn freed(scene: &Scene<'_>) -> Option<Conclusion> {
    filled(scene, DEAD, "memory was used after it had been freed", "freed memory").map(|found| {
        found.advise("find who freed it too early: in C code a Py_DECREF too many, or a Py_INCREF that is missing")
    })
}

pub(super) fn uninitialized(scene: &Scene<'_>) -> Option<Conclusion> {
    filled(
        scene,
        CLEAN,
        "memory was used that nothing had been written to",
        "new memory",
    )
    .map(|found| found.advise("set every field right after the allocation, or use PyMem_Calloc"))
}

fn filled(scene: &Scene<'_>, byte: u8, title: &str, kind: &str) -> Option<Conclusion> {
    scene.fault().filter(|crash| crash.signal == libc::SIGSEGV)?;
    // Such an address is not canonical: the fault has no address of its own.
    if scene.address().is_some() {
        return None;
    }
    let instruction = scene.instruction().filter(|_| scene.access().is_some())?;
    let register = instruction
        .registers
        .iter()
        .find(|register| is_filled(register.value.0, byte))?;
    Some(
        Conclusion::new(Confidence::Certain, title)
            .because(format!(
                "{} is {}: the debug allocator fills {kind} with the byte {byte:#04x}",
                register.name, register.value
            ))
            .because_if(scene.operands())
            .because_if(scene.place()),
    )
}

/// The byte six times, and then the byte twice or something that an offset was added to.
fn is_filled(value: u64, byte: u8) -> bool {
    value >> 16 == u64::from_le_bytes([byte; 8]) >> 16
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;
    use crate::report::model::AccessKind;

    #[test]
    fn six_bytes_of_a_kind_tell() {
        let stage = |value: u64| {
            Stage::new(libc::SIGSEGV, 0x80, 0)
                .access("mov rax, [rdi+8]", AccessKind::Read, value.wrapping_add(8))
                .operand("rdi", value)
        };
        assert!(stage(0xdddd_dddd_dddd_dde5).apply(freed).is_some());
        assert!(stage(0xcdcd_cdcd_cdcd_cdcd).apply(uninitialized).is_some());
        assert_eq!(stage(0xdddd_dddd_0000_0000).apply(freed), None);
        assert_eq!(stage(0xcdcd_cdcd_cdcd_cdcd).apply(freed), None);
    }
}
