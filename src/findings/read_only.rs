//! A write to memory that is read-only.

use super::{Conclusion, Scene};
use crate::report::model::Confidence;
use crate::report::signals::SEGV_ACCERR;

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.signal(libc::SIGSEGV).filter(|crash| crash.code == SEGV_ACCERR)?;
    let address = scene.address()?;
    let mapping = scene.mapping(address)?;
    // A read would have been allowed, and running the code too or it is a wild call.
    if !mapping.read || mapping.write || scene.registers?.pc() == address {
        return None;
    }
    let place = match (mapping.path.starts_with('/'), mapping.execute) {
        (true, true) => format!("{address} lies in the code of {}", mapping.path),
        (true, false) => format!(
            "{address} lies in the constants of {}, or in a file mapped for reading",
            mapping.path
        ),
        (false, _) => format!("{address} lies in memory that may only be read"),
    };
    Some(
        Conclusion::new(Confidence::Certain, "memory that is read-only was written to")
            .because(place)
            .because_if(scene.operands())
            .because_if(scene.place())
            .advise("look at where the pointer comes from: a string literal, the buffer of a bytes object, a file mapped with ACCESS_READ"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;

    #[test]
    fn by_what_the_mapping_allows() {
        let found = |code, address| {
            let maps = "5000-6000 rw-p 0 00:00 0\n7000-8000 r-xp 0 08:01 9 /lib/x.so\n9000-a000 ---p 0 00:00 0\n";
            Stage::new(libc::SIGSEGV, code, address).maps(maps).apply(apply)
        };
        assert!(found(2, 0x7010).unwrap().evidence[0].contains("/lib/x.so"));
        assert_eq!(found(1, 0x7010), None);
        assert_eq!(found(2, 0x5010), None);
        assert_eq!(found(2, 0x9010), None);
    }
}
