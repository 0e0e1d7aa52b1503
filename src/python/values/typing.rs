//! Types with arguments.

use super::super::object::type_flags;
use super::printer::{Printer, Subject};
use crate::addr::Addr;
use crate::source::MemoryExt;

/// `list[int]` (Objects/genericaliasobject.c, `ga_repr`).
pub fn generic_alias(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let offsets = &python.layout.offsets.generic_alias;
    let origin = python.read_or_null(offsets.origin.of(subject.at));
    let args = python.read_or_null(offsets.args.of(subject.at));
    let is_starred = python.memory.read_u8(offsets.starred.of(subject.at)).unwrap_or(0) != 0;
    let star = if is_starred { "*" } else { "" };
    let length = python.size_of(args)?;
    let args = python.tuple_items(args, printer.limits.items)?;
    printer.within("…", |printer| {
        let origin = argument(printer, origin);
        let args = match length {
            0 => "()".to_string(),
            length => printer.join(&args, length, |printer, &arg| argument(printer, arg)),
        };
        Some(format!("{star}{origin}[{args}]"))
    })
}

/// `int | str` (Objects/unionobject.c, `union_repr`).
pub fn union(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let args = python.read_or_null(python.layout.offsets.union_type.args.of(subject.at));
    let args = python.tuple_items(args, printer.limits.items)?;
    printer.within("…", |printer| {
        let args: Vec<String> = args.iter().map(|&arg| argument(printer, arg)).collect();
        Some(args.join(" | "))
    })
}

/// Classes by their name alone (Objects/typevarobject.c, `_Py_typing_type_repr`).
fn argument(printer: &mut Printer<'_, '_>, object: Addr) -> String {
    let python = printer.python;
    let Some(info) = python.type_of(object) else {
        return printer.repr(object);
    };
    if info.is_builtin("ellipsis") {
        return "...".to_string();
    }
    if info.is_builtin("list") {
        return list_argument(printer, object).unwrap_or_else(|| printer.repr(object));
    }
    match python.type_info(object).filter(|_| info.has(type_flags::TYPE)) {
        Some(class) if class.is_builtin("NoneType") => "None".to_string(),
        Some(class) => class.full_name.clone(),
        None => printer.repr(object),
    }
}

/// The parameters of a callable: `[int, str]`.
fn list_argument(printer: &mut Printer<'_, '_>, list: Addr) -> Option<String> {
    let python = printer.python;
    let length = python.size_of(list)?;
    let items = python.read_or_null(python.layout.offsets.list.items.of(list));
    let items = match length.min(printer.limits.items) {
        0 => Vec::new(),
        count => python.pointers(items, count)?,
    };
    printer.within("[…]", |printer| {
        let items = printer.join(&items, length, |printer, &item| argument(printer, item));
        Some(format!("[{items}]"))
    })
}
