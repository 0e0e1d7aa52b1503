//! The variables of one frame.

use super::Python;
use super::code::{Code, SlotKind, SlotName};
use super::object::{TypeInfo, type_flags};
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
    /// It stands for several names, whose values are left out: this text lists them.
    Folded(String),
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
            let mut locals = self.comprehension_locals(slots.of(step.frame), code, limits);
            locals.extend(self.namespace(self.read_or_null(namespace.of(step.frame)), limits));
            locals
        }
    }

    /// The object in a function's first slot.
    pub(super) fn first_argument(&self, step: &PythonStep, code: &Code) -> Option<Addr> {
        (code.arguments > 0).then(|| self.slot(step, 0)).flatten()
    }

    /// The object that a variable of a function holds.
    pub(super) fn local_object(&self, step: &PythonStep, code: &Code, name: &str) -> Option<Addr> {
        let index = code
            .slots
            .iter()
            .position(|slot| slot.name == name && slot.kind == SlotKind::Fast)?;
        self.slot(step, index as u64)
    }

    fn slot(&self, step: &PythonStep, index: u64) -> Option<Addr> {
        let offsets = &self.layout.offsets;
        let slots = match self.layout.behaviour.local_slots {
            LocalSlots::NamesCellsFree => offsets.frame_object.f_localsplus,
            LocalSlots::LocalsPlus => offsets.frame.localsplus,
        };
        if step.frame.is_null() {
            return None;
        }
        let object = self.read_stack_ref(slots.of(step.frame).add(index * 8)).ok();
        object.filter(|object| !object.is_null())
    }

    fn slot_locals(&self, slots: Addr, code: &Code, limits: &mut Limits) -> Vec<Local> {
        let mut locals: Vec<Local> = Vec::new();
        for (index, slot) in code.slots.iter().enumerate() {
            let pointer = self.read_stack_ref(slots.add(index as u64 * 8));
            let state = match pointer {
                Ok(pointer) => self.slot_value(pointer, slot, limits),
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

    fn slot_value(&self, pointer: Addr, slot: &SlotName, limits: &mut Limits) -> LocalState {
        let is_cell = || self.type_of(pointer).is_some_and(|info| info.is_builtin("cell"));
        let value = match slot.kind {
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
            LocalState::Set(self.named_value(&slot.name, value, limits))
        }
    }

    /// The variables of a comprehension that runs within a module or class body without a frame of its own (3.12+): they
    /// are no names of the namespace.
    fn comprehension_locals(&self, slots: Addr, code: &Code, limits: &mut Limits) -> Vec<Local> {
        let mut locals = self.slot_locals(slots, code, limits);
        let names: Vec<&str> = code.slots.iter().map(|slot| slot.name.as_str()).collect();
        let is_hidden = |name: &str| {
            let index = names.iter().position(|known| *known == name);
            index.is_some_and(|index| code.slots[index].kind == SlotKind::Hidden)
        };
        locals.retain(|local| is_hidden(&local.name) && local.state != LocalState::Unset);
        locals
    }

    /// The names of a module or class body in the order they were set, private ones last. Modules, functions and classes
    /// are what such a body is made of: they are folded into one entry behind the values.
    fn namespace(&self, dict: Addr, limits: &mut Limits) -> Vec<Local> {
        let items = self.dict_items(dict, MAX_NAMESPACE).unwrap_or_default();
        let (mut public, mut private) = (Vec::new(), Vec::new());
        let mut folded = Definitions::default();
        for (key, value) in items {
            let Some(name) = self.structure_name(key) else { continue };
            if name.starts_with("__") && name.ends_with("__") {
                continue;
            }
            match self
                .type_of(value)
                .and_then(|info| Definitions::list(&mut folded, &info))
            {
                Some(names) => names.push(name),
                None if name.starts_with('_') => private.push((name, value)),
                None => public.push((name, value)),
            }
        }
        let mut locals: Vec<Local> = Vec::new();
        for (name, value) in public.into_iter().chain(private) {
            let state = LocalState::Set(self.named_value(&name, value, limits));
            locals.push(Local {
                name,
                scope: Scope::Local,
                state,
            });
        }
        locals.extend(folded.text().map(|text| Local {
            name: FOLDED_NAME.to_string(),
            scope: Scope::Local,
            state: LocalState::Folded(text),
        }));
        locals
    }
}

/// The name of the entry that stands for a namespace's definitions; no variable has such a one.
pub const FOLDED_NAME: &str = "(definitions)";

/// The names of definitions, by kind.
#[derive(Default)]
struct Definitions {
    modules: Vec<String>,
    functions: Vec<String>,
    classes: Vec<String>,
}

impl Definitions {
    /// The list that an object of this type belongs to.
    fn list(&mut self, info: &TypeInfo) -> Option<&mut Vec<String>> {
        match info.full_name.as_str() {
            _ if info.has(type_flags::TYPE) => Some(&mut self.classes),
            "module" => Some(&mut self.modules),
            "function" | "builtin_function_or_method" => Some(&mut self.functions),
            _ => None,
        }
    }

    /// `modules: os, sys; functions: main`.
    fn text(&self) -> Option<String> {
        let kinds = [
            ("modules", &self.modules),
            ("functions", &self.functions),
            ("classes", &self.classes),
        ];
        let kinds = kinds.iter().filter(|(_, names)| !names.is_empty());
        let texts: Vec<String> = kinds
            .map(|(kind, names)| format!("{kind}: {}", names.join(", ")))
            .collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}
