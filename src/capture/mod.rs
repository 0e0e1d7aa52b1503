//! Capture: running a command so that a crash anywhere in its process tree leaves a dump and a report.
//!
//! [`install`] puts handler and helper where the loader and the handler find them, [`environment`] makes the
//! command's environment, [`supervisor`] runs it and ends as it did, [`channel`] carries reports from the helper to
//! the supervisor, [`request`] is what the handler tells the helper, [`helper`] is the helper's entry, [`record`]
//! reads what the handler leaves when no helper could run.
//!
//! Main types: [`install::Installed`], [`environment::Environment`], [`supervisor::Ending`], [`channel::Delivery`],
//! [`request::Request`].
//!
//! Invariant: nothing here knows CPython or renders a report; the supervisor hands on bytes it does not read.

pub mod channel;
pub mod environment;
pub mod helper;
pub mod install;
mod origin;
pub mod record;
pub mod request;
mod sound;
pub mod supervisor;
