//! The instructions of a code object around the current one.

use super::values::Limits;
use super::{Code, Python, SlotKind};
use crate::addr::Addr;
use crate::layout::{Argument, Opcode, opcode};
use crate::source::MemoryExt;
use crate::source::streams::PythonStep;

/// The most bytes of code that are decoded to find where instructions begin.
const MAX_CODE: u64 = 16 * 1024;
/// The most constants and names of one code object.
const MAX_ITEMS: u64 = 4096;
/// How many instructions before and after the current one.
const BEFORE: usize = 8;
const AFTER: usize = 4;

/// What `sys.monitoring` puts in the place of an instruction, whichever it is (3.12+).
const LINE: &str = "INSTRUMENTED_LINE";
const INSTRUCTION: &str = "INSTRUMENTED_INSTRUCTION";
/// What stands for another instruction: these, and the code that was made of a loop (3.13+).
const REPLACEMENTS: [&str; 3] = [LINE, INSTRUCTION, "ENTER_EXECUTOR"];

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytecode {
    /// Where it is in the code, in bytes.
    pub offset: u32,
    /// Its name, as it is executed: specialised and instrumented forms have their own. Of one that a tool has put in the
    /// place of another, that stands in brackets: `INSTRUMENTED_LINE(LOAD_GLOBAL)`.
    pub name: String,
    /// Its argument.
    pub argument: Option<u32>,
    /// What that stands for: a name, a constant, the target of a jump.
    pub meaning: Option<String>,
    /// It is the one that is being executed.
    pub is_current: bool,
}

/// One decoded instruction.
struct Decoded {
    offset: u32,
    end: u32,
    /// The instruction, and what was put in its place.
    opcode: Option<Opcode>,
    replaced_by: Option<&'static str>,
    number: u8,
    argument: u32,
}

/// The instructions of a code object, as they are executed; none where they cannot be read.
pub struct Instructions(Vec<Decoded>);

impl Instructions {
    /// The instrumented ones (PEP 669, 3.12+), each name once: what `sys.monitoring`, a tracer or a profiler has put there.
    pub fn instrumented(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let of = |instruction: &Decoded| [instruction.replaced_by, instruction.opcode.map(|opcode| opcode.name)];
        for name in self.0.iter().flat_map(of).flatten() {
            if name.starts_with("INSTRUMENTED_") && names.iter().all(|known| known != name) {
                names.push(name.to_string());
            }
        }
        names
    }
}

impl Python<'_> {
    /// The instructions of a code object.
    pub fn instructions(&self, code: &Code) -> Instructions {
        Instructions(self.decode(code).unwrap_or_default())
    }

    /// Those around the one that a frame stands at; empty where that is not in the code.
    pub fn bytecode(
        &self,
        step: &PythonStep,
        code: &Code,
        Instructions(instructions): &Instructions,
        limits: &mut Limits,
    ) -> Vec<Bytecode> {
        let Ok(current) = u32::try_from(step.lasti) else {
            return Vec::new();
        };
        // From a call that runs in the same loop, 3.11 and 3.12 go on at the last of its caches.
        let behind = instructions.partition_point(|instruction| instruction.offset <= current);
        let Some(index) = behind.checked_sub(1).filter(|&index| {
            let instruction = instructions.get(index);
            instruction.is_some_and(|instruction| current < instruction.end)
        }) else {
            return Vec::new();
        };
        let items = |tuple: crate::layout::Offset| {
            let tuple = self.read_or_null(tuple.of(code.address));
            self.tuple_items(tuple, MAX_ITEMS).unwrap_or_default()
        };
        let (consts, names) = (
            items(self.layout.offsets.code.consts),
            items(self.layout.offsets.code.names),
        );
        let shown = instructions.iter().skip(index.saturating_sub(BEFORE));
        shown
            .take(index.min(BEFORE) + 1 + AFTER)
            .map(|instruction| Bytecode {
                offset: instruction.offset,
                name: match (instruction.replaced_by, instruction.opcode) {
                    (Some(by), Some(opcode)) => format!("{by}({})", opcode.name),
                    (Some(by), None) => by.to_string(),
                    (None, Some(opcode)) => opcode.name.to_string(),
                    (None, None) => format!("<{}>", instruction.number),
                },
                argument: instruction
                    .opcode
                    .is_none_or(|opcode| opcode.argument != Argument::None)
                    .then_some(instruction.argument),
                meaning: self.meaning(instruction, code, &consts, &names, limits),
                is_current: (instruction.offset..instruction.end).contains(&current),
            })
            .collect()
    }

    fn decode(&self, code: &Code) -> Option<Vec<Decoded>> {
        let offsets = &self.layout.offsets;
        let len = match offsets.code.code_adaptive.is_present() {
            // Its size counts code units of two bytes.
            true => self
                .memory
                .read_u64(offsets.var_object.ob_size.of(code.address))
                .ok()?
                .checked_mul(2)?,
            false => {
                let bytes = self.read_or_null(offsets.code.bytecode.of(code.address));
                self.memory.read_u64(offsets.var_object.ob_size.of(bytes)).ok()?
            }
        };
        let bytes = self
            .memory
            .read_vec(code.instructions, len.min(MAX_CODE) as usize)
            .ok()?;
        let mut found = Vec::new();
        let mut at = 0;
        let mut extended = 0u32;
        while let Some([number, argument]) = bytes.get(at..).and_then(|rest| rest.first_chunk::<2>()) {
            let mut opcode = opcode(self.layout.version, *number);
            let mut replaced_by = None;
            if let Some(by) = opcode.filter(|opcode| REPLACEMENTS.contains(&opcode.name)) {
                replaced_by = Some(by.name);
                opcode = self.original(code.address, at as u64 / 2, by);
            }
            let argument = extended << 8 | u32::from(*argument);
            extended = match opcode {
                Some(opcode) if opcode.name == "EXTENDED_ARG" => argument,
                _ => 0,
            };
            let end = at + 2 + 2 * opcode.map_or(0, |opcode| usize::from(opcode.caches));
            found.push(Decoded {
                offset: at as u32,
                end: end as u32,
                opcode,
                replaced_by,
                number: *number,
                argument,
            });
            // How many caches are behind it only the original tells.
            if replaced_by.is_some() && opcode.is_none() {
                break;
            }
            at = end;
        }
        Some(found)
    }

    /// The instruction at an index in the code that was replaced (`_Py_GetBaseCodeUnit`, Python/instrumentation.c).
    fn original(&self, code: Addr, index: u64, by: Opcode) -> Option<Opcode> {
        let offsets = &self.layout.offsets;
        let monitoring = self.read_or_null(offsets.code.monitoring.of(code));
        let byte = |at: Addr| self.memory.read_array::<1>(at).map(|[byte]| byte).ok();
        let mut name = by.name;
        let mut found = None;
        if name == LINE {
            let lines = self.read_or_null(offsets.code_monitoring.lines.of(monitoring));
            let entry = &offsets.line_instrumentation;
            let number = match entry.original_opcode.is_present() {
                true => byte(entry.original_opcode.of(lines).add(index * entry.size.bytes()?))?,
                false => {
                    let size = byte(entry.bytes_per_entry.of(lines))?;
                    byte(entry.data.of(lines).add(index * u64::from(size)))?
                }
            };
            found = opcode(self.layout.version, number);
            name = found?.name;
        }
        if name == INSTRUCTION {
            let opcodes = self.read_or_null(offsets.code_monitoring.per_instruction_opcodes.of(monitoring));
            found = opcode(self.layout.version, byte(opcodes.add(index))?);
        }
        found.filter(|opcode| !REPLACEMENTS.contains(&opcode.name))
    }

    fn meaning(
        &self,
        instruction: &Decoded,
        code: &Code,
        consts: &[Addr],
        names: &[Addr],
        limits: &mut Limits,
    ) -> Option<String> {
        let argument = instruction.argument;
        let slot = |index: u32| code.slots.get(index as usize).map(|slot| slot.name.clone());
        let distance = |unit: u8| argument.checked_mul(u32::from(unit));
        let target = match instruction.opcode?.argument {
            Argument::None | Argument::Number => return None,
            Argument::Const => return Some(self.value(*consts.get(argument as usize)?, limits).text),
            Argument::Name(shift) => return self.name_string(*names.get((argument >> shift) as usize)?),
            Argument::Local => return slot(argument),
            Argument::LocalPair => return Some(format!("{}, {}", slot(argument >> 4)?, slot(argument & 15)?)),
            Argument::Cell => {
                let cells = code
                    .slots
                    .iter()
                    .filter(|slot| matches!(slot.kind, SlotKind::Cell | SlotKind::Free));
                return cells.map(|slot| slot.name.clone()).nth(argument as usize);
            }
            Argument::Forward(unit) => instruction.end.checked_add(distance(unit)?)?,
            Argument::Backward(unit) => instruction.end.checked_sub(distance(unit)?)?,
            Argument::Absolute(unit) => distance(unit)?,
        };
        Some(format!("to {target}"))
    }
}
