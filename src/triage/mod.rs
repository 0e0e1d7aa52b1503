//! What crashes have in common: signatures, by which reports are grouped.
//!
//! [`sign`] names the cause of one crash in a way that does not change with Python's version, the build, the
//! address space or the thread, and says of each frame why it counts or not.
//!
//! Invariant: works on reports alone; nothing here reads memory, files or processes.

pub mod signature;

pub use signature::sign;
