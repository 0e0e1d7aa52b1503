//! The one integration binary: what needs a real interpreter, a real debugger, or both.

// Dumps of live processes: written, read back, opened by other readers.
mod dump;
// Pythons, debuggers, and how a test that lacks one says so.
mod support;
