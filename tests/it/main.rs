//! The integration tests: one binary, one module per subject.

/// Images opened from files: symbols, debug files, the symbol cache.
mod images;
/// Native stacks of real processes, compared with gdb's.
mod native;
/// Processes to look at.
mod support;
