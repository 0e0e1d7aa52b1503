//! The integration tests: one binary, one module per subject.

/// Native stacks of real processes, compared with gdb's.
mod native;
/// Processes to look at.
mod support;
