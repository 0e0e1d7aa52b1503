//! Values as Python's own `repr` prints them, within bounds.
//!
//! What is left out is marked with `…`, which no `repr` prints: `[1, 2, … 98 more]`,
//! `'aaa'… 9,997 more`, `[…]` where it is nested too deep.

use std::rc::Rc;

use super::Python;
use super::object::{TypeInfo, type_flags};
use super::text;
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
    /// Its attributes, for objects that have no `repr` of a builtin type.
    pub attributes: Vec<(String, Value)>,
    /// Whether the object could be read.
    pub is_readable: bool,
}

impl Python<'_> {
    /// The value of the object at `address`.
    pub fn value(&self, address: Addr, limits: &mut Limits) -> Value {
        limits.remaining = limits.objects_per_variable;
        let mut value = self.value_with_attributes(address, limits, 0, &mut Vec::new());
        value.address = address;
        value
    }

    fn value_with_attributes(&self, address: Addr, limits: &mut Limits, depth: u32, above: &mut Vec<Addr>) -> Value {
        let mut printer = Printer {
            python: self,
            limits,
            above: Vec::new(),
            depth,
        };
        let text = printer.repr(address);
        let Some(info) = self.type_of(address) else {
            return Value {
                text,
                address,
                ..Value::default()
            };
        };
        let mut value = Value {
            type_name: Some(info.full_name.clone()),
            text,
            address,
            length: self.length(address, &info),
            attributes: Vec::new(),
            is_readable: true,
        };
        // Attributes of classes, functions and modules are definitions, not state.
        let is_state = info.has(type_flags::HEAP_TYPE) && !info.has(type_flags::TYPE);
        if is_state && depth < 2 && !above.contains(&address) {
            above.push(address);
            for (name, attribute) in self.attributes(address, &info, limits.items) {
                if limits.spend().is_none() {
                    break;
                }
                let child = self.value_with_attributes(attribute, limits, depth + 1, above);
                value.attributes.push((name, child));
            }
            above.pop();
        }
        value
    }

    fn length(&self, address: Addr, info: &TypeInfo) -> Option<u64> {
        let offsets = &self.layout.offsets;
        if info.has(type_flags::LIST) || info.has(type_flags::TUPLE) || info.has(type_flags::BYTES) {
            self.memory.read_u64(offsets.var_object.ob_size.of(address)).ok()
        } else if info.has(type_flags::UNICODE) {
            self.read_str(address, 0).map(|text| text.length)
        } else if info.has(type_flags::DICT) {
            self.dict_len(address)
        } else if info.is_builtin("set") || info.is_builtin("frozenset") {
            self.memory.read_u64(offsets.set.used.of(address)).ok()
        } else if info.is_builtin("bytearray") {
            self.memory.read_u64(offsets.var_object.ob_size.of(address)).ok()
        } else {
            None
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

struct Printer<'a, 'm> {
    python: &'a Python<'m>,
    limits: &'a mut Limits,
    /// The containers that are being printed, outermost first.
    above: Vec<Addr>,
    depth: u32,
}

impl Printer<'_, '_> {
    fn repr(&mut self, object: Addr) -> String {
        if self.limits.spend().is_none() {
            return "…".to_string();
        }
        let Some(info) = self.python.type_of(object) else {
            return format!("<unreadable object at {object}>");
        };
        self.typed(object, &info)
            .unwrap_or_else(|| format!("<unreadable {} at {object}>", info.full_name))
    }

    /// `None` where the object does not hold together.
    fn typed(&mut self, object: Addr, info: &Rc<TypeInfo>) -> Option<String> {
        let python = self.python;
        let offsets = &python.layout.offsets;
        if info.has(type_flags::LONG) {
            let text = python.int_repr(object)?;
            return Some(match (info.is_builtin("bool"), text.as_str()) {
                (true, "0") => "False".to_string(),
                (true, _) => "True".to_string(),
                (false, _) => text,
            });
        }
        if info.has(type_flags::UNICODE) {
            let read = python.read_str(object, self.limits.text)?;
            let text = text::str_repr(&read.points);
            return Some(text + &more(read.length, read.points.len()));
        }
        if info.has(type_flags::BYTES) {
            let length = python.memory.read_u64(offsets.var_object.ob_size.of(object)).ok()?;
            let bytes = python.bytes_prefix(object, self.limits.text)?;
            return Some(text::bytes_repr(&bytes) + &more(length, bytes.len()));
        }
        if info.has(type_flags::LIST) {
            return self.container(object, |printer| printer.list(object));
        }
        if info.has(type_flags::TUPLE) {
            return self.container(object, |printer| printer.tuple(object));
        }
        if info.has(type_flags::DICT) {
            return self.container(object, |printer| printer.dict(object));
        }
        if info.has(type_flags::BASE_EXCEPTION) {
            let arguments = python.read_or_null(offsets.exception.args.of(object));
            let arguments = self.container(object, |printer| printer.tuple(arguments))?;
            // An exception's repr has no comma behind a single argument.
            let arguments = arguments
                .strip_suffix(",)")
                .map(|all| format!("{all})"))
                .unwrap_or(arguments);
            return Some(format!("{}{arguments}", info.name));
        }
        if info.has(type_flags::TYPE) {
            let class = python.type_info(object)?;
            return Some(format!("<class '{}'>", class.full_name));
        }
        match info.full_name.as_str() {
            _ if info.has(type_flags::HEAP_TYPE) => None,
            "NoneType" => Some("None".to_string()),
            "ellipsis" => Some("Ellipsis".to_string()),
            "NotImplementedType" => Some("NotImplemented".to_string()),
            "float" => {
                let bits = python.memory.read_u64(offsets.float.value.of(object)).ok()?;
                Some(text::float_repr(f64::from_bits(bits)))
            }
            "complex" => {
                let at = offsets.complex.value.of(object);
                let real = f64::from_bits(python.memory.read_u64(at).ok()?);
                let imaginary = f64::from_bits(python.memory.read_u64(at.add(8)).ok()?);
                Some(text::complex_repr(real, imaginary))
            }
            "bytearray" => {
                let length = python.memory.read_u64(offsets.var_object.ob_size.of(object)).ok()?;
                let start = python.read_or_null(offsets.bytearray.start.of(object));
                let shown = length.min(self.limits.text) as usize;
                let bytes = if shown == 0 {
                    Vec::new()
                } else {
                    python.memory.read_vec(start, shown).ok()?
                };
                Some(format!(
                    "bytearray({})",
                    text::bytes_repr(&bytes) + &more(length, bytes.len())
                ))
            }
            "set" | "frozenset" => self.container(object, |printer| printer.set(object, &info.name)),
            "range" => self.range(object),
            "slice" => self.slice(object),
            "memoryview" => Some(format!("<memory at {object}>")),
            "function" => python.function_repr(object),
            "method" => self.bound_method(object),
            "builtin_function_or_method" => python.builtin_repr(object),
            "module" => python.module_repr(object),
            "generator" | "coroutine" | "async_generator" => python.generator_repr(object, &info.name),
            _ => None,
        }
        .or_else(|| Some(format!("<{} at {object}>", info.full_name)))
    }

    /// Guards against recursion and depth.
    fn container(&mut self, object: Addr, print: impl FnOnce(&mut Self) -> Option<String>) -> Option<String> {
        if self.above.contains(&object) {
            return Some(self.brackets(object, "..."));
        }
        if self.above.len() as u32 + self.depth >= self.limits.depth {
            return Some(self.brackets(object, "…"));
        }
        self.above.push(object);
        let text = print(self);
        self.above.pop();
        text
    }

    fn brackets(&self, object: Addr, inside: &str) -> String {
        let info = self.python.type_of(object);
        let has = |flag| info.as_ref().is_some_and(|info| info.has(flag));
        if has(type_flags::LIST) {
            format!("[{inside}]")
        } else if has(type_flags::TUPLE) || has(type_flags::BASE_EXCEPTION) {
            format!("({inside})")
        } else if has(type_flags::DICT) || info.is_some_and(|info| ["set", "frozenset"].contains(&&*info.name)) {
            format!("{{{inside}}}")
        } else {
            inside.to_string()
        }
    }

    fn list(&mut self, object: Addr) -> Option<String> {
        let offsets = &self.python.layout.offsets;
        let length = self
            .python
            .memory
            .read_u64(offsets.var_object.ob_size.of(object))
            .ok()?;
        let items = self.python.memory.read_addr(offsets.list.items.of(object)).ok()?;
        let items = match length.min(self.limits.items) {
            0 => Vec::new(),
            count => self.python.pointers(items, count)?,
        };
        Some(format!("[{}]", self.join(&items, length)))
    }

    fn tuple(&mut self, object: Addr) -> Option<String> {
        let length = self
            .python
            .memory
            .read_u64(self.python.layout.offsets.var_object.ob_size.of(object))
            .ok()?;
        let items = self.python.tuple_items(object, self.limits.items)?;
        let comma = if length == 1 { "," } else { "" };
        Some(format!("({}{comma})", self.join(&items, length)))
    }

    /// The step is left out where it is 1 (Objects/rangeobject.c, `range_repr`).
    fn range(&mut self, object: Addr) -> Option<String> {
        let offsets = &self.python.layout.offsets.range;
        let [start, stop, step] = [offsets.start, offsets.stop, offsets.step].map(|field| field.of(object));
        let mut part = |field| Some(self.repr(self.python.memory.read_addr(field).ok()?));
        let (start, stop, step) = (part(start)?, part(stop)?, part(step)?);
        Some(match step.as_str() {
            "1" => format!("range({start}, {stop})"),
            _ => format!("range({start}, {stop}, {step})"),
        })
    }

    fn slice(&mut self, object: Addr) -> Option<String> {
        let offsets = &self.python.layout.offsets.slice;
        let fields = [offsets.start, offsets.stop, offsets.step].map(|field| field.of(object));
        self.container(object, |printer| {
            let mut parts = Vec::new();
            for field in fields {
                parts.push(printer.repr(printer.python.memory.read_addr(field).ok()?));
            }
            Some(format!("slice({})", parts.join(", ")))
        })
    }

    fn bound_method(&mut self, object: Addr) -> Option<String> {
        let offsets = &self.python.layout.offsets.method;
        let function = self.python.read_or_null(offsets.function.of(object));
        let instance = self.python.memory.read_addr(offsets.instance.of(object)).ok()?;
        let name = self.python.function_name(function)?;
        self.container(object, |printer| {
            Some(format!("<bound method {name} of {}>", printer.repr(instance)))
        })
    }

    fn set(&mut self, object: Addr, type_name: &str) -> Option<String> {
        let offsets = &self.python.layout.offsets.set;
        let used = self.python.memory.read_u64(offsets.used.of(object)).ok()?;
        let mask = self.python.memory.read_u64(offsets.mask.of(object)).ok()?;
        let table = self.python.memory.read_addr(offsets.table.of(object)).ok()?;
        let mut items = Vec::new();
        // Tables are at most ten times larger than their contents, save after many removals.
        for index in 0..=mask.min(self.limits.items.saturating_mul(64)) {
            if items.len() as u64 >= used.min(self.limits.items) {
                break;
            }
            // {key, hash}; the key of a removed entry has the hash -1, which no object has.
            let entry = table.add(index * 16);
            let key = self.python.memory.read_addr(entry).ok()?;
            if !key.is_null() && self.python.memory.read_i64(entry.add(8)).ok()? != -1 {
                items.push(key);
            }
        }
        let items = self.join(&items, used);
        Some(match (type_name, used) {
            (name, 0) => format!("{name}()"),
            ("set", _) => format!("{{{items}}}"),
            (name, _) => format!("{name}({{{items}}})"),
        })
    }

    fn dict(&mut self, object: Addr) -> Option<String> {
        let length = self.python.dict_len(object)?;
        let items = self.python.dict_items(object, self.limits.items)?;
        let mut parts = Vec::new();
        for (key, value) in &items {
            if self.limits.remaining == 0 {
                break;
            }
            let key = self.repr(*key);
            let value = self.repr(*value);
            parts.push(format!("{key}: {value}"));
        }
        Some(format!("{{{}}}", with_rest(parts, length)))
    }

    fn join(&mut self, items: &[Addr], length: u64) -> String {
        let mut parts = Vec::new();
        for &item in items {
            if self.limits.remaining == 0 {
                break;
            }
            parts.push(self.repr(item));
        }
        with_rest(parts, length)
    }
}

fn with_rest(mut parts: Vec<String>, length: u64) -> String {
    let rest = length.saturating_sub(parts.len() as u64);
    if rest > 0 {
        parts.push(format!("… {rest} more"));
    }
    parts.join(", ")
}

fn more(length: u64, shown: usize) -> String {
    match length.saturating_sub(shown as u64) {
        0 => String::new(),
        rest => format!("… {rest} more"),
    }
}
