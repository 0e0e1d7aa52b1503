//! The layout of one build: what `coldframe layout` prints, in the forms that docs/layout.md describes.
//!
//! [`LayoutReport`] is the model and its JSON, [`render`] the text.
//!
//! Invariant: as for all reports; built from what [`crate::layout`] found, rendered by pure functions.

mod model;
mod text;

pub use model::{Aspect, Check, Difference, Field, LayoutReport, SCHEMA};
pub use text::render;
