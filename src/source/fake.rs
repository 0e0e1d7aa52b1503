//! A process made of bytes given by hand, for tests.

use std::collections::BTreeMap;

use super::memory::{Memory, ReadError};
use super::{Facts, Target};
use crate::addr::{Addr, AddrRange};

/// Memory made of blocks that do not overlap.
#[derive(Clone, Debug, Default)]
pub struct FakeMemory {
    blocks: BTreeMap<Addr, Vec<u8>>,
}

impl FakeMemory {
    /// No memory at all.
    pub fn new() -> FakeMemory {
        FakeMemory::default()
    }

    /// Adds a block.
    #[must_use]
    pub fn with(mut self, addr: Addr, bytes: Vec<u8>) -> FakeMemory {
        self.put(addr, bytes);
        self
    }

    /// Adds a block.
    pub fn put(&mut self, addr: Addr, bytes: Vec<u8>) {
        self.blocks.insert(addr, bytes);
    }
}

impl Memory for FakeMemory {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let error = ReadError {
            addr,
            len: buf.len() as u64,
        };
        let mut done = 0;
        while done < buf.len() {
            let at = addr.add(done as u64);
            let (start, bytes) = self.blocks.range(..=at).next_back().ok_or(error)?;
            if !AddrRange::new(*start, bytes.len() as u64).contains(at) {
                return Err(error);
            }
            let rest = bytes.get((at.0 - start.0) as usize..).ok_or(error)?;
            let step = rest.len().min(buf.len() - done);
            let (to, from) = (buf.get_mut(done..done + step), rest.get(..step));
            to.ok_or(error)?.copy_from_slice(from.ok_or(error)?);
            done += step;
        }
        Ok(())
    }
}

/// A target whose every part can be set.
#[derive(Debug, Default)]
pub struct FakeTarget {
    /// See [`Target::memory`].
    pub memory: FakeMemory,
    /// See [`Target::facts`].
    pub facts: Facts,
}

impl Target for FakeTarget {
    fn memory(&self) -> &dyn Memory {
        &self.memory
    }
    fn facts(&self) -> &Facts {
        &self.facts
    }
}
