//! Classes whose `repr` lists their attributes.

use std::rc::Rc;

use super::super::Python;
use super::super::object::TypeInfo;
use super::printer::{Printer, Subject};
use super::table::{self, PythonRow};
use crate::addr::Addr;
use crate::layout::NamespaceOrder;

/// The most fields of a dataclass.
const MAX_FIELDS: u64 = 256;

/// A `__repr__` that the standard library generates for a class: those of named tuples and dataclasses.
pub fn generated(python: &Python<'_>, class: &TypeInfo, method: Addr) -> Option<&'static PythonRow> {
    let code = python.code(python.read_or_null(python.layout.offsets.function.code.of(method)))?;
    let is_of = |file: &str| code.filename.ends_with(file);
    if code.name == "__repr__" && is_of("collections/__init__.py") {
        return python.class_attribute(class, "_fields").map(|_| &table::NAMEDTUPLE);
    }
    if code.name == "wrapper" && (is_of("dataclasses.py") || is_of("reprlib.py")) {
        let parameters = python.class_attribute(class, "__dataclass_params__")?;
        let info = python.type_of(parameters)?;
        let repr = python.attribute(parameters, &info, "repr")?;
        return (python.int_repr(repr)? == "1").then_some(&table::DATACLASS);
    }
    None
}

/// `Point(x=1, y=2)` (Lib/dataclasses.py, `_repr_fn`).
pub fn dataclass(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    // The fields of the class that has the `__repr__`, which a derived class without the decorator inherits.
    let order = python.resolution_order(subject.info);
    let class = order
        .iter()
        .find(|class| python.class_attribute(class, "__repr__").is_some())?;
    let fields = python.class_attribute(class, "__dataclass_fields__")?;
    let fields = python.dict_items(fields, MAX_FIELDS)?;
    let mut shown = Vec::new();
    for (name, field) in fields {
        let name = python.name_string(name)?;
        let info = python.type_of(field)?;
        let of_field = |name| python.attribute(field, &info, name);
        let kind = of_field("_field_type")?;
        let kind_info = python.type_of(kind)?;
        // Pseudo-fields (ClassVar, InitVar) have other kinds.
        let kind = python.name_string(python.attribute(kind, &kind_info, "name")?)?;
        let is_shown = python.int_repr(of_field("repr")?)? == "1";
        if kind == "_FIELD" && is_shown {
            let value = python
                .attribute(subject.at, subject.info, &name)
                .or_else(|| python.inherited_attribute(subject.info, &name))?;
            shown.push((name, value));
        }
    }
    let qualname = &subject.info.qualname;
    printer.once(subject.at, "...", &format!("{qualname}(…)"), |printer| {
        let fields = printer.join(&shown, shown.len() as u64, |printer, (name, value)| {
            format!("{name}={}", printer.named(name, *value))
        });
        Some(format!("{qualname}({fields})"))
    })
}

/// `namespace(a=1)` (Objects/namespaceobject.c, `namespace_repr`).
pub fn namespace(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let is_exact = Rc::ptr_eq(
        &python.type_info(subject.info.address)?,
        &python.type_info(subject.base.address)?,
    );
    let name = if is_exact { "namespace" } else { &subject.info.tp_name };
    let dict = python.dict_at_offset(subject.at, subject.base);
    let length = python.dict_len(dict)?;
    let mut named = Vec::new();
    for (key, value) in python.dict_items(dict, printer.limits.items)? {
        named.push((python.name_string(key)?, value));
    }
    if python.layout.behaviour.namespace_order == NamespaceOrder::Sorted {
        named.sort_by(|a, b| a.0.cmp(&b.0));
    }
    printer.once(subject.at, &format!("{name}(...)"), &format!("{name}(…)"), |printer| {
        let items = printer.join(&named, length, |printer, (key, value)| {
            format!("{key}={}", printer.named(key, *value))
        });
        Some(format!("{name}({items})"))
    })
}
