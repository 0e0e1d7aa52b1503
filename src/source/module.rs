//! The ELF images mapped into a process.

use std::fmt;

use crate::addr::{Addr, AddrRange};

/// The `NT_GNU_BUILD_ID` note of an ELF file: what tells one build of a file from another.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BuildId(pub Vec<u8>);

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One image: the executable, a shared library, the vDSO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// From the mapping of file offset 0 to the end of the image's last mapping.
    pub range: AddrRange,
    /// The path, as the process saw it.
    pub path: String,
    /// The build id, where the image has one.
    pub build_id: Option<BuildId>,
}

impl Module {
    /// The last component of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// All images, sorted by address, not overlapping.
#[derive(Clone, Debug, Default)]
pub struct Modules {
    list: Vec<Module>,
}

impl Modules {
    /// Sorts the images; of two that overlap the first one stays.
    pub fn new(mut list: Vec<Module>) -> Modules {
        list.sort_by_key(|m| m.range.start);
        list.dedup_by(|later, earlier| later.range.start < earlier.range.end);
        Modules { list }
    }

    /// The image that holds `addr`.
    pub fn find(&self, addr: Addr) -> Option<&Module> {
        self.index_of(addr).map(|i| &self.list[i])
    }

    /// The position in [`Modules::iter`] of the image that holds `addr`.
    pub fn index_of(&self, addr: Addr) -> Option<usize> {
        let after = self.list.partition_point(|m| m.range.start <= addr);
        let index = after.checked_sub(1)?;
        self.list[index].range.contains(addr).then_some(index)
    }

    /// All images, by address.
    pub fn iter(&self) -> std::slice::Iter<'_, Module> {
        self.list.iter()
    }
}
