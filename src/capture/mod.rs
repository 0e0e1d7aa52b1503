//! Capture: running a command so that a crash anywhere in its process tree leaves a dump and a report.
//!
//! [`install`] puts handler and helper where the loader and the handler find them, [`environment`] makes the
//! command's environment, [`supervisor`] runs it and ends as it did. At a crash the handler starts the [`helper`],
//! which reads what the handler left ([`request`]), stops and analyses the process, chooses which bytes are kept
//! ([`select::select`]) and writes the file ([`write::write_dump`]); [`channel`] carries the report to the supervisor.
//! [`question`] asks the handler of a process that may not be looked at from outside. Where no helper could run, the handler wrote a
//! record itself ([`crate::source::record`]), and [`leftover`] tells which.
//!
//! Main types: [`install::Installed`], [`environment::Environment`], [`supervisor::Ending`], [`channel::Delivery`],
//! [`Selection`], [`DumpContents`].
//!
//! Invariant: nothing here knows CPython; what to keep is what an analysis read through a
//! [`crate::source::Recorder`].

pub mod annotations;
pub mod channel;
mod clean;
mod deep;
pub mod environment;
pub mod exceptions;
mod extent;
pub mod helper;
pub mod install;
pub mod leftover;
pub mod limits;
mod memory_cgroup;
pub mod oom;
mod origin;
pub mod privacy;
pub mod question;
mod recording;
pub mod request;
mod room;
mod scrub;
pub mod select;
pub mod snapshot;
pub mod supervisor;
pub mod tree;
pub mod variables;
mod watchdog;
pub mod write;

pub use select::{Selection, SelectionRequest, select};
pub use write::{DumpContents, WriteError, WrittenDump, dump_name, write_dump};
