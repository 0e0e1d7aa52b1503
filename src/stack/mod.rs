//! One thread's stack: its Python frames merged into its native frames.
//!
//! [`merge`] puts each run of the eval loop in the place of the native frame that runs it;
//! [`roles`] tells which native frames a reader of a report wants folded.
//!
//! Invariant: works on lists of steps and names; reads no memory.

mod merge;
pub mod roles;

pub use merge::{Confidence, MergedFrame, MergedStack, merge};
