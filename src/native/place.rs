//! Where the value of a variable is: location descriptions and their evaluation (DWARF 5, sections 2.5 and 2.6).

use std::cell::OnceCell;

use gimli::{AttributeValue, EvaluationResult, Expression, Location, Piece, Value};

use super::Placed;
use super::info::Info;
use super::{calls, scope};
use crate::addr::Addr;
use crate::image::{Die, Entry, Slice};
use crate::source::variables::Place;
use crate::source::{Memory, MemoryExt, Registers};

/// The most operations of one expression.
const MAX_OPERATIONS: u32 = 1000;
/// How often an expression may ask for another: the frame base, the caller's argument.
const MAX_DEPTH: u32 = 6;
/// The most bytes of a value that is put together.
const MAX_BYTES: u64 = 4096;

/// Evaluates expressions in a few frames.
pub(super) struct Places<'p, 'a> {
    pub memory: &'p dyn Memory,
    /// Innermost first.
    pub frames: &'a [Placed],
    /// Of each frame, read at first use.
    pub infos: &'p [OnceCell<Option<Info<'a>>>],
}

impl<'a> Places<'_, 'a> {
    /// Where a variable of a frame is; its value has `size` bytes.
    pub fn of_variable(&self, frame: usize, variable: &Die<'a>, size: u64) -> Place {
        self.find(frame, variable, size).unwrap_or(Place::Nowhere)
    }

    fn find(&self, frame: usize, variable: &Die<'a>, size: u64) -> Option<Place> {
        let info = self.info(frame)?;
        let entry = variable.entry()?;
        if let Some(location) = entry.attr_value(gimli::DW_AT_location) {
            let expression = self.expression(frame, variable, location)?;
            let pieces = self.evaluate(frame, variable, expression, 0)?;
            return self.place(frame, &pieces, size);
        }
        let constant = info.inherited(variable, |_, entry| constant(entry, size))?;
        Some(Place::Bytes(constant))
    }

    /// The register that holds a variable of a frame, where it is in one and nowhere else.
    pub fn register_of(&self, frame: usize, variable: &Die<'a>) -> Option<u16> {
        let location = variable.entry()?.attr_value(gimli::DW_AT_location)?;
        let expression = self.expression(frame, variable, location)?;
        match self.evaluate(frame, variable, expression, 0)?.as_slice() {
            [piece] if piece.size_in_bits.is_none() => match piece.location {
                Location::Register { register } => Some(register.0),
                _ => None,
            },
            _ => None,
        }
    }

    /// The debug information of a frame's unit.
    pub fn info(&self, frame: usize) -> Option<&Info<'a>> {
        let placed: &'a Placed = self.frames.get(frame)?;
        let read = || Info::of_unit(placed.image.as_deref()?, placed.svma(placed.frame.step.lookup()));
        self.infos.get(frame)?.get_or_init(read).as_ref()
    }

    /// The expression of a location that holds at the frame's program counter.
    fn expression(
        &self,
        frame: usize,
        die: &Die<'a>,
        location: AttributeValue<Slice<'a>>,
    ) -> Option<Expression<Slice<'a>>> {
        if let AttributeValue::Exprloc(expression) = location {
            return Some(expression);
        }
        let info = self.info(frame)?;
        let placed = self.frames.get(frame)?;
        let pc = placed.svma(placed.frame.step.lookup());
        let mut list = info.entries.file(die).attr_locations(&die.unit, location).ok()??;
        while let Ok(Some(entry)) = list.next() {
            if (entry.range.begin..entry.range.end).contains(&pc.0) {
                return Some(entry.data);
            }
        }
        None
    }

    /// The number that an expression computes: that of a location is its address.
    pub fn number(&self, frame: usize, die: &Die<'a>, expression: Expression<Slice<'a>>, depth: u32) -> Option<u64> {
        self.value(frame, die, expression, depth)?.to_u64(u64::MAX).ok()
    }

    /// The same with its type, which may be one of floating-point numbers.
    pub fn value(&self, frame: usize, die: &Die<'a>, expression: Expression<Slice<'a>>, depth: u32) -> Option<Value> {
        let pieces = self.evaluate(frame, die, expression, depth)?;
        match pieces.as_slice() {
            [piece] => match &piece.location {
                Location::Address { address } => Some(Value::Generic(*address)),
                Location::Value { value } => Some(*value),
                Location::Register { register } => self.register(frame, *register).map(Value::Generic),
                _ => None,
            },
            _ => None,
        }
    }

    fn evaluate(
        &self,
        frame: usize,
        die: &Die<'a>,
        expression: Expression<Slice<'a>>,
        depth: u32,
    ) -> Option<Vec<Piece<Slice<'a>>>> {
        if depth > MAX_DEPTH {
            return None;
        }
        let (info, placed) = (self.info(frame)?, self.frames.get(frame)?);
        let mut evaluation = expression.evaluation(die.unit.encoding());
        evaluation.set_max_iterations(MAX_OPERATIONS);
        let mut state = evaluation.evaluate().ok()?;
        loop {
            state = match state {
                EvaluationResult::Complete => return Some(evaluation.result()),
                EvaluationResult::RequiresMemory {
                    address,
                    size,
                    space: None,
                    base_type,
                } => {
                    let mut bytes = self.memory.read_vec(Addr(address), usize::from(size.min(8))).ok()?;
                    bytes.resize(8, 0);
                    let word = u64::from_le_bytes(*bytes.first_chunk()?);
                    evaluation.resume_with_memory(self.typed(die, base_type, word)?)
                }
                EvaluationResult::RequiresRegister { register, base_type } => {
                    let word = self.register(frame, register)?;
                    evaluation.resume_with_register(self.typed(die, base_type, word)?)
                }
                EvaluationResult::RequiresFrameBase => {
                    let function = scope::function_at(info, placed.svma(placed.frame.step.lookup()))?;
                    let base = function.entry()?.attr_value(gimli::DW_AT_frame_base)?;
                    let base = self.expression(frame, &function, base)?;
                    evaluation.resume_with_frame_base(self.number(frame, &function, base, depth + 1)?)
                }
                EvaluationResult::RequiresCallFrameCfa => {
                    evaluation.resume_with_call_frame_cfa(placed.frame.step.cfa.0)
                }
                EvaluationResult::RequiresRelocatedAddress(address) => {
                    evaluation.resume_with_relocated_address(address.wrapping_add(placed.bias))
                }
                EvaluationResult::RequiresIndexedAddress { index, relocate } => {
                    let address = info.entries.file(die).address(&die.unit, index).ok()?;
                    let bias = if relocate { placed.bias } else { 0 };
                    evaluation.resume_with_indexed_address(address.wrapping_add(bias))
                }
                EvaluationResult::RequiresEntryValue(expression) => {
                    let value = calls::entry_value(self, frame, die, expression, depth + 1)?;
                    evaluation.resume_with_entry_value(value)
                }
                EvaluationResult::RequiresBaseType(offset) => {
                    let entry = die.unit.entry(offset).ok()?;
                    evaluation.resume_with_base_type(gimli::ValueType::from_entry(&entry).ok()??)
                }
                EvaluationResult::RequiresAtLocation(reference) => {
                    let target = match reference {
                        gimli::DieReference::UnitRef(offset) => die.beside(offset),
                        gimli::DieReference::DebugInfoRef(offset) => info.at(offset)?,
                    };
                    let location = target.entry()?.attr_value(gimli::DW_AT_location)?;
                    let expression = self.expression(frame, &target, location)?;
                    evaluation.resume_with_at_location(expression.0)
                }
                _ => return None,
            }
            .ok()?;
        }
    }

    /// A word as a value of a base type; 0 stands for none.
    fn typed(&self, die: &Die<'a>, base_type: gimli::UnitOffset, word: u64) -> Option<Value> {
        if base_type.0 == 0 {
            return Some(Value::Generic(word));
        }
        let entry = die.unit.entry(base_type).ok()?;
        let kind = gimli::ValueType::from_entry(&entry).ok()??;
        let bytes = word.to_le_bytes();
        Value::parse(kind, gimli::EndianSlice::new(&bytes, gimli::LittleEndian)).ok()
    }

    /// A vector register of a frame, where it is known.
    fn vector(&self, frame: usize, register: gimli::Register) -> Option<u128> {
        let index = usize::from(register.0).checked_sub(Registers::XMM0)?;
        let vectors = self.frames.get(frame)?.frame.registers.vectors?;
        vectors.get(index).copied()
    }

    /// A register of a frame, where it is known; of a vector register, its first number.
    pub fn register(&self, frame: usize, register: gimli::Register) -> Option<u64> {
        if let Some(vector) = self.vector(frame, register) {
            return Some(vector as u64);
        }
        let frame = &self.frames.get(frame)?.frame;
        let number = usize::from(register.0);
        let is_known = number < Registers::COUNT && frame.known & (1 << number) != 0;
        frame.registers.dwarf.get(number).copied().filter(|_| is_known)
    }

    /// The place that pieces make up; `None` where one of them is nowhere.
    fn place(&self, frame: usize, pieces: &[Piece<Slice<'a>>], size: u64) -> Option<Place> {
        if let [piece] = pieces
            && piece.size_in_bits.is_none()
            && let Location::Address { address } = piece.location
        {
            return Some(Place::Memory(Addr(address)));
        }
        if size > MAX_BYTES {
            return None;
        }
        let mut bytes = Vec::new();
        for piece in pieces {
            let len = match piece.size_in_bits {
                // Bit fields of their own are rare: such a variable is not shown.
                Some(bits) if bits % 8 != 0 || piece.bit_offset.unwrap_or(0) != 0 => return None,
                Some(bits) => bits / 8,
                None => size,
            };
            bytes.extend(self.piece(frame, &piece.location, len.min(MAX_BYTES))?);
        }
        bytes.truncate(size as usize);
        (bytes.len() as u64 == size).then_some(Place::Bytes(bytes))
    }

    fn piece(&self, frame: usize, location: &Location<Slice<'a>>, len: u64) -> Option<Vec<u8>> {
        let word = match location {
            Location::Register { register } => {
                let bytes = self.vector(frame, *register).map(u128::to_le_bytes);
                let bytes = bytes.or_else(|| Some(u128::from(self.register(frame, *register)?).to_le_bytes()));
                return bytes?.get(..len as usize).map(<[u8]>::to_vec);
            }
            Location::Address { address } => return self.memory.read_vec(Addr(*address), len as usize).ok(),
            Location::Bytes { value } => return value.slice().get(..len as usize).map(<[u8]>::to_vec),
            Location::Value { value } => bits(*value)?,
            Location::Empty | Location::ImplicitPointer { .. } => return None,
        };
        word.to_le_bytes().get(..len as usize).map(<[u8]>::to_vec)
    }
}

/// A value of any type as its bits.
fn bits(value: Value) -> Option<u64> {
    match value {
        Value::F32(number) => Some(u64::from(number.to_bits())),
        Value::F64(number) => Some(number.to_bits()),
        other => other.to_u64(u64::MAX).ok(),
    }
}

/// `DW_AT_const_value` as the bytes of a value.
fn constant(entry: &Entry<'_>, size: u64) -> Option<Vec<u8>> {
    match entry.attr_value(gimli::DW_AT_const_value)? {
        AttributeValue::Block(block) => block.slice().get(..size as usize).map(<[u8]>::to_vec),
        AttributeValue::String(text) => text.slice().get(..size as usize).map(<[u8]>::to_vec),
        value => {
            let word = value
                .sdata_value()
                .map(i64::cast_unsigned)
                .or_else(|| value.udata_value())?;
            word.to_le_bytes().get(..size as usize).map(<[u8]>::to_vec)
        }
    }
}
