//! Builds the text of one value, with its bounds.

use std::rc::Rc;

use super::super::Python;
use super::super::object::{Broken, TypeInfo};
use super::Limits;
use super::find::Found;
use crate::addr::Addr;
use crate::redact::REDACTED;

/// An object that is printed.
#[derive(Clone, Copy)]
pub struct Subject<'t> {
    /// Its address.
    pub at: Addr,
    /// Its type.
    pub info: &'t TypeInfo,
    /// The type whose renderer prints it: its own, or one it is derived from.
    pub base: &'t TypeInfo,
}

/// Prints objects into texts.
pub struct Printer<'a, 'm> {
    pub python: &'a Python<'m>,
    pub limits: &'a mut Limits,
    /// The objects that are being printed and notice when they meet themselves (`Py_ReprEnter`), outermost first.
    above: Vec<Addr>,
    /// How many objects contain the one that is printed now.
    level: u32,
}

impl<'a, 'm> Printer<'a, 'm> {
    /// For an object that `level` others contain.
    pub fn new(python: &'a Python<'m>, limits: &'a mut Limits, level: u32) -> Printer<'a, 'm> {
        Printer {
            python,
            limits,
            above: Vec::new(),
            level,
        }
    }

    /// The `repr` of an object; of none, what CPython prints for a null pointer.
    pub fn repr(&mut self, object: Addr) -> String {
        if object.is_null() {
            return "<NULL>".to_string();
        }
        if self.limits.spend().is_none() {
            return "…".to_string();
        }
        match self.python.sound_type(object) {
            Ok(info) if self.python.is_redacted(object, &info, self.limits.text) => REDACTED.to_string(),
            Ok(info) => self
                .typed(object, &info)
                .unwrap_or_else(|| format!("<unreadable {} at {object}>", info.full_name)),
            Err(Broken::Unreadable) => format!("<unreadable object at {object}>"),
            Err(Broken::Freed(info)) => format!("<unreadable {} at {object}: freed>", info.full_name),
            Err(Broken::Negative(info, count)) => {
                format!("<unreadable {} at {object}: reference count {count}>", info.full_name)
            }
        }
    }

    /// `None` where the object does not hold together.
    fn typed(&mut self, object: Addr, info: &Rc<TypeInfo>) -> Option<String> {
        let found = self.python.find_repr(info);
        match &*found {
            Found::Row(row, base) => (row.print)(self, Subject { at: object, info, base }),
            Found::Python(row) => {
                let subject = Subject {
                    at: object,
                    info,
                    base: info,
                };
                // An attribute that is missing is no sign of a broken object: its class may be another one.
                Some((row.print)(self, subject).unwrap_or_else(|| plain(object, info)))
            }
            Found::Plain | Found::Opaque => Some(plain(object, info)),
        }
    }

    /// Prints what is in an object; `deep` where that would lead too deep.
    pub fn within(&mut self, deep: &str, print: impl FnOnce(&mut Self) -> Option<String>) -> Option<String> {
        if self.level >= self.limits.depth {
            return Some(deep.to_string());
        }
        self.level += 1;
        let text = print(self);
        self.level -= 1;
        text
    }

    /// The same for an object that notices when it meets itself, and then prints `recursive`.
    pub fn once(
        &mut self,
        object: Addr,
        recursive: &str,
        deep: &str,
        print: impl FnOnce(&mut Self) -> Option<String>,
    ) -> Option<String> {
        if self.above.contains(&object) {
            return Some(recursive.to_string());
        }
        self.within(deep, |printer| {
            printer.above.push(object);
            let text = print(printer);
            printer.above.pop();
            text
        })
    }

    /// The first items of a container of this length, separated by commas.
    pub fn items(&mut self, items: &[Addr], length: u64) -> String {
        self.join(items, length, |printer, &item| printer.repr(item))
    }

    /// The first items of a dict of this length, as `key: value`.
    pub fn pairs(&mut self, items: &[(Addr, Addr)], length: u64) -> String {
        self.join(items, length, |printer, &(key, value)| {
            let (key, value) = printer.pair(key, value);
            format!("{key}: {value}")
        })
    }

    /// The texts of a key and its value.
    pub fn pair(&mut self, key: Addr, value: Addr) -> (String, String) {
        self.python.redact_keyed(key, value);
        (self.repr(key), self.repr(value))
    }

    /// The `repr` of what has a name.
    pub fn named(&mut self, name: &str, value: Addr) -> String {
        self.python.redact_named(name, value);
        self.repr(value)
    }

    /// Whether an object that was printed was left out.
    pub fn is_redacted(&self, object: Addr) -> bool {
        self.python.redactor.is_some_and(|redactor| redactor.is_secret(object))
    }

    /// Texts of the first of `length` things, and how many more there are.
    pub fn join<T>(&mut self, things: &[T], length: u64, print: impl Fn(&mut Self, &T) -> String) -> String {
        let mut parts = Vec::new();
        for thing in things {
            if self.limits.remaining == 0 {
                break;
            }
            parts.push(print(self, thing));
        }
        let rest = length.saturating_sub(parts.len() as u64);
        if rest > 0 {
            parts.push(format!("… {rest} more"));
        }
        parts.join(", ")
    }

    /// The `repr` of an attribute of an instance.
    pub fn attribute_repr(&mut self, subject: &Subject<'_>, name: &str) -> Option<String> {
        let value = self.python.attribute(subject.at, subject.info, name)?;
        Some(self.repr(value))
    }

    /// `str()` of an attribute that is a str, an int or None.
    pub fn attribute_str(&mut self, subject: &Subject<'_>, name: &str) -> Option<String> {
        let value = self.python.attribute(subject.at, subject.info, name)?;
        self.python.name_string(value).or_else(|| Some(self.repr(value)))
    }
}

/// `object.__repr__` (Objects/typeobject.c, `object_repr`).
pub fn plain(object: Addr, info: &TypeInfo) -> String {
    format!("<{} object at {object}>", info.full_name)
}

/// What stands behind a text of which `shown` of `length` units are shown.
pub fn more(length: u64, shown: usize) -> String {
    match length.saturating_sub(shown as u64) {
        0 => String::new(),
        rest => format!("… {rest} more"),
    }
}
