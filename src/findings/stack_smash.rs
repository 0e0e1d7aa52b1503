//! A buffer on the stack was overrun.

use super::noncanonical::shape;
use super::scene::named;
use super::{Conclusion, Scene};
use crate::addr::Addr;
use crate::machine::is_canonical;
use crate::report::model::Confidence;
use crate::source::MemoryExt;
use crate::triage::Origin;

/// `SI_KERNEL`: what comes with a general protection fault.
const SI_KERNEL: i32 = 0x80;
const ADVICE: &str = "build the code with -fsanitize=address, which names the buffer and the write";

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    by_message(scene).or_else(|| by_return(scene))
}

/// What glibc says for `__stack_chk_fail`.
fn by_message(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.signal(libc::SIGABRT)?;
    let message = scene.report.crash.as_ref()?.message.as_ref()?;
    message.contains("stack smashing detected").then(|| {
        let natives = scene.natives();
        let checked = natives.iter().find(|frame| scene.origin(frame) != Origin::Libc);
        Conclusion::new(Confidence::Certain, "a buffer on the stack was overrun")
            .because(format!("the C library said: {message}"))
            .because_if(checked.map(|frame| format!("{} found it at its return", named(frame))))
            .advise(ADVICE)
    })
}

/// `ret` takes the word on top of the stack; where that is no address, the processor refuses.
fn by_return(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.signal(libc::SIGSEGV).filter(|crash| crash.code == SI_KERNEL)?;
    let (memory, registers) = (scene.target.memory(), scene.registers?);
    // `ret` and `ret imm16`, with the prefix that some compilers put before them (Intel SDM volume 2, "RET").
    let code = memory.read_array::<2>(registers.pc()).ok()?;
    if !matches!(code, [0xc2 | 0xc3, _] | [0xf2 | 0xf3, 0xc3]) {
        return None;
    }
    let target = memory
        .read_u64(registers.sp())
        .ok()
        .filter(|&word| !is_canonical(Addr(word)))?;
    Some(
        Conclusion::new(
            Confidence::Certain,
            "a return address on the stack was overwritten: a buffer there was overrun",
        )
        .because(format!("the function returns to {target:#x}{}", shape(target)))
        .because_if(scene.place())
        .advise(ADVICE),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;
    use crate::source::Registers;

    #[test]
    fn a_return_to_nowhere() {
        let stage = |code: &[u8], word: u64| {
            Stage::new(libc::SIGSEGV, SI_KERNEL, 0)
                .register(Registers::RIP, 0x5000)
                .register(Registers::RSP, 0x6000)
                .bytes(0x5000, code)
                .bytes(0x6000, &word.to_le_bytes())
        };
        let found = stage(&[0xc3, 0x90], 0x4141_4141_4141_4141).apply(apply).unwrap();
        assert_eq!(
            found.evidence[0],
            "the function returns to 0x4141414141414141, the text \"AAAAAAAA\""
        );
        assert_eq!(stage(&[0x90, 0xc3], 0x4141_4141_4141_4141).apply(apply), None);
        assert_eq!(stage(&[0xc3, 0x90], 0x5000).apply(apply), None);
    }

    #[test]
    fn what_the_stack_protector_says() {
        let stage = Stage::new(libc::SIGABRT, -6, 0)
            .stack(&["__stack_chk_fail@/lib/libc.so.6", "fill@/x/fast.so"])
            .message("*** stack smashing detected ***: terminated");
        let found = stage.apply(apply).unwrap();
        assert_eq!(found.evidence[1], "fill (fast.so) found it at its return");
        assert_eq!(
            Stage::new(libc::SIGABRT, -6, 0)
                .message("free(): invalid pointer")
                .apply(apply),
            None
        );
    }
}
