//! Which objects are left out: those that a secret name leads to, and texts that hold a secret.
//!
//! What decides that is read without being recorded, so that no byte of a redacted object gets into a dump.

use std::collections::HashSet;

use super::Python;
use super::object::{TypeInfo, type_flags};
use super::values::{Found, Value};
use crate::addr::Addr;
use crate::redact::REDACTED;
use crate::source::Peek;

/// How many objects one secret name leads to.
const MAX_OBJECTS: usize = 500;
/// How deep containers are followed.
const DEPTH: u32 = 6;
/// How many instances of classes may contain each other: what a secret's object refers to is part of it, what that
/// refers to need not be.
const INSTANCES: u32 = 2;
/// How many items of a container are followed.
const ITEMS: u64 = 200;
/// How much of a text is kept to be found again.
const MAX_TEXT: u64 = 4096;
/// How much of a text is searched for secrets, beyond what is shown of it.
const BEYOND: u64 = 256;
/// The longest key of a dict that is a name.
const MAX_KEY: u64 = 128;
/// The integers that CPython makes once and shares (`_PY_NSMALLPOSINTS`, `_PY_NSMALLNEGINTS`,
/// Include/internal/pycore_runtime_structs.h; 1,024 since 3.15).
const SHARED_INTS: std::ops::RangeInclusive<i64> = -5..=1024;
/// Mappings of the process environment, which no dump has.
const ENVIRONMENT: &str = "os._Environ";

/// One object that a secret name leads to.
struct Secret {
    at: Addr,
    text: Text,
}

/// What an object says.
enum Text {
    None,
    Str(String),
    Bytes(Vec<u8>),
}

impl Python<'_> {
    /// Redacts what a variable, key or attribute leads to, if its name is secret.
    pub fn redact_named(&self, name: &str, object: Addr) {
        let Some(redactor) = self.redactor.filter(|redactor| redactor.is_secret_name(name)) else {
            return;
        };
        if object.is_null() || redactor.is_secret(object) {
            return;
        }
        for secret in self.peeking(|python| python.secrets(object)) {
            redactor.add_object(secret.at);
            match &secret.text {
                Text::None => {}
                Text::Str(text) => redactor.add_text(text),
                Text::Bytes(bytes) => redactor.add_bytes(bytes),
            }
        }
    }

    /// Redacts the objects of `sys.argv` and `sys.orig_argv`, but for the program.
    pub fn redact_arguments(&self) {
        let Some(redactor) = self.redactor else { return };
        for (name, kept) in [("argv", 0), ("orig_argv", 1)] {
            let found = self.peeking(|python| python.list_items(python.sys_attribute(name)?, ITEMS));
            for argument in found.unwrap_or_default().into_iter().skip(kept) {
                redactor.add_object(argument);
            }
        }
    }

    /// The same where the name is an object: a key of a dict.
    pub(super) fn redact_keyed(&self, key: Addr, value: Addr) {
        if self.redactor.is_none_or(|redactor| !redactor.is_active()) {
            return;
        }
        if let Some(name) = self.peeking(|python| python.key_name(key)) {
            self.redact_named(&name, value);
        }
    }

    /// The same for a pair, such as a header and its value.
    pub(super) fn redact_pair(&self, items: &[Addr]) {
        if let &[key, value] = items {
            self.redact_keyed(key, value);
        }
    }

    /// Whether plain data of this name, at this address, is left out.
    pub(super) fn redacts_plain(&self, name: &str, at: Addr) -> bool {
        self.redactor.is_some_and(|redactor| {
            if redactor.is_secret_name(name) {
                redactor.add_object(at);
            }
            redactor.is_secret(at)
        })
    }

    /// Plain data that is left out.
    pub(super) fn redacted_plain(at: Addr) -> Value {
        Value {
            text: REDACTED.to_string(),
            address: at,
            is_readable: true,
            is_redacted: true,
            ..Value::default()
        }
    }

    /// Whether the value of an object is left out; `shown` characters of a text would be shown.
    pub(super) fn is_redacted(&self, object: Addr, info: &TypeInfo, shown: u64) -> bool {
        let Some(redactor) = self.redactor else { return false };
        if redactor.is_secret(object) {
            return true;
        }
        if !redactor.is_active() {
            return false;
        }
        if info.full_name == ENVIRONMENT {
            redactor.add_object(object);
            return redactor.is_secret(object);
        }
        let max = shown.saturating_add(BEYOND);
        let text = self.peeking(|python| match python.text(object, info, max) {
            Text::Str(text) => Some(text),
            Text::Bytes(bytes) => Some(bytes.iter().map(|&byte| char::from(byte)).collect()),
            Text::None => None,
        });
        match text {
            Some(text) => redactor.hides(object, &text),
            None => {
                redactor.add_shown(object);
                false
            }
        }
    }

    /// A name of the program: it is part of what a dump tells.
    pub(super) fn structure_name(&self, object: Addr) -> Option<String> {
        let name = self.name_string(object)?;
        if let Some(redactor) = self.redactor {
            redactor.add_structure(&name);
        }
        Some(name)
    }

    /// Walks without leaving a trace.
    fn peeking<T>(&self, walk: impl FnOnce(&Python<'_>) -> T) -> T {
        let memory = Peek(self.memory);
        walk(&Python::new(&memory, self.layout, self.notes))
    }

    /// A key that is a str or bytes, as text.
    fn key_name(&self, key: Addr) -> Option<String> {
        let info = self.type_of(key)?;
        match self.text(key, &info, MAX_KEY) {
            Text::Str(text) => Some(text),
            Text::Bytes(bytes) => String::from_utf8(bytes).ok(),
            Text::None => None,
        }
    }

    fn text(&self, object: Addr, info: &TypeInfo, max: u64) -> Text {
        let bytes = |bytes: Option<Vec<u8>>| bytes.map_or(Text::None, Text::Bytes);
        if info.has(type_flags::UNICODE) {
            let read = self.read_str(object, max);
            let char = |point: &u32| char::from_u32(*point).unwrap_or(char::REPLACEMENT_CHARACTER);
            read.map_or(Text::None, |read| Text::Str(read.points.iter().map(char).collect()))
        } else if info.has(type_flags::BYTES) {
            bytes(self.bytes_prefix(object, max))
        } else if info.is_builtin("bytearray") {
            bytes(self.bytearray_prefix(object, max))
        } else {
            Text::None
        }
    }

    /// The objects that make up a secret. What every program shares is none: None, booleans, small numbers, empty
    /// containers, texts of one character, and definitions (modules, classes, functions).
    fn secrets(&self, object: Addr) -> Vec<Secret> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut left = vec![(object, DEPTH, INSTANCES)];
        while let Some((at, depth, instances)) = left.pop() {
            if found.len() >= MAX_OBJECTS || at.is_null() || !seen.insert(at) {
                continue;
            }
            let Ok(info) = self.sound_type(at) else { continue };
            if self.is_shared(at, &info) {
                continue;
            }
            let text = match self.text(at, &info, MAX_TEXT) {
                Text::None if info.is_builtin("int") => self.int_repr(at).map_or(Text::None, Text::Str),
                text => text,
            };
            let has_text = !matches!(text, Text::None);
            found.push(Secret { at, text });
            if depth == 0 || has_text {
                continue;
            }
            let items = self.items(at, &info);
            let is_container = !items.is_empty();
            left.extend(items.into_iter().map(|item| (item, depth - 1, instances)));
            if !is_container && instances > 0 {
                let attributes = self.attributes(at, &info, ITEMS).into_iter();
                left.extend(attributes.map(|(_, value)| (value, depth - 1, instances - 1)));
            }
        }
        found
    }

    /// The items of a container; of a dict the values, and the keys that are no names of the program.
    fn items(&self, at: Addr, info: &TypeInfo) -> Vec<Addr> {
        if info.has(type_flags::DICT) {
            let pairs = self.dict_items(at, ITEMS).unwrap_or_default().into_iter();
            return pairs
                .flat_map(|(key, value)| [Some(value), Some(key).filter(|&key| !self.is_name(key))])
                .flatten()
                .collect();
        }
        let items = if info.has(type_flags::TUPLE) {
            self.tuple_items(at, ITEMS)
        } else if info.has(type_flags::LIST) {
            self.list_items(at, ITEMS)
        } else if info.is_builtin("set") || info.is_builtin("frozenset") {
            self.set_items(at, ITEMS)
        } else {
            None
        };
        items.unwrap_or_default()
    }

    /// Whether a key reads like the name of a field, and not like the secret itself.
    fn is_name(&self, key: Addr) -> bool {
        let name = self.key_name(key);
        name.is_some_and(|name| name.len() <= 32 && name.chars().all(|c| c.is_ascii_alphabetic() || "_-. ".contains(c)))
    }

    fn is_shared(&self, at: Addr, info: &TypeInfo) -> bool {
        let is_plain = |name: &str| info.is_builtin(name);
        if ["NoneType", "bool", "ellipsis", "NotImplementedType"]
            .into_iter()
            .any(is_plain)
        {
            return true;
        }
        if is_plain("int") {
            let value = self.int_repr(at).and_then(|text| text.parse().ok());
            return value.is_some_and(|value: i64| SHARED_INTS.contains(&value));
        }
        if info.has(type_flags::UNICODE) {
            return self.read_str(at, 0).is_none_or(|text| text.length <= 1);
        }
        if info.has(type_flags::BYTES) || info.has(type_flags::TUPLE) || info.has(type_flags::LIST) {
            let least = if info.has(type_flags::BYTES) { 1 } else { 0 };
            return self.size_of(at).is_none_or(|size| size <= least);
        }
        if info.has(type_flags::DICT) {
            return self.dict_len(at) == Some(0);
        }
        matches!(&*self.find_repr(info), Found::Row(row, _) if row.is_definition())
    }
}
