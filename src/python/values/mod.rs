//! Values as Python's own `repr` prints them, within bounds, and without running any code.
//!
//! [`Value`] is what a report shows of one object. [`find`] tells by the type's slots who prints it, `table` declares
//! which type has which renderer, and each family of types has a module.
//!
//! What is left out is marked with `…`, which no `repr` prints: `[1, 2, … 98 more]`, `'aaa'… 9997 more`, `[…]` where it
//! is nested too deep. A container within itself is `[...]`, as CPython has it.
//!
//! Invariant: whatever a class prints by Python code of its own is not imitated, but for the classes of the standard
//! library that `table` names; such an object is shown as `<module.Class object at 0x…>` with its attributes.

mod callables;
mod classes;
mod collections;
mod containers;
mod ctypes;
mod dates;
mod dtypes;
mod enums;
mod exceptions;
mod find;
mod locks;
mod members;
mod modules;
mod numbers;
mod numpy;
mod objects;
mod paths;
mod printer;
mod regex;
mod strings;
mod structures;
mod table;
mod tasks;
mod tuples;
mod typing;
mod views;

pub use self::find::Found;
use self::printer::Printer;
pub use self::structures::Structures;
use self::table::{Attributes, Length};
use super::Python;
use super::object::{TypeInfo, type_flags};
use crate::addr::Addr;
use crate::source::MemoryExt;

/// How much of a value is looked at. One set of limits spans one report: its budget is spent in the
/// order of the walk, so that capture and analysis stop at the same place.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How deep containers and attributes are followed.
    pub depth: u32,
    /// How many items of a container are looked at.
    pub items: u64,
    /// How many characters or bytes of a string are looked at.
    pub text: u64,
    /// How many objects one variable may cost.
    pub objects_per_variable: u32,
    /// How many objects may still be looked at in all.
    pub budget: u32,
    remaining: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            depth: 5,
            items: 50,
            text: 512,
            objects_per_variable: 150,
            budget: 20_000,
            remaining: 0,
        }
    }
}

impl Limits {
    /// Takes one object off the budgets; `None` where one is used up.
    fn spend(&mut self) -> Option<()> {
        self.remaining = self.remaining.checked_sub(1)?;
        self.budget = self.budget.checked_sub(1)?;
        Some(())
    }
}

/// One value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Value {
    /// Full name of its type; `None` where there is no sound object.
    pub type_name: Option<String>,
    /// Its `repr`, within bounds.
    pub text: String,
    /// Its address.
    pub address: Addr,
    /// `len()`, where it has one.
    pub length: Option<u64>,
    /// What it consists of beyond its text, by what leads there: `.attribute`, `[0]`.
    pub parts: Vec<(String, Value)>,
    /// Whether the object could be read.
    pub is_readable: bool,
    /// Whether it was left out on purpose.
    pub is_redacted: bool,
}

impl Python<'_> {
    /// The value of a variable of this name.
    pub fn named_value(&self, name: &str, address: Addr, limits: &mut Limits) -> Value {
        self.redact_named(name, address);
        self.value(address, limits)
    }

    /// The value of the object at `address`.
    pub fn value(&self, address: Addr, limits: &mut Limits) -> Value {
        limits.remaining = limits.objects_per_variable;
        self.value_with_parts(address, limits, 0, &mut Vec::new())
    }

    /// The text of the object at `address` alone.
    pub fn repr(&self, address: Addr, limits: &mut Limits) -> String {
        limits.remaining = limits.objects_per_variable;
        Printer::new(self, limits, 0).repr(address)
    }

    fn value_with_parts(&self, address: Addr, limits: &mut Limits, level: u32, above: &mut Vec<Addr>) -> Value {
        let mut printer = Printer::new(self, limits, level);
        let Ok(info) = self.sound_type(address) else {
            return Value {
                text: printer.repr(address),
                address,
                ..Value::default()
            };
        };
        let text = printer.repr(address);
        if printer.is_redacted(address) {
            return Value {
                type_name: Some(info.full_name.clone()),
                text,
                address,
                is_readable: true,
                is_redacted: true,
                ..Value::default()
            };
        }
        let found = self.find_repr(&info);
        let mut value = Value {
            type_name: Some(info.full_name.clone()),
            address,
            length: self.length(address, &found),
            parts: Vec::new(),
            is_readable: !text.starts_with("<unreadable "),
            is_redacted: false,
            text,
        };
        if !value.is_readable || level >= 2 || above.contains(&address) {
            return value;
        }
        above.push(address);
        for (name, part) in self.parts(address, &info, &found, limits.items) {
            let child = match part {
                Part::Object(object) => {
                    if limits.spend().is_none() {
                        break;
                    }
                    self.value_with_parts(object, limits, level + 1, above)
                }
                Part::Plain(child) => child,
            };
            value.parts.push((name, child));
        }
        above.pop();
        value
    }

    /// What is shown of an object beside its text, in order.
    fn parts(&self, object: Addr, info: &TypeInfo, found: &Found, max: u64) -> Vec<(String, Part)> {
        let mut parts = Vec::new();
        // Attributes of classes, functions and modules are definitions, not state.
        let are_shown = match found {
            Found::Row(row, _) => row.attributes == Attributes::Shown && !info.has(type_flags::TYPE),
            Found::Python(row) => row.attributes == Attributes::Shown,
            _ => true,
        };
        if are_shown {
            let attributes = self.attributes(object, info, max);
            parts.extend(
                attributes
                    .into_iter()
                    .map(|(name, value)| (format!(".{name}"), Part::Object(value))),
            );
            parts.extend(self.plain_members(object, info));
            if matches!(found, Found::Plain | Found::Opaque) {
                parts.extend(self.structure_parts(object, info, &parts));
            }
        }
        parts.extend(self.ctypes_parts(object, info, max));
        parts
    }

    fn length(&self, address: Addr, found: &Found) -> Option<u64> {
        let Found::Row(row, _) = found else {
            return self.base_length(address, found);
        };
        let offsets = &self.layout.offsets;
        match row.length {
            Length::None => None,
            Length::Items => self.memory.read_u64(offsets.var_object.ob_size.of(address)).ok(),
            Length::Characters => self.read_str(address, 0).map(|text| text.length),
            Length::Dict => self.dict_len(address),
            Length::Shape => self.array_length(address),
            Length::Set => self.memory.read_u64(offsets.set.used.of(address)).ok(),
        }
    }

    /// Of a container with a `repr` of its own: of the builtin type it is derived from.
    fn base_length(&self, address: Addr, found: &Found) -> Option<u64> {
        if matches!(found, Found::Plain) {
            return None;
        }
        let info = self.type_of(address)?;
        if info.has(type_flags::LIST) || info.has(type_flags::TUPLE) || info.has(type_flags::BYTES) {
            let size = self.layout.offsets.var_object.ob_size.of(address);
            self.memory.read_u64(size).ok()
        } else if info.has(type_flags::DICT) {
            self.dict_len(address)
        } else if info.has(type_flags::UNICODE) {
            self.read_str(address, 0).map(|text| text.length)
        } else {
            None
        }
    }
}

/// A part of a value.
enum Part {
    /// An object of its own.
    Object(Addr),
    /// What lies in the value itself as plain data.
    Plain(Value),
}
