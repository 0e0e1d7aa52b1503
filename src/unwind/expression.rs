//! DWARF expressions in unwind tables: the PLT's, and those of signal trampolines.

use gimli::{Encoding, EndianSlice, Evaluation, EvaluationResult, Expression, Format, LittleEndian, Location, Value};

use crate::addr::Addr;
use crate::source::{Memory, Registers};

/// Of every supported process.
pub(super) const ENCODING: Encoding = Encoding {
    address_size: 8,
    format: Format::Dwarf32,
    version: 5,
};

/// Real ones have up to ten operations; the bound ends loops.
const MAX_OPERATIONS: u32 = 200;

/// The value of `code`, with `initial` on the stack (the CFA, for a register's rule; DWARF 5, section
/// 6.4.2.3). `None` where it does not compute.
pub(super) fn evaluate(memory: &dyn Memory, registers: &Registers, code: &[u8], initial: Option<Addr>) -> Option<u64> {
    let expression = Expression(EndianSlice::new(code, LittleEndian));
    let mut evaluation: Evaluation<_> = expression.evaluation(ENCODING);
    if let Some(initial) = initial {
        evaluation.set_initial_value(initial.0);
    }
    evaluation.set_max_iterations(MAX_OPERATIONS);
    let mut state = evaluation.evaluate().ok()?;
    loop {
        state = match state {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresRegister { register, .. } => {
                let value = *registers.dwarf.get(usize::from(register.0))?;
                evaluation.resume_with_register(Value::Generic(value)).ok()?
            }
            EvaluationResult::RequiresMemory { address, size, .. } => {
                let mut bytes = [0; 8];
                memory.read(Addr(address), bytes.get_mut(..usize::from(size))?).ok()?;
                let value = Value::Generic(u64::from_le_bytes(bytes));
                evaluation.resume_with_memory(value).ok()?
            }
            // The rest needs a function's DWARF, which unwind tables may not refer to.
            _ => return None,
        };
    }
    match evaluation.result().first()?.location {
        Location::Address { address } => Some(address),
        Location::Value { value } => value.to_u64(u64::MAX).ok(),
        _ => None,
    }
}
