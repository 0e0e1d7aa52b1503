//! The integration tests, as one binary: linking is most of what they cost.

// Comparing output with files under tests/goldens.
mod golden;
// The report's text and JSON, from hand-made reports.
mod report;
// Rules for the source tree itself.
mod tidy;
