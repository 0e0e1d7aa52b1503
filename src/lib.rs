//! Captures, explains and triages the deaths of CPython processes.
//!
//! The modules stand in the order in which facts flow; each uses only those before it
//! (docs/architecture.md, enforced by a test).

pub mod addr;
pub mod capture;
pub mod export;
pub mod findings;
pub mod helpers;
pub mod image;
pub mod layout;
pub mod machine;
pub mod native;
pub mod notes;
pub mod python;
pub mod redact;
pub mod report;
pub mod session;
pub mod source;
pub mod stack;
pub mod triage;
pub mod unwind;
