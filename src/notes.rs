//! What could not be found out, what that cost, and what would supply it.
//!
//! Walkers never fail because something is missing: they return what they have and push a [`Note`].
//! Invariant: nothing here knows what was being read; a note is text for a person.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};

/// The most notes one analysis keeps: hostile input must not grow the report without bound.
const MAX_NOTES: usize = 100;

/// One thing that is missing from, or doubtful in, a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Note {
    /// The part of the analysis: `symbols`, `unwind`, `layout`, `python`, `memory`, `capture`, ...
    pub area: String,
    /// What happened.
    pub what: String,
    /// What the report lacks because of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub effect: String,
    /// The command or file that would supply it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

/// Collects notes in the order in which they came up, each once.
#[derive(Debug, Default)]
pub struct Notes {
    list: RefCell<Vec<Note>>,
}

impl Notes {
    /// An empty collection.
    pub fn new() -> Notes {
        Notes::default()
    }

    /// Adds a note, unless the same note is there already or the bound is reached.
    pub fn push(&self, area: &str, what: impl Into<String>, effect: impl Into<String>, remedy: impl Into<String>) {
        self.add(Note {
            area: area.to_string(),
            what: what.into(),
            effect: effect.into(),
            remedy: remedy.into(),
        });
    }

    /// Adds a note made elsewhere, for instance one recorded in a dump.
    pub fn add(&self, note: Note) {
        let mut list = self.list.borrow_mut();
        if list.len() < MAX_NOTES && !list.contains(&note) {
            list.push(note);
        }
    }

    /// The notes so far.
    pub fn to_vec(&self) -> Vec<Note> {
        self.list.borrow().clone()
    }
}
