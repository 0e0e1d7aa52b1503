//! Exceptions.

use super::containers;
use super::printer::{Printer, Subject};
use crate::addr::Addr;

/// `BaseException.__repr__` (Objects/exceptions.c).
pub fn exception(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let args = printer.python.layout.offsets.exception.args.of(subject.at);
    let args = printer.python.read_or_null(args);
    let name = &subject.info.name;
    if printer.python.size_of(args)? == 1 {
        let only = *printer.python.tuple_items(args, 1)?.first()?;
        return printer.within(&format!("{name}(…)"), |printer| {
            Some(format!("{name}({})", printer.repr(only)))
        });
    }
    Some(format!("{name}{}", containers::tuple_at(printer, args)?))
}

/// `ImportError.__repr__` (3.15+): with the name and path of the module.
pub fn import_error(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let offsets = &printer.python.layout.offsets.import_error;
    let fields = [("name", offsets.name), ("path", offsets.path)];
    let mut text = exception(printer, subject)?;
    for (name, field) in fields {
        let value = printer.python.read_or_null(field.of(subject.at));
        if !value.is_null() {
            text.pop();
            let comma = if text.ends_with('(') { "" } else { ", " };
            text.push_str(&format!("{comma}{name}={})", printer.repr(value)));
        }
    }
    Some(text)
}

/// `BaseExceptionGroup.__repr__` (3.14+): the exceptions it holds, in the form in which it got them.
pub fn group(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let offsets = &printer.python.layout.offsets;
    let read = |at: Addr| printer.python.read_or_null(at);
    let message = read(offsets.exception_group.msg.of(subject.at));
    let exceptions = read(offsets.exception_group.exceptions.of(subject.at));
    let text = read(offsets.exception_group.exceptions_text.of(subject.at));
    let args = read(offsets.exception.args.of(subject.at));
    let given = printer.python.tuple_items(args, 2)?;
    let is_list = |&given: &Addr| {
        let info = printer.python.type_of(given);
        info.is_some_and(|info| info.has(super::type_flags::LIST))
    };
    let was_list = given.get(1).is_some_and(is_list);
    let message = printer.repr(message);
    let exceptions = if !text.is_null() {
        printer.python.name_string(text)?
    } else if was_list {
        let items = printer.python.tuple_items(exceptions, printer.limits.items)?;
        let length = printer.python.size_of(exceptions)?;
        printer.within("[…]", |printer| Some(format!("[{}]", printer.items(&items, length))))?
    } else {
        printer.repr(exceptions)
    };
    Some(format!("{}({message}, {exceptions})", subject.info.name))
}
