//! An extension module that was built for another Python.

use super::{Conclusion, Scene};
use crate::report::model::Confidence;

/// What stands before the tag in the name of an extension module (PEP 3149).
const TAG: &str = ".cpython-";

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.crash?;
    let python = scene.report.python.first()?;
    let own = tag(python.version.as_deref()?, python.free_threaded == Some(true))?;
    let mut others = scene.target.modules().iter().filter_map(|module| {
        let (_, rest) = module.name().split_once(TAG)?;
        let (built_for, _) = rest.split_once('-')?;
        (plain(built_for) != own).then_some((module.path.as_str(), built_for))
    });
    let (path, built_for) = others.next()?;
    Some(
        Conclusion::new(
            Confidence::Likely,
            "an extension module is loaded that was built for another Python",
        )
        .because(format!("{path} is for cpython-{built_for}, this is cpython-{own}"))
        .advise("install the package again with this Python's own pip; do not share site-packages among versions"),
    )
}

/// `3.12.1` as `312`, or as `313t` without a GIL.
fn tag(version: &str, free_threaded: bool) -> Option<String> {
    let mut parts = version.split('.');
    let (major, minor) = (parts.next()?, parts.next()?);
    Some(format!("{major}{minor}{}", if free_threaded { "t" } else { "" }))
}

/// Without the letters for debug builds, which may load what release builds do, and for pymalloc (up to 3.7).
fn plain(tag: &str) -> String {
    tag.replace('d', "")
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;

    #[test]
    fn by_the_tag_in_the_name() {
        let found = |free_threaded, path| {
            let mut stage = Stage::new(libc::SIGSEGV, 1, 0).modules(&["/usr/lib/libc.so.6", path]);
            stage.report.python[0].version = Some("3.13.1".to_string());
            stage.report.python[0].free_threaded = Some(free_threaded);
            stage.apply(apply).is_some()
        };
        assert!(found(false, "/x/fast.cpython-312-x86_64-linux-gnu.so"));
        assert!(found(false, "/x/fast.cpython-313t-x86_64-linux-gnu.so"));
        assert!(!found(false, "/x/fast.cpython-313-x86_64-linux-gnu.so"));
        assert!(!found(false, "/x/fast.cpython-313d-x86_64-linux-gnu.so"));
        assert!(!found(true, "/x/fast.cpython-313t-x86_64-linux-gnu.so"));
        assert!(!found(false, "/x/fast.abi3.so"));
    }
}
