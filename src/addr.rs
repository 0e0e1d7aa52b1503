//! Addresses of the three kinds that meet in a crash, as types that cannot be mixed up.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An address in the memory of the process that is looked at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Addr(pub u64);

/// An address as an ELF file states it ("stated virtual memory address"), before the load bias.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Svma(pub u64);

/// A position in a file, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct FileOffset(pub u64);

// `+` and `-` would hide that these wrap around.
#[allow(clippy::should_implement_trait)]
impl Addr {
    /// The null address.
    pub const NULL: Addr = Addr(0);

    /// Whether this is the null address.
    pub fn is_null(self) -> bool {
        self.0 == 0
    }

    /// `self + bytes`, wrapping: hostile input must not panic, a wrapped address fails when read.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "the operator would hide the wrapping")]
    pub fn add(self, bytes: u64) -> Addr {
        Addr(self.0.wrapping_add(bytes))
    }

    /// `self - bytes`, wrapping.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "the operator would hide the wrapping")]
    pub fn sub(self, bytes: u64) -> Addr {
        Addr(self.0.wrapping_sub(bytes))
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A half-open range of addresses, `start..end`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct AddrRange {
    /// The first address inside.
    pub start: Addr,
    /// The first address past the end.
    pub end: Addr,
}

impl AddrRange {
    /// The range of `len` bytes at `start`, cut at the end of the address space.
    pub fn new(start: Addr, len: u64) -> AddrRange {
        AddrRange {
            start,
            end: Addr(start.0.saturating_add(len)),
        }
    }

    /// Whether `addr` lies inside.
    pub fn contains(&self, addr: Addr) -> bool {
        self.start <= addr && addr < self.end
    }

    /// The length in bytes; 0 for an inverted range.
    pub fn len(&self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }

    /// Whether no address lies inside.
    pub fn is_empty(&self) -> bool {
        self.end <= self.start
    }
}
