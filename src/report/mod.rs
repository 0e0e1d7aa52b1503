//! What coldframe found, as one value, and the forms in which it is given out.
//!
//! [`model::Report`] is the only serialisable model of an analysis; [`json`], [`text`], [`html`] and [`markdown`] render it, [`packed`] takes it
//! from one process to another, [`layout`] is the layout of a build as `coldframe layout` prints it, [`signals`] names signals and their codes for both. Rendering is a pure function of the report:
//! the same report gives the same bytes, every time, everywhere.
//!
//! Invariant: nothing here sees a `Memory`, a `Target` or a file; a report holds text and numbers only,
//! and every string in it may have been chosen by the program that crashed.

pub mod cycle;
pub mod html;
pub mod json;
pub mod layout;
mod library;
pub mod markdown;
pub mod model;
pub mod packed;
pub mod signals;
pub mod text;

pub(crate) use library::is_standard_library;
pub use model::Report;
