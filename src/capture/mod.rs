//! Taking a dump of a stopped process.
//!
//! [`select::select`] decides which bytes go into the dump; [`write::write_dump`] writes the file.
//!
//! Invariant: nothing here knows CPython; what to keep is what an analysis read through a
//! [`crate::source::Recorder`].

pub mod select;
pub mod write;

pub use select::{Selection, SelectionRequest, select};
pub use write::{DumpContents, WriteError, WrittenDump, dump_name, write_dump};
