//! A null pointer was dereferenced.

use super::{Conclusion, Scene, null_pointer};
use crate::report::model::Confidence;
use crate::triage::Origin;

use super::scene::named;

/// `vm.mmap_min_addr` is never less where it is set at all: no program maps this page by chance.
const FIRST_PAGE: u64 = 0x1000;
/// Fields and items beyond this are rare.
const FAR: u64 = 0x1_0000;

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.fault().filter(|crash| crash.signal == libc::SIGSEGV)?;
    let address = scene.address()?;
    let (confidence, title) = match address.0 {
        0 => (Confidence::Certain, "a null pointer was dereferenced".to_string()),
        offset @ ..FIRST_PAGE => (
            Confidence::Certain,
            format!("a null pointer was dereferenced: a field {offset:#x} bytes behind it"),
        ),
        offset @ ..FAR => (
            Confidence::Likely,
            format!("a null pointer was dereferenced: something {offset:#x} bytes behind it"),
        ),
        before if before > FAR.wrapping_neg() => (
            Confidence::Likely,
            format!(
                "a null pointer was dereferenced: a field {:#x} bytes before it",
                before.wrapping_neg()
            ),
        ),
        _ => return None,
    };
    let pointer = null_pointer::find(scene);
    let title = match &pointer {
        Some(pointer) => format!("a null pointer was dereferenced: {}", pointer.origin),
        None => title,
    };
    let field = pointer.and_then(|pointer| pointer.field);
    let natives = scene.natives();
    let first = natives.first();
    // The C library dereferences what it is given.
    let giver = first
        .filter(|frame| matches!(scene.origin(frame), Origin::Libc))
        .and_then(|_| natives.iter().find(|frame| scene.origin(frame) == Origin::Other));
    Some(
        Conclusion::new(confidence, title)
            .because(format!("the address is {address}"))
            .because_if(field.map(|(name, kind)| format!("`{name}` of a {kind} lies {address} bytes behind its beginning")))
            .because_if(scene.operands())
            .because_if(scene.place())
            .because_if(null_pointer::library_argument(scene))
            .because_if(giver.map(|frame| format!("it was called by {}", named(frame))))
            .advise("look at where the pointer comes from: a call that failed and was not checked, or an object that is gone"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;

    #[test]
    fn by_the_distance_from_zero() {
        let found = |code, address| {
            let stage = Stage::new(libc::SIGSEGV, code, address).stack(&["strlen@/lib/libc.so.6", "flush@/x/fast.so"]);
            stage.apply(apply)
        };
        let confidence = |address| found(1, address).map(|found| found.confidence);
        assert_eq!(confidence(0), Some(Confidence::Certain));
        assert_eq!(confidence(0xff8), Some(Confidence::Certain));
        assert_eq!(confidence(0x8000), Some(Confidence::Likely));
        assert_eq!(confidence(u64::MAX - 7), Some(Confidence::Likely));
        assert_eq!(confidence(0x7f00_0000_0000), None);
        assert_eq!(found(0, 0), None, "sent by kill");
        assert_eq!(found(128, 0), None, "a protection fault has no address");
        let evidence = found(1, 0x10).unwrap().evidence;
        assert_eq!(
            evidence,
            [
                "the address is 0x10",
                "it happened in strlen (libc.so.6)",
                "it was called by flush (fast.so)"
            ]
        );
    }
}
