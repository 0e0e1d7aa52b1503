//! What shows the contents of a dict.

use super::collections;
use super::printer::{Printer, Subject};
use crate::addr::Addr;

/// `mappingproxy.__repr__` (Objects/descrobject.c).
pub fn mappingproxy(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let mapping = printer.python.layout.offsets.mapping_proxy.mapping.of(subject.at);
    let mapping = printer.python.read_or_null(mapping);
    printer.within("mappingproxy(…)", |printer| {
        Some(format!("mappingproxy({})", printer.repr(mapping)))
    })
}

/// `dict_keys([…])`.
pub fn dict_keys(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    view(printer, subject, |printer, (key, _)| printer.repr(key))
}

/// `dict_values([…])`.
pub fn dict_values(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    view(printer, subject, |printer, (key, value)| {
        printer.python.redact_keyed(key, value);
        printer.repr(value)
    })
}

/// `dict_items([…])`.
pub fn dict_items(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    view(printer, subject, |printer, (key, value)| {
        let (key, value) = printer.pair(key, value);
        format!("({key}, {value})")
    })
}

/// Objects/dictobject.c, `dictview_repr`.
fn view(
    printer: &mut Printer<'_, '_>,
    subject: Subject<'_>,
    print: impl Fn(&mut Printer<'_, '_>, (Addr, Addr)) -> String,
) -> Option<String> {
    let name = &subject.info.tp_name;
    let dict = printer.python.layout.offsets.dict_view.dict.of(subject.at);
    let dict = printer.python.read_or_null(dict);
    printer.once(subject.at, "...", &format!("{name}([…])"), |printer| {
        let length = printer.python.dict_len(dict)?;
        let items = collections::mapping_items(printer, dict)?;
        let items = printer.join(&items, length, |printer, &item| print(printer, item));
        Some(format!("{name}([{items}])"))
    })
}
