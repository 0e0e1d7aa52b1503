//! Strings and buffers.

use super::super::{Python, text};
use super::numbers;
use super::printer::{Printer, Subject, more};
use crate::addr::Addr;
use crate::source::MemoryExt;

/// `_Py_MEMORYVIEW_RELEASED` (Include/cpython/memoryobject.h).
const RELEASED: i32 = 1;
/// No object is longer: what states more is broken.
const MAX_LENGTH: u64 = 1 << 47;

/// `str.__repr__`.
pub fn str(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let read = printer.python.read_str(subject.at, printer.limits.text)?;
    if read.length > MAX_LENGTH {
        return None;
    }
    Some(text::str_repr(&read.points) + &more(read.length, read.points.len()))
}

/// `bytes.__repr__`.
pub fn bytes(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let length = printer.python.size_of(subject.at)?;
    let bytes = printer.python.bytes_prefix(subject.at, printer.limits.text)?;
    Some(text::bytes_repr(&bytes) + &more(length, bytes.len()))
}

/// `bytearray.__repr__`.
pub fn bytearray(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let length = printer.python.size_of(subject.at)?;
    let bytes = printer.python.bytearray_prefix(subject.at, printer.limits.text)?;
    let text = text::bytes_repr(&bytes) + &more(length, bytes.len());
    Some(format!("{}({text})", subject.info.name))
}

impl Python<'_> {
    /// The first `max` bytes of a bytearray.
    pub(in super::super) fn bytearray_prefix(&self, object: Addr, max: u64) -> Option<Vec<u8>> {
        let start = self.read_or_null(self.layout.offsets.bytearray.start.of(object));
        match self.size_of(object)?.min(max) as usize {
            0 => Some(Vec::new()),
            shown => self.memory.read_vec(start, shown).ok(),
        }
    }
}

/// `memoryview.__repr__` (Objects/memoryobject.c, `memory_repr`).
pub fn memoryview(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let flags = printer.python.layout.offsets.memoryview.flags.of(subject.at);
    let is_released = printer.python.memory.read_i32(flags).ok()? & RELEASED != 0;
    let released = if is_released { "released " } else { "" };
    Some(format!("<{released}memory at {}>", subject.at))
}

/// `array.__repr__` (Modules/arraymodule.c, `array_repr`).
pub fn array(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let (memory, offsets) = (printer.python.memory, &printer.python.layout.offsets);
    let length = printer.python.size_of(subject.at)?;
    let items = printer.python.read_or_null(offsets.array.items.of(subject.at));
    let descriptor = printer.python.read_or_null(offsets.array.descriptor.of(subject.at));
    let code = char::from(memory.read_u8(offsets.array_descriptor.typecode.of(descriptor)).ok()?);
    let width = memory.read_i32(offsets.array_descriptor.itemsize.of(descriptor)).ok()?;
    let width = u64::try_from(width)
        .ok()
        .filter(|width| matches!(width, 1 | 2 | 4 | 8))?;
    let name = &subject.info.name;
    if length == 0 {
        return Some(format!("{name}('{code}')"));
    }
    if matches!(code, 'u' | 'w') {
        let shown = length.min(printer.limits.text) as usize;
        let bytes = memory.read_vec(items, shown * width as usize).ok()?;
        let points = bytes.chunks_exact(width as usize);
        let points: Vec<u32> = points
            .map(|unit| unit.iter().rev().fold(0, |point, &byte| point << 8 | u32::from(byte)))
            .collect();
        let text = text::str_repr(&points) + &more(length, points.len());
        return Some(format!("{name}('{code}', {text})"));
    }
    let items = numbers::plain_items(printer, items, code, width, length)?;
    Some(format!("{name}('{code}', [{items}])"))
}
