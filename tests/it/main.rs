//! The integration tests: one binary, one module per subject.

/// Dumps of live processes: written, read back, opened by other readers.
mod dump;
/// Comparing output with files under tests/goldens.
mod golden;
/// Images opened from files: symbols, debug files, the symbol cache.
mod images;
/// The built-in table of offsets equals what the builds at hand state.
mod layout;
/// Native stacks of real processes, compared with gdb's.
mod native;
/// Which Pythons are at hand.
mod pythons;
/// The report's text and JSON, from hand-made reports.
mod report;
/// Processes to look at.
mod support;
/// Rules for the source tree itself.
mod tidy;
/// Pythons, debuggers, and how a test that lacks one says so.
mod tools;
