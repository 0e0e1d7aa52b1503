//! The variables of one frame.

use super::Python;
use super::code::{Code, SlotKind};
use super::values::{Limits, Value};
use crate::addr::Addr;
use crate::layout::LocalSlots;
use crate::source::MemoryExt;
use crate::source::streams::PythonStep;

/// The most names of a module's or class body's namespace that are shown.
const MAX_NAMESPACE: u64 = 200;

/// Where a variable belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// An argument, also one that an inner function uses.
    Argument,
    /// Another local.
    Local,
    /// A local that an inner function uses.
    Cell,
    /// A variable of an enclosing function.
    Free,
}

/// Whether a variable has a value.
#[derive(Clone, Debug, PartialEq)]
pub enum LocalState {
    /// It has.
    Set(Value),
    /// It was never set, or deleted.
    Unset,
    /// Its slot cannot be read.
    Unreadable,
}

/// One variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Local {
    /// Its name.
    pub name: String,
    /// Where it belongs.
    pub scope: Scope,
    /// Its value.
    pub state: LocalState,
}

impl Python<'_> {
    /// The variables of a frame: arguments, locals, cells and free variables, in the order of the
    /// code object. Of a module or class body, the names it defined itself.
    pub fn locals(&self, step: &PythonStep, code: &Code, limits: &mut Limits) -> Vec<Local> {
        if !step.has_locals || step.frame.is_null() {
            return Vec::new();
        }
        let offsets = &self.layout.offsets;
        let (slots, namespace) = match self.layout.behaviour.local_slots {
            LocalSlots::NamesCellsFree => (offsets.frame_object.f_localsplus, offsets.frame_object.f_locals),
            LocalSlots::LocalsPlus => (offsets.frame.localsplus, offsets.frame.locals),
        };
        if code.has_fast_locals() {
            self.slot_locals(slots.of(step.frame), code, limits)
        } else {
            self.namespace(self.read_or_null(namespace.of(step.frame)), limits)
        }
    }

    /// The object in a function's first slot.
    pub(super) fn first_argument(&self, step: &PythonStep, code: &Code) -> Option<Addr> {
        let offsets = &self.layout.offsets;
        let slots = match self.layout.behaviour.local_slots {
            LocalSlots::NamesCellsFree => offsets.frame_object.f_localsplus,
            LocalSlots::LocalsPlus => offsets.frame.localsplus,
        };
        if code.arguments == 0 || step.frame.is_null() {
            return None;
        }
        self.read_stack_ref(slots.of(step.frame))
            .ok()
            .filter(|object| !object.is_null())
    }

    fn slot_locals(&self, slots: Addr, code: &Code, limits: &mut Limits) -> Vec<Local> {
        let mut locals: Vec<Local> = Vec::new();
        for (index, slot) in code.slots.iter().enumerate() {
            let pointer = self.read_stack_ref(slots.add(index as u64 * 8));
            let state = match pointer {
                Ok(pointer) => self.slot_value(pointer, slot.kind, limits),
                Err(_) => LocalState::Unreadable,
            };
            if slot.kind == SlotKind::Hidden && state == LocalState::Unset {
                continue;
            }
            // Up to 3.10 an argument that an inner function uses has two slots: the first is empty,
            // the value is in the cell.
            if slot.kind == SlotKind::Cell
                && let Some(argument) = locals.iter_mut().find(|local| local.name == slot.name)
            {
                argument.state = state;
                continue;
            }
            let scope = match slot.kind {
                _ if index < code.arguments => Scope::Argument,
                SlotKind::Fast | SlotKind::Hidden => Scope::Local,
                SlotKind::Cell => Scope::Cell,
                SlotKind::Free => Scope::Free,
            };
            locals.push(Local {
                name: slot.name.clone(),
                scope,
                state,
            });
        }
        locals
    }

    fn slot_value(&self, pointer: Addr, kind: SlotKind, limits: &mut Limits) -> LocalState {
        let is_cell = || self.type_of(pointer).is_some_and(|info| info.is_builtin("cell"));
        let value = match kind {
            SlotKind::Cell | SlotKind::Free if !pointer.is_null() && is_cell() => {
                match self.memory.read_addr(self.layout.offsets.cell.contents.of(pointer)) {
                    Ok(contents) => contents,
                    Err(_) => return LocalState::Unreadable,
                }
            }
            _ => pointer,
        };
        if value.is_null() {
            LocalState::Unset
        } else {
            LocalState::Set(self.value(value, limits))
        }
    }

    /// Modules, functions and classes are what a module body is made of; values are what it did.
    fn namespace(&self, dict: Addr, limits: &mut Limits) -> Vec<Local> {
        const DEFINITIONS: [&str; 4] = ["module", "function", "builtin_function_or_method", "type"];
        let items = self.dict_items(dict, MAX_NAMESPACE).unwrap_or_default();
        let mut locals = Vec::new();
        for (key, value) in items {
            let Some(name) = self.name_string(key) else { continue };
            let is_definition = self.type_of(value).is_some_and(|info| {
                info.has(super::object::type_flags::TYPE) || DEFINITIONS.contains(&&*info.full_name)
            });
            let is_dunder = name.starts_with("__") && name.ends_with("__");
            if !is_definition && !is_dunder {
                locals.push(Local {
                    name,
                    scope: Scope::Local,
                    state: LocalState::Set(self.value(value, limits)),
                });
            }
        }
        locals
    }
}
