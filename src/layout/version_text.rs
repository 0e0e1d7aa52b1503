//! The version of a Python by `PY_VERSION`, one of the texts in its read-only data.

use std::borrow::Cow;

use super::parse_version;
use super::versions::{PythonVersion, VERSIONS};
use crate::image::Image;

/// How much of a file's read-only data is searched for the version.
const MAX_SEARCHED: usize = 64 << 20;
/// The longest text that a version is looked for in: `-3.12.10`.
const MAX_VERSION: usize = 12;

/// The version that a file of another name states, an embedding program for example: Python's own text is in it, so if no
/// other minor version is, it is that.
pub(super) fn version(image: &Image) -> Option<PythonVersion> {
    only_minor(&searched(image)?)
}

/// The one version of this minor that a file states.
pub(super) fn version_of_minor(image: &Image, minor: u8) -> Option<PythonVersion> {
    only_version(&searched(image)?, minor)
}

fn searched(image: &Image) -> Option<Cow<'_, [u8]>> {
    let bytes = image.section(".rodata")?.bytes;
    Some(match bytes {
        Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(..MAX_SEARCHED).unwrap_or(bytes)),
        Cow::Owned(mut bytes) => {
            bytes.truncate(MAX_SEARCHED);
            Cow::Owned(bytes)
        }
    })
}

fn only_minor(bytes: &[u8]) -> Option<PythonVersion> {
    let mut found = VERSIONS.iter().filter_map(|row| only_version(bytes, row.minor));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// The version of this minor that C strings in `bytes` end with, if there is just one. (Linkers let a string begin in
/// the middle of another, so `PY_VERSION` may be the end of a path.)
fn only_version(bytes: &[u8], minor: u8) -> Option<PythonVersion> {
    let start = format!("3.{minor}.");
    let mut found = bytes.split(|&byte| byte == 0).filter_map(|text| {
        let tail = text.get(text.len().saturating_sub(MAX_VERSION)..)?;
        let tail = String::from_utf8_lossy(tail);
        let (before, version) = tail.split_at(tail.rfind(&start)?);
        let is_part = before.ends_with(|c: char| c.is_ascii_digit() || c == '.');
        parse_version(version).filter(|_| !is_part)
    });
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_taken_from_the_only_text_that_is_one() {
        let release = |micro| Some(PythonVersion::release(3, 8, micro));
        assert_eq!(only_version(b"x\x003.8.18\x003.11.2\x003.8.18\0", 8), release(18));
        assert_eq!(only_version(b"3.8.18\x003.8.1\0", 8), None);
        assert_eq!(only_version(b"/opt/python/3.8.18\0Python-3.8.18\0", 8), release(18));
        assert_eq!(only_version(b"13.8.18\x003.8\x003.8.18 b\x001.3.8.1", 8), None);
        assert_eq!(only_minor(b"3.40.1\x003.8.18\x003.0.2\0"), release(18));
        assert_eq!(only_minor(b"3.9.1\x003.8.18\0"), None);
    }
}
