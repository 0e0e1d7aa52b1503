//! Two copies of one runtime library.

use std::collections::BTreeSet;

use super::scene::named;
use super::{Conclusion, Scene};
use crate::report::model::Confidence;
use crate::triage;

/// Libraries that a process should have once, by the beginnings of the names that copies of them have. They keep state
/// of the whole process, or hand out objects that the other copy does not understand.
const FAMILIES: &[(&str, &[&str])] = &[
    ("the OpenMP runtime", &["libgomp", "libiomp5", "libomp"]),
    ("OpenSSL (libssl)", &["libssl"]),
    ("OpenSSL (libcrypto)", &["libcrypto"]),
    ("the C++ library", &["libstdc++"]),
    ("protobuf", &["libprotobuf"]),
    ("libxml2", &["libxml2"]),
    ("Arrow", &["libarrow"]),
    ("HDF5", &["libhdf5"]),
    ("CUDA's runtime", &["libcudart"]),
    ("Python", &["libpython3"]),
];

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.crash?;
    let found = FAMILIES.iter().filter_map(|(family, names)| {
        let paths = copies(scene, names);
        (paths.len() > 1).then_some((*family, paths))
    });
    let mut found: Vec<(&str, BTreeSet<&str>)> = found.collect();
    // What stands on the crashed stack first.
    let natives = scene.natives();
    let on_stack = |paths: &BTreeSet<&str>| {
        let is_of = |module: &Option<String>| module.as_deref().is_some_and(|path| paths.contains(path));
        natives.iter().find(|frame| is_of(&frame.module))
    };
    found.sort_by_key(|(_, paths)| on_stack(paths).is_none());
    let (family, paths) = found.first()?;
    let frame = on_stack(paths);
    let confidence = match frame {
        Some(_) => Confidence::Likely,
        None => Confidence::Possible,
    };
    let mut conclusion = Conclusion::new(
        confidence,
        format!("there are {} copies of {family} in the process", paths.len()),
    );
    for path in paths {
        conclusion = conclusion.because((*path).to_string());
    }
    Some(
        conclusion
            .because_if(frame.map(|frame| format!("it happened below {}", named(frame))))
            .advise("install the packages that bring them from one source (all from pip, or all from conda), or import them in another order to see whether it matters"),
    )
}

/// The paths of the images of a family.
fn copies<'a>(scene: &Scene<'a>, names: &[&str]) -> BTreeSet<&'a str> {
    let modules = scene.target.modules().iter();
    let is_one = |path: &str| {
        let name = triage::plain_module(path);
        names.iter().any(|beginning| {
            let rest = name.strip_prefix(beginning);
            // `libssl3`, `libprotobuf-lite` is another library.
            rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
        }) && path.contains(".so")
    };
    modules
        .map(|module| module.path.as_str())
        .filter(|path| is_one(path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;

    fn stage(paths: &[&str]) -> Stage {
        Stage::new(libc::SIGSEGV, 1, 0).modules(paths)
    }

    #[test]
    fn by_the_names_that_wheels_give_them() {
        let two = [
            "/usr/lib/libgomp.so.1",
            "/v/numpy.libs/libgomp-a34b3233.so.1.0.0",
            "/usr/lib/libssl.so.3",
        ];
        let found = stage(&two).apply(apply).unwrap();
        assert_eq!(found.title, "there are 2 copies of the OpenMP runtime in the process");
        assert_eq!(found.confidence, Confidence::Possible);
        let below = stage(&two).stack(&["fork@/usr/lib/libgomp.so.1"]).apply(apply).unwrap();
        assert_eq!(below.confidence, Confidence::Likely);
        assert_eq!(stage(&two[1..]).apply(apply), None);
        assert_eq!(
            stage(&["/usr/lib/libprotobuf.so.32", "/usr/lib/libprotobuf-lite.so.32"]).apply(apply),
            None
        );
    }
}
