//! Programs that are built, run and stopped, and a plain reader of their memory.

pub mod http;
mod process;
mod program;

pub use process::Stopped;
pub use program::{Running, compile, gdb_stacks, tool};
