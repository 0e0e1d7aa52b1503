//! ELF images: where their files are, and what those files say about addresses.
//!
//! [`CacheDir`] keeps answers between runs.
//!
//! Invariant: nothing here knows of stacks or of Python, and no file whose build id differs from
//! the module's is ever used.

mod cache;
mod memory_elf;

pub use cache::{CacheDir, CacheKind};
pub use memory_elf::{MemoryElf, MemoryElfError};
