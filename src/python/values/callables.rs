//! Functions, methods and descriptors.

use super::super::Python;
use super::printer::{Printer, Subject};
use crate::addr::Addr;
use crate::layout::{ObjectDescriptors, TypeNames};
use crate::source::MemoryExt;

/// The longest name of a function written in C.
const MAX_C_NAME: usize = 256;

/// `<function Basket.total at 0x…>` (Objects/funcobject.c, `func_repr`).
pub fn function(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let name = printer.python.function_name(subject.at)?;
    Some(format!("<function {name} at {}>", subject.at))
}

/// `<bound method Basket.total of <…>>` (Objects/classobject.c, `method_repr`).
pub fn bound_method(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let offsets = &python.layout.offsets.method;
    let function = python.read_or_null(offsets.function.of(subject.at));
    let instance = python.memory.read_addr(offsets.instance.of(subject.at)).ok()?;
    let info = python.type_of(function)?;
    let name = match info.full_name.as_str() {
        "function" => python.function_name(function)?,
        "builtin_function_or_method" => python.builtin_name(function)?,
        // `__qualname__` of anything else may be computed.
        _ => "?".to_string(),
    };
    printer.within(&format!("<bound method {name} of …>"), |printer| {
        Some(format!("<bound method {name} of {}>", printer.repr(instance)))
    })
}

/// `<built-in function len>`, `<built-in method append of list object at 0x…>` (Objects/methodobject.c, `meth_repr`).
pub fn builtin(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let name = python.builtin_name(subject.at)?;
    let owner = python.read_or_null(python.layout.offsets.builtin.owner.of(subject.at));
    Some(match python.type_of(owner) {
        Some(info) if !info.is_builtin("module") => {
            format!("<built-in method {name} of {} object at {owner}>", info.tp_name)
        }
        _ => format!("<built-in function {name}>"),
    })
}

/// `<method-wrapper '__call__' of function object at 0x…>` (Objects/descrobject.c, `wrapper_repr`).
pub fn method_wrapper(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let offsets = &python.layout.offsets.wrapper;
    let descriptor = python.read_or_null(offsets.descriptor.of(subject.at));
    let instance = python.read_or_null(offsets.instance.of(subject.at));
    let name = python.descriptor_name(descriptor)?;
    let owner = python.type_of(instance)?;
    Some(format!(
        "<method-wrapper '{name}' of {} object at {instance}>",
        owner.tp_name
    ))
}

/// `<slot wrapper '__add__' of 'int' objects>`.
pub fn slot_wrapper(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    descriptor(printer, subject, "slot wrapper")
}

/// `<method 'append' of 'list' objects>`.
pub fn method_descriptor(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    descriptor(printer, subject, "method")
}

/// `<member 'x' of 'Point' objects>`.
pub fn member_descriptor(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    descriptor(printer, subject, "member")
}

/// `<attribute '__dict__' of 'Point' objects>`.
pub fn getset_descriptor(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    descriptor(printer, subject, "attribute")
}

/// Objects/descrobject.c, `descr_repr`.
fn descriptor(printer: &Printer<'_, '_>, subject: Subject<'_>, kind: &str) -> Option<String> {
    let python = printer.python;
    let name = python.descriptor_name(subject.at)?;
    let of_type = python.read_or_null(python.layout.offsets.descriptor.of_type.of(subject.at));
    let of_type = python.type_info(of_type)?;
    if of_type.is_builtin("object") && python.layout.behaviour.object_descriptors == ObjectDescriptors::Unnamed {
        return Some(format!("<{kind} '{name}'>"));
    }
    Some(format!("<{kind} '{name}' of '{}' objects>", of_type.tp_name))
}

/// `<classmethod(<function f at 0x…>)>` (3.10+; Objects/funcobject.c, `cm_repr`).
pub fn class_method(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let callable = printer.python.layout.offsets.class_method.callable.of(subject.at);
    let callable = printer.python.read_or_null(callable);
    printer.within("<classmethod(…)>", |printer| {
        Some(format!("<classmethod({})>", printer.repr(callable)))
    })
}

/// `<staticmethod(<function f at 0x…>)>`, likewise.
pub fn static_method(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let callable = printer.python.layout.offsets.static_method.callable.of(subject.at);
    let callable = printer.python.read_or_null(callable);
    printer.within("<staticmethod(…)>", |printer| {
        Some(format!("<staticmethod({})>", printer.repr(callable)))
    })
}

/// `functools.partial(<function f at 0x…>, 1, x=2)` (Modules/_functoolsmodule.c, `partial_repr`).
pub fn partial(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let offsets = &python.layout.offsets.partial;
    let [function, args, keywords] =
        [offsets.function, offsets.args, offsets.keywords].map(|field| python.read_or_null(field.of(subject.at)));
    let name = match python.layout.behaviour.type_names {
        TypeNames::Short => &subject.info.tp_name,
        TypeNames::Full => &subject.info.full_name,
    };
    printer.once(subject.at, "...", &format!("{name}(…)"), |printer| {
        let mut parts = vec![printer.repr(function)];
        let count = python.size_of(args)?;
        let args = python.tuple_items(args, printer.limits.items)?;
        if count > 0 {
            parts.push(printer.items(&args, count));
        }
        let count = python.dict_len(keywords)?;
        let keywords = python.dict_items(keywords, printer.limits.items)?;
        if count > 0 {
            parts.push(printer.join(&keywords, count, |printer, &(key, value)| {
                let key = python.name_string(key).unwrap_or_else(|| printer.repr(key));
                format!("{key}={}", printer.named(&key, value))
            }));
        }
        Some(format!("{name}({})", parts.join(", ")))
    })
}

impl Python<'_> {
    /// `__qualname__` of a Python function.
    pub(in super::super) fn function_name(&self, object: Addr) -> Option<String> {
        let qualname = self.layout.offsets.function.qualname.of(object);
        self.name_string(self.read_or_null(qualname))
    }

    /// `ml_name` of a function written in C.
    fn builtin_name(&self, object: Addr) -> Option<String> {
        let offsets = &self.layout.offsets;
        let definition = self.read_or_null(offsets.builtin.definition.of(object));
        let name = self.read_or_null(offsets.method_def.name.of(definition));
        String::from_utf8(self.memory.read_c_string(name, MAX_C_NAME).ok()?).ok()
    }

    fn descriptor_name(&self, descriptor: Addr) -> Option<String> {
        let name = self.layout.offsets.descriptor.name.of(descriptor);
        self.name_string(self.read_or_null(name))
    }
}
