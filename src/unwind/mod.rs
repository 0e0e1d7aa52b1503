//! Native stacks: from the registers of a thread to the list of its frames.
//!
//! [`Unwinder`] walks; it reads the unwind tables of the images (`tables`, `fde`) from the memory of
//! the process, turns the entry for an address into a [`rule::Rule`], a value, and applies that.
//! Where there is no entry, `fallback` finds the caller by other means, and the frame says so
//! ([`Trust`](crate::source::streams::Trust)). [`interrupted`] reads what a signal interrupted.
//!
//! Invariant: no file is opened here, and no symbol is looked up: what a dump recorded is enough.

mod code;
mod expression;
mod fallback;
mod fde;
mod rule;
mod signal_frame;
mod tables;
#[cfg(test)]
mod tests;
mod walk;

pub use signal_frame::{SignalFrame, SignalInfo, Trap, interrupted};
pub use walk::{Limits, Unwinder, unwind};
