//! A mapped file is shorter than its mapping.

use super::{Conclusion, Scene};
use crate::report::model::Confidence;

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene
        .signal(libc::SIGBUS)
        .filter(|crash| crash.code == libc::BUS_ADRERR)?;
    let address = scene.address()?;
    let mapping = scene.mapping(address).filter(|mapping| mapping.path.starts_with('/'))?;
    let position = address.0 - mapping.range.start.0 + mapping.offset;
    Some(
        Conclusion::new(
            Confidence::Certain,
            "a mapped file has no data where it was accessed: it was cut, or its disk is full",
        )
        .because(format!("{address} is byte {position} of {}", mapping.path))
        .because_if(scene.operands())
        .because_if(scene.place())
        .advise("do not cut or overwrite a file that is mapped (write a new one and rename it); for /dev/shm, see how full it is"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;

    #[test]
    fn names_the_file_and_the_place() {
        let stage = |code, address| {
            Stage::new(libc::SIGBUS, code, address)
                .maps("5000-7000 rw-s 1000 08:01 9 /data/table\n8000-9000 rw-p 0 00:00 0\n")
        };
        let found = stage(2, 0x6010).apply(apply).unwrap();
        assert_eq!(found.evidence[0], "0x6010 is byte 8208 of /data/table");
        assert_eq!(stage(1, 0x6010).apply(apply), None);
        assert_eq!(stage(2, 0x8010).apply(apply), None);
    }
}
