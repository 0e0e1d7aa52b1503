//! What crashes have in common: signatures, by which reports are grouped.
//!
//! [`Record`] is one analysed file, [`Grouper`] puts those of one cause together, [`Baseline`] tells which are known, and
//! [`render`] gives the groups out; [`test_run`] completes the report of tests that a crash cut off. [`sign`] names the cause of one crash in a way that does not change with Python's version, the build, the
//! address space or the thread, and says of each frame why it counts or not.
//!
//! Invariant: works on reports alone; nothing here reads memory, files or processes.

pub mod baseline;
pub mod group;
pub mod record;
pub mod render;
pub mod signature;
mod test_name;
pub mod test_run;

pub use baseline::Baseline;
pub use group::{Group, Grouper};
pub use record::{Record, Status};
pub use signature::{Origin, is_libc, origin, plain_function, plain_module, sign};
