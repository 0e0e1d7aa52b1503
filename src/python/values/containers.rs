//! Builtin containers.

use super::super::Python;
use super::printer::{Printer, Subject};
use crate::addr::Addr;
use crate::source::MemoryExt;

/// `list.__repr__`.
pub fn list(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let offsets = &printer.python.layout.offsets.list;
    let length = printer.python.size_of(subject.at)?;
    let allocated = printer.python.memory.read_u64(offsets.allocated.of(subject.at)).ok()?;
    // While a list is sorted it is empty and states an allocation of -1 (Objects/listobject.c, `list_sort_impl`).
    if length > allocated {
        return None;
    }
    printer.once(subject.at, "[...]", "[…]", |printer| {
        let items = printer.python.memory.read_addr(offsets.items.of(subject.at)).ok()?;
        let items = match length.min(printer.limits.items) {
            0 => Vec::new(),
            count => printer.python.pointers(items, count)?,
        };
        printer.python.redact_pair(&items);
        Some(format!("[{}]", printer.items(&items, length)))
    })
}

/// `tuple.__repr__`.
pub fn tuple(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    tuple_at(printer, subject.at)
}

/// The text of a tuple.
pub fn tuple_at(printer: &mut Printer<'_, '_>, tuple: Addr) -> Option<String> {
    let length = printer.python.size_of(tuple)?;
    printer.once(tuple, "(...)", "(…)", |printer| {
        let items = printer.python.tuple_items(tuple, printer.limits.items)?;
        printer.python.redact_pair(&items);
        let comma = if length == 1 { "," } else { "" };
        Some(format!("({}{comma})", printer.items(&items, length)))
    })
}

/// `dict.__repr__`.
pub fn dict(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    dict_at(printer, subject.at)
}

/// The text of a dict.
pub fn dict_at(printer: &mut Printer<'_, '_>, dict: Addr) -> Option<String> {
    printer.once(dict, "{...}", "{…}", |printer| {
        let length = printer.python.dict_len(dict)?;
        let items = printer.python.dict_items(dict, printer.limits.items)?;
        Some(format!("{{{}}}", printer.pairs(&items, length)))
    })
}

/// `frozendict.__repr__` (Objects/dictobject.c, 3.15+).
pub fn frozendict(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let name = &subject.info.tp_name;
    match printer.python.dict_len(subject.at)? {
        0 => Some(format!("{name}()")),
        _ => Some(format!("{name}({})", dict_at(printer, subject.at)?)),
    }
}

/// `set.__repr__` and `frozenset.__repr__` (Objects/setobject.c, `set_repr`).
pub fn set(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let offsets = &python.layout.offsets.set;
    let name = &subject.info.tp_name;
    let used = python.memory.read_u64(offsets.used.of(subject.at)).ok()?;
    let mask = python.memory.read_u64(offsets.mask.of(subject.at)).ok()?;
    if used > mask.saturating_add(1) {
        return None;
    }
    if used == 0 {
        return Some(format!("{name}()"));
    }
    printer.once(subject.at, &format!("{name}(...)"), &format!("{name}(…)"), |printer| {
        let items = python.set_items(subject.at, printer.limits.items)?;
        let items = printer.items(&items, used);
        Some(match name.as_str() {
            "set" => format!("{{{items}}}"),
            _ => format!("{name}({{{items}}})"),
        })
    })
}

impl Python<'_> {
    /// The first `max` items of a set, in the order of its table.
    pub(in super::super) fn set_items(&self, set: Addr, max: u64) -> Option<Vec<Addr>> {
        let offsets = &self.layout.offsets.set;
        let used = self.memory.read_u64(offsets.used.of(set)).ok()?;
        let mask = self.memory.read_u64(offsets.mask.of(set)).ok()?;
        let table = self.memory.read_addr(offsets.table.of(set)).ok()?;
        let mut items = Vec::new();
        // Tables are at most ten times larger than their contents, save after many removals.
        for index in 0..=mask.min(max.saturating_mul(64)) {
            if items.len() as u64 >= used.min(max) {
                break;
            }
            // {key, hash}; the key of a removed entry has the hash -1, which no object has.
            let entry = table.add(index * 16);
            let key = self.memory.read_addr(entry).ok()?;
            if !key.is_null() && self.memory.read_i64(entry.add(8)).ok()? != -1 {
                items.push(key);
            }
        }
        Some(items)
    }
}

/// `range.__repr__`: the step is left out where it is 1 (Objects/rangeobject.c, `range_repr`).
pub fn range(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let offsets = &printer.python.layout.offsets.range;
    let [start, stop, step] = [offsets.start, offsets.stop, offsets.step].map(|field| field.of(subject.at));
    let mut part = |field| Some(printer.repr(printer.python.memory.read_addr(field).ok()?));
    let (start, stop, step) = (part(start)?, part(stop)?, part(step)?);
    Some(match step.as_str() {
        "1" => format!("range({start}, {stop})"),
        _ => format!("range({start}, {stop}, {step})"),
    })
}

/// `slice.__repr__`.
pub fn slice(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let offsets = &printer.python.layout.offsets.slice;
    let fields = [offsets.start, offsets.stop, offsets.step].map(|field| field.of(subject.at));
    printer.within("slice(…)", |printer| {
        let mut parts = Vec::new();
        for field in fields {
            parts.push(printer.repr(printer.python.memory.read_addr(field).ok()?));
        }
        Some(format!("slice({})", parts.join(", ")))
    })
}
