//! The integration tests: one binary, one module per subject.

/// The built-in table of offsets equals what the builds at hand state.
mod layout;
/// Native stacks of real processes, compared with gdb's.
mod native;
/// Which Pythons are at hand.
mod pythons;
/// Processes to look at.
mod support;

/// Comparing output with files under tests/goldens.
mod golden;
/// The report's text and JSON, from hand-made reports.
mod report;
/// Rules for the source tree itself.
mod tidy;
