//! Rules for the source tree itself.
