//! Which variable or field a null pointer is.
//!
//! The faulting instruction names the register of the address. Debug information says which variable is in that
//! register, or else the code before the instruction says where the register was loaded from, and debug information
//! which variable or field lies there.

use super::Scene;
use super::scene::function;
use crate::addr::{Addr, AddrRange};
use crate::machine::{Lines, Source};
use crate::report::model::NativeFrame;
use crate::source::variables::{Form, Member, NativeType, NativeVariable, Place, RecordedVariables};
use crate::source::{MemoryExt, Registers};
use crate::triage::Origin;

/// Where a null pointer is from.
pub(super) struct NullPointer {
    /// For example: the argument `counter` of crashext_add.
    pub origin: String,
    /// The field of it that was accessed: its name and its structure's.
    pub field: Option<(String, String)>,
}

/// The pointer of the access that faulted; `None` where it is not null, or nothing tells which one it is.
pub(super) fn find(scene: &Scene<'_>) -> Option<NullPointer> {
    let registers = scene.registers?;
    let register = null_register(scene)?;
    let pc = registers.pc();
    let frame = scene
        .variables
        .iter()
        .filter(|frame| frame.pc == pc)
        .min_by_key(|frame| frame.cfa)?;
    // As many functions as frames at this place, unless they come from different files.
    let natives: Vec<&NativeFrame> = scene
        .natives()
        .into_iter()
        .filter(|frame| frame.address == Some(pc.into()))
        .collect();
    let skipped = natives.len().saturating_sub(frame.functions.len());
    let level = |index: usize| {
        natives
            .get(index + skipped)
            .map(|frame| function(frame))
            .unwrap_or_default()
    };
    let in_register = |variable: &&NativeVariable| variable.register.map(usize::from) == Some(register);
    for (index, variables) in frame.functions.iter().enumerate() {
        if let Some(variable) = variables.iter().find(in_register) {
            return Some(named(scene, variable, &level(index)));
        }
    }
    let Source::Memory(at) = source(scene, frame, registers, register)? else {
        return None;
    };
    // What it was loaded from may have changed since.
    if scene.target.memory().read_u64(at) != Ok(0) {
        return None;
    }
    for (index, variables) in frame.functions.iter().enumerate() {
        if let Some(variable) = variables.iter().find(|variable| variable.place == Place::Memory(at)) {
            return Some(named(scene, variable, &level(index)));
        }
        let mut fields = variables.iter().filter_map(|variable| field(scene, variable, at));
        if let Some(path) = fields.next() {
            return Some(NullPointer {
                origin: format!("`{path}` in {}", level(index)),
                field: None,
            });
        }
    }
    None
}

/// Of a function of the C library: which of its arguments is null. They work on these in place.
pub(super) fn library_argument(scene: &Scene<'_>) -> Option<String> {
    let natives = scene.natives();
    let frame = natives
        .first()
        .filter(|frame| matches!(scene.origin(frame), Origin::Libc))?;
    let name = function(frame);
    let order = match Registers::NAMES.get(null_register(scene)?) {
        Some(&"rdi") => "first",
        Some(&"rsi") => "second",
        _ => return None,
    };
    (!name.is_empty()).then(|| format!("the {order} argument of {name} is null"))
}

/// The only register of the address, where it is 0.
fn null_register(scene: &Scene<'_>) -> Option<usize> {
    scene.access()?;
    let [register] = scene.instruction()?.registers.as_slice() else {
        return None;
    };
    let number = Registers::NAMES.iter().position(|name| *name == register.name)?;
    (register.value.0 == 0).then_some(number)
}

fn source(scene: &Scene<'_>, frame: &RecordedVariables, registers: &Registers, register: usize) -> Option<Source> {
    let (start, len) = frame.code?;
    let memory = scene.target.memory();
    let lines = Lines::of_function(memory, AddrRange::new(start, len), registers.pc())?;
    lines.source(memory, registers, register)
}

fn named(scene: &Scene<'_>, variable: &NativeVariable, function: &str) -> NullPointer {
    let kind = if variable.is_argument { "argument" } else { "variable" };
    let offset = scene.address().unwrap_or_default().0;
    let field = match &variable.kind.form {
        Form::Pointer(Some(target)) => {
            member_at(target, offset).map(|member| (member.name.clone(), target.name.clone()))
        }
        _ => None,
    };
    NullPointer {
        origin: format!("the {kind} `{}` of {function}", variable.name),
        field: field.filter(|(name, _)| !name.is_empty()),
    }
}

/// The field of a variable, or of what it points to, that lies at an address: `list->next`, `pair.second`.
fn field(scene: &Scene<'_>, variable: &NativeVariable, at: Addr) -> Option<String> {
    let word = || match &variable.place {
        Place::Memory(place) => scene.target.memory().read_u64(*place).ok(),
        Place::Bytes(bytes) => bytes.first_chunk().map(|word| u64::from_le_bytes(*word)),
        Place::Nowhere | Place::Redacted => None,
    };
    let (start, kind, operator) = match (&variable.kind.form, &variable.place) {
        (Form::Pointer(Some(target)), _) => (Addr(word()?), &**target, "->"),
        (Form::Struct(_), Place::Memory(place)) => (*place, &variable.kind, "."),
        _ => return None,
    };
    let offset = at.0.checked_sub(start.0)?;
    let member = member_at(kind, offset)?;
    (!member.name.is_empty()).then(|| format!("{}{operator}{}", variable.name, member.name))
}

fn member_at(kind: &NativeType, offset: u64) -> Option<&Member> {
    let Form::Struct(members) = &kind.form else {
        return None;
    };
    members
        .iter()
        .find(|member| member.offset == offset && member.bits.is_none())
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;
    use crate::report::model::AccessKind;

    const CODE: u64 = 0x1000;
    const PC: u64 = CODE + 8;

    /// push rbp; mov rbp, rsp; mov rax, [rbp-0x18]; mov rdx, [rax+0x10]
    fn stage(place: Place, register: Option<u16>) -> Stage {
        let member = |name: &str, offset| Member {
            name: name.to_string(),
            offset,
            bits: None,
            kind: NativeType::default(),
        };
        let target = NativeType {
            name: "struct counter".to_string(),
            size: 24,
            form: Form::Struct(vec![member("next", 8), member("value", 16)]),
        };
        let variable = NativeVariable {
            name: "counter".to_string(),
            is_argument: true,
            kind: NativeType {
                form: Form::Pointer(Some(Box::new(target))),
                ..NativeType::default()
            },
            place,
            register,
        };
        let mut stage = Stage::new(libc::SIGSEGV, 1, 0x10)
            .stack(&["add@/x/fast.so"])
            .at_pc(PC)
            .access("mov rdx, [rax+0x10]", AccessKind::Read, 0x10)
            .operand("rax", 0)
            .register(Registers::RIP, PC)
            .register(Registers::RBP, 0x7018)
            .bytes(CODE, b"\x55\x48\x89\xe5\x48\x8b\x45\xe8\x48\x8b\x50\x10")
            .bytes(0x7000, &[0; 8]);
        stage.variables = vec![RecordedVariables {
            pc: Addr(PC),
            code: Some((Addr(CODE), 12)),
            functions: vec![vec![variable]],
            ..RecordedVariables::default()
        }];
        stage
    }

    fn found(stage: &Stage) -> Option<(String, Option<(String, String)>)> {
        find(&stage.scene()).map(|found| (found.origin, found.field))
    }

    #[test]
    fn by_register_and_by_where_it_was_loaded_from() {
        let field = Some(("value".to_string(), "struct counter".to_string()));
        let argument = Some(("the argument `counter` of add".to_string(), field));
        assert_eq!(found(&stage(Place::Bytes(vec![0; 8]), Some(0))), argument);
        assert_eq!(found(&stage(Place::Memory(Addr(0x7000)), None)), argument);
        // Another variable, and none in the register.
        assert_eq!(found(&stage(Place::Memory(Addr(0x7100)), Some(3))), None);
        let next = stage(Place::Bytes((0x7000_u64 - 8).to_le_bytes().to_vec()), None);
        assert_eq!(found(&next), Some(("`counter->next` in add".to_string(), None)));
    }
}
