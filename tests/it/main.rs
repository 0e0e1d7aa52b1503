//! The integration tests: one binary, one module per subject.

/// Images opened from files: symbols, debug files, the symbol cache.
mod images;
/// The built-in table of offsets equals what the builds at hand state.
mod layout;
/// Native stacks of real processes, compared with gdb's.
mod native;
/// The same of live CPythons, with their symbols.
mod native_python;
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
