//! CPython's own structures: runtime > interpreter > thread > frame > code > line table, and heap
//! objects with their repr.
//!
//! [`Python`] walks one runtime through a [`Memory`] and a [`Layout`]. Walks are iterative, bounded
//! and checked for cycles; whatever cannot be read ends that part of the walk and leaves the rest.
//!
//! Invariant: nothing here knows files, ELF or DWARF, nor compares versions; it matches on [`crate::layout::Behaviour`].

mod bytecode;
mod code;
mod dict;
mod exception;
mod frame;
mod hooks;
mod imports;
mod instance;
mod int;
pub mod linetable;
mod locals;
mod message;
mod object;
mod redaction;
mod runtime;
mod string;
mod suspended;
mod tasks;
mod text;
mod threading;
mod values;
mod work;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

pub use bytecode::Bytecode;
pub use code::{Code, SlotKind};
pub use exception::{Exception, TracebackEntry};
pub use hooks::Hook;
pub use locals::{Local, LocalState, Scope};
pub use object::TypeInfo;
pub use runtime::{Gil, Interpreter, PythonThread};
pub use tasks::{Runner, Task};
pub use threading::{Recursion, ThreadObject};
pub use values::{Limits, Structures, Value};
pub use work::{Work, WorkItem, WorkKind};

use crate::addr::Addr;
use crate::layout::Layout;
use crate::notes::Notes;
use crate::redact::Redactor;
use crate::source::Memory;

/// One CPython runtime in a process.
pub struct Python<'a> {
    memory: &'a dyn Memory,
    layout: &'a Layout,
    notes: &'a Notes,
    redactor: Option<&'a Redactor>,
    structures: Option<&'a dyn Structures>,
    codes: RefCell<HashMap<Addr, Option<Rc<Code>>>>,
    types: RefCell<HashMap<Addr, Option<Rc<TypeInfo>>>>,
    reprs: RefCell<HashMap<Addr, Rc<values::Found>>>,
}

impl<'a> Python<'a> {
    /// A walk over the runtime that `layout` describes.
    pub fn new(memory: &'a dyn Memory, layout: &'a Layout, notes: &'a Notes) -> Python<'a> {
        Python {
            memory,
            layout,
            notes,
            redactor: None,
            structures: None,
            codes: RefCell::default(),
            types: RefCell::default(),
            reprs: RefCell::default(),
        }
    }

    /// The same walk, which leaves out what `redactor` says.
    #[must_use]
    pub fn with_redactor(self, redactor: &'a Redactor) -> Python<'a> {
        Python {
            redactor: Some(redactor),
            ..self
        }
    }

    /// The same walk, which shows fields of instances as `structures` knows them.
    #[must_use]
    pub fn with_structures(self, structures: &'a dyn Structures) -> Python<'a> {
        Python {
            structures: Some(structures),
            ..self
        }
    }

    /// The layout.
    pub fn layout(&self) -> &'a Layout {
        self.layout
    }
}
