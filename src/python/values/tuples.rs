//! Tuples with names.

use std::rc::Rc;

use super::super::Python;
use super::super::object::{TypeInfo, type_flags};
use super::printer::{Printer, Subject};
use super::table::{self, Row};
use crate::source::MemoryExt;

/// The longest name of an item.
const MAX_NAME: usize = 256;

/// Whether the type is a named tuple written in C. They share one `tp_repr`, and each runtime has one of them:
/// the type of `sys.version_info`.
pub fn is_structseq(python: &Python<'_>, info: &TypeInfo, order: &[Rc<TypeInfo>]) -> Option<&'static Row> {
    if !info.has(type_flags::TUPLE) || !order.iter().any(|class| class.is_builtin("tuple")) {
        return None;
    }
    let version = python.sys_attribute("version_info")?;
    let known = python.type_of(version)?;
    (known.repr == info.repr && !known.repr.is_null()).then_some(&table::STRUCTSEQ)
}

/// `os.stat_result(st_mode=33188, …)` (Objects/structseq.c, `structseq_repr`).
pub fn structseq(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let (offsets, member) = (&python.layout.offsets, &python.layout.offsets.member_def);
    let stride = member.size.bytes()?;
    let length = python.size_of(subject.at)?;
    let items = python.tuple_items(subject.at, printer.limits.items)?;
    let members = python.read_or_null(offsets.type_object.members.of(subject.base.address));
    let mut named = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let name = python.read_or_null(member.name.of(members.add(index as u64 * stride)));
        let name = python.memory.read_c_string(name, MAX_NAME).ok()?;
        named.push((String::from_utf8(name).ok()?, item));
    }
    printer.within("(…)", |printer| {
        let items = printer.join(&named, length, |printer, (name, item)| {
            format!("{name}={}", printer.named(name, *item))
        });
        Some(format!("{}({items})", subject.info.tp_name))
    })
}

/// `Point(x=1, y=2)` (Lib/collections/__init__.py, `namedtuple`).
pub fn namedtuple(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let fields = python.inherited_attribute(subject.info, "_fields")?;
    let length = python.size_of(subject.at)?;
    // What has other items than names was made by other means.
    if length != python.size_of(fields)? {
        return None;
    }
    let names = python.tuple_items(fields, printer.limits.items)?;
    let items = python.tuple_items(subject.at, printer.limits.items)?;
    let named: Vec<_> = names.into_iter().zip(items).collect();
    printer.within("(…)", |printer| {
        let items = printer.join(&named, length, |printer, &(name, item)| {
            let name = printer.python.name_string(name).unwrap_or_else(|| "?".to_string());
            format!("{name}={}", printer.named(&name, item))
        });
        Some(format!("{}({items})", subject.info.name))
    })
}
