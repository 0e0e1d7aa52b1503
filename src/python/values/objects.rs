//! What a program consists of: types, code, frames, cells, generators, weak references.

use super::super::object::{TypeInfo, type_flags};
use super::printer::{Printer, Subject};
use crate::addr::Addr;
use crate::layout::{Instruction, LocalSlots, TypeNames};
use crate::source::MemoryExt;

/// `<class 'module.Class'>` (Objects/typeobject.c, `type_repr`).
pub fn class(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let class = printer.python.type_info(subject.at)?;
    Some(format!("<class '{}'>", class.full_name))
}

/// `<code object f at 0x…, file "m.py", line 1>` (Objects/codeobject.c, `code_repr`).
pub fn code(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let code = printer.python.code(subject.at)?;
    let line = match code.first_line {
        0 => -1,
        line => i64::from(line),
    };
    Some(format!(
        "<code object {} at {}, file \"{}\", line {line}>",
        code.name, subject.at, code.filename
    ))
}

/// `<frame at 0x…, file 'm.py', line 3, code f>` (Objects/frameobject.c, `frame_repr`).
pub fn frame(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let offsets = &python.layout.offsets;
    let (code, lasti) = match python.layout.behaviour.local_slots {
        LocalSlots::NamesCellsFree => {
            let code = python.code(python.read_or_null(offsets.frame_object.f_code.of(subject.at)))?;
            let lasti = python
                .memory
                .read_i32(offsets.frame_object.f_lasti.of(subject.at))
                .ok()?;
            let unit = match python.layout.behaviour.instruction {
                Instruction::UnitOffset => 2,
                _ => 1,
            };
            (code, lasti.saturating_mul(unit))
        }
        LocalSlots::LocalsPlus => {
            let frame = python.read_or_null(offsets.frame_object.f_frame.of(subject.at));
            let code = python.read_stack_ref(offsets.frame.executable.of(frame)).ok()?;
            let code = python.code(code)?;
            let pointer = python.read_or_null(offsets.frame.instruction.of(frame));
            let lasti = pointer.0.wrapping_sub(code.instructions.0) as i64;
            (code, i32::try_from(lasti).unwrap_or(-1))
        }
    };
    // What a tracer set counts first; up to 3.9 the field holds the first line otherwise.
    let traced = python.memory.read_i32(offsets.frame_object.f_lineno.of(subject.at));
    let is_stated = python.layout.behaviour.instruction != Instruction::ByteOffset;
    let traced = traced.ok().filter(|&line| line > 0 && is_stated);
    let line = match traced {
        Some(line) => line,
        None => code.position(python, lasti).map_or(-1, |position| position.line as i32),
    };
    let file = super::super::text::str_repr(&code.filename.chars().map(u32::from).collect::<Vec<_>>());
    Some(format!(
        "<frame at {}, file {file}, line {line}, code {}>",
        subject.at, code.name
    ))
}

/// `<cell at 0x…: int object at 0x…>` (Objects/cellobject.c, `cell_repr`).
pub fn cell(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let contents = printer.python.layout.offsets.cell.contents.of(subject.at);
    let contents = printer.python.memory.read_addr(contents).ok()?;
    if contents.is_null() {
        return Some(format!("<cell at {}: empty>", subject.at));
    }
    let info = printer.python.type_of(contents)?;
    Some(format!(
        "<cell at {}: {} object at {contents}>",
        subject.at, info.tp_name
    ))
}

/// `<generator object walk at 0x…>`; coroutines and asynchronous generators have the same fields (Objects/genobject.c,
/// `gen_repr`).
pub fn generator(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let qualname = printer.python.layout.offsets.generator.qualname.of(subject.at);
    let name = printer.python.name_string(printer.python.read_or_null(qualname))?;
    Some(format!("<{} object {name} at {}>", subject.base.name, subject.at))
}

/// `<weakref at 0x…; to 'C' at 0x…>` (Objects/weakrefobject.c, `weakref_repr`).
pub fn weakref(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let Some((object, info)) = referent(printer, subject)? else {
        return Some(format!("<weakref at {}; dead>", subject.at));
    };
    // `__name__` is looked up in the type; a property of that name would have to be run.
    let name = match () {
        _ if info.has(type_flags::TYPE) => printer.python.type_info(object).map(|class| class.name.clone()),
        _ if info.is_builtin("function") => {
            let name = printer.python.layout.offsets.function.name.of(object);
            printer.python.name_string(printer.python.read_or_null(name))
        }
        _ => None,
    };
    let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
    let type_name = referent_name(printer, &info);
    Some(format!(
        "<weakref at {}; to '{type_name}' at {object}{name}>",
        subject.at
    ))
}

/// `<weakproxy at 0x…; to 'C' at 0x…>` (Objects/weakrefobject.c, `proxy_repr`).
pub fn weakproxy(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let referent = referent(printer, subject)?;
    Some(match (referent, python.layout.behaviour.type_names) {
        (None, TypeNames::Full) => format!("<weakproxy at {}; dead>", subject.at),
        (Some((object, info)), TypeNames::Full) => {
            let type_name = referent_name(printer, &info);
            format!("<weakproxy at {}; to '{type_name}' at {object}>", subject.at)
        }
        (Some((object, info)), TypeNames::Short) => {
            format!("<weakproxy at {} to {} at {object}>", subject.at, info.tp_name)
        }
        // What is gone has become None.
        (None, TypeNames::Short) => {
            let none = python.read_or_null(python.layout.offsets.weak_reference.object.of(subject.at));
            format!("<weakproxy at {} to NoneType at {none}>", subject.at)
        }
    })
}

type Referent = (Addr, std::rc::Rc<TypeInfo>);

/// What a weak reference refers to: None or null once that is gone.
fn referent(printer: &Printer<'_, '_>, subject: Subject<'_>) -> Option<Option<Referent>> {
    let python = printer.python;
    let object = python.layout.offsets.weak_reference.object.of(subject.at);
    let object = python.memory.read_addr(object).ok()?;
    if object.is_null() {
        return Some(None);
    }
    let info = python.type_of(object)?;
    Some((!info.is_builtin("NoneType")).then_some((object, info)))
}

fn referent_name(printer: &Printer<'_, '_>, info: &TypeInfo) -> String {
    match printer.python.layout.behaviour.type_names {
        TypeNames::Short => info.tp_name.clone(),
        // PyType_GetFullyQualifiedName leaves out the main module, too.
        TypeNames::Full => info
            .full_name
            .strip_prefix("__main__.")
            .unwrap_or(&info.full_name)
            .to_string(),
    }
}
