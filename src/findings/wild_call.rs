//! A call or jump to where no code is.

use super::noncanonical::shape;
use super::scene::named;
use super::{Conclusion, Scene};
use crate::report::model::{AccessKind, Confidence};

/// Addresses below this are taken for a null pointer to a function, or to a table of functions.
const NULL_PAGE: u64 = 0x1000;
const ADVICE: &str = "look at where the caller takes the pointer to the function from: a slot that was never set, or an object that is gone";

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.fault().filter(|crash| crash.signal == libc::SIGSEGV)?;
    let pc = scene.registers?.pc();
    let Some(address) = scene.address() else {
        return to_nowhere(scene);
    };
    if address != pc {
        return None;
    }
    let title = match scene.mapping(pc) {
        _ if pc.0 < NULL_PAGE => "a null function pointer was called",
        // Debuggers and the kernel itself can make executable memory fault; that is no wild call.
        Some(mapping) if mapping.execute => return None,
        Some(_) => "a call or jump went to memory that is no code",
        None => "a call or jump went to an address where nothing is mapped",
    };
    // Frame 0 is the address itself.
    let natives = scene.natives();
    let caller = natives.get(1).map(|frame| format!("the caller is {}", named(frame)));
    Some(
        Conclusion::new(Confidence::Certain, title)
            .because(format!("the program counter is the faulting address, {pc}"))
            .because_if(caller)
            .advise(ADVICE),
    )
}

/// A call to an address that no memory can have faults where it is made.
fn to_nowhere(scene: &Scene<'_>) -> Option<Conclusion> {
    let access = scene.access().filter(|access| access.kind == AccessKind::Execute)?;
    let address = access.address?;
    Some(
        Conclusion::new(
            Confidence::Certain,
            "a call or jump went to an address that no memory can have",
        )
        .because(format!("the address is {address}{}", shape(address.0)))
        .because_if(scene.operands())
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
    fn where_the_pc_itself_faults() {
        let stage = |address, pc| {
            Stage::new(libc::SIGSEGV, 1, address)
                .register(Registers::RIP, pc)
                .maps("5000-6000 rw-p 0 00:00 0\n7000-8000 r-xp 0 00:00 0\n")
                .stack(&["?@", "notify@/x/fast.so"])
        };
        let title = |address, pc| stage(address, pc).apply(apply).map(|found| found.title);
        assert!(title(0, 0).unwrap().contains("null function pointer"));
        assert!(title(0x5008, 0x5008).unwrap().contains("no code"));
        assert!(title(0x9000, 0x9000).unwrap().contains("nothing is mapped"));
        assert_eq!(title(0x7000, 0x7000), None);
        assert_eq!(title(0, 0x7000), None);
        let found = stage(0, 0).apply(apply).unwrap();
        assert_eq!(found.evidence[1], "the caller is notify (fast.so)");
    }
}
