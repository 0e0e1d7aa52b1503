//! numpy's arrays and scalars, from the structures of its C API (numpy/ndarraytypes.h and arrayscalars.h).
//!
//! Arrays are shown on one line, with shape and dtype always: `array([[1, 2], [3, 4]], shape=(2, 2), dtype=int64)`. Items
//! are what `str` of the item prints, strings and dates in quotes. Scalars are shown as numpy 2 prints them.

use super::dtypes::{Dtype, Element};
use super::printer::{Printer, Subject};
use super::table::{Attributes, Length, Row};
use crate::addr::Addr;
use crate::source::MemoryExt;

/// NPY_MAXDIMS of numpy 2; 32 before.
const MAX_DIMENSIONS: u64 = 64;
/// The most items of one array that are shown.
const MAX_ITEMS: u64 = 200;

/// Offsets in PyArrayObject_fields behind the head of the object; numpy promises to keep them.
mod field {
    pub const DATA: u64 = 0;
    pub const DIMENSION_COUNT: u64 = 8;
    pub const DIMENSIONS: u64 = 16;
    pub const STRIDES: u64 = 24;
    pub const DESCRIPTOR: u64 = 40;
}

/// `numpy.ndarray`.
pub static ARRAY: Row = Row {
    name: "numpy.ndarray",
    length: Length::Shape,
    attributes: Attributes::Hidden,
    size: None,
    print: array,
};

/// Scalars, all of which `numpy.generic` or the type itself prints.
pub static SCALAR: Row = Row {
    name: "numpy.generic",
    length: Length::None,
    attributes: Attributes::Hidden,
    size: None,
    print: scalar,
};

/// Types without instances that scalars may inherit their `tp_repr` from.
const ABSTRACT: [&str; 10] = [
    "generic",
    "number",
    "integer",
    "signedinteger",
    "unsignedinteger",
    "inexact",
    "floating",
    "complexfloating",
    "flexible",
    "character",
];

/// Scalar types by name, with the kind and the size in bytes of what they hold.
const SCALARS: [(&str, u8, u64); 28] = [
    ("bool", b'b', 1),
    ("bool_", b'b', 1),
    ("int8", b'i', 1),
    ("int16", b'i', 2),
    ("int32", b'i', 4),
    ("int64", b'i', 8),
    ("intc", b'i', 4),
    ("longlong", b'i', 8),
    ("uint8", b'u', 1),
    ("uint16", b'u', 2),
    ("uint32", b'u', 4),
    ("uint64", b'u', 8),
    ("uintc", b'u', 4),
    ("ulonglong", b'u', 8),
    ("float16", b'f', 2),
    ("float32", b'f', 4),
    ("float64", b'f', 8),
    ("longdouble", b'f', 16),
    ("float128", b'f', 16),
    ("complex64", b'c', 8),
    ("complex128", b'c', 16),
    ("clongdouble", b'c', 32),
    ("complex256", b'c', 32),
    ("datetime64", b'M', 8),
    ("timedelta64", b'm', 8),
    ("str_", b'U', 0),
    ("bytes_", b'S', 0),
    ("void", b'V', 0),
];

/// The row of a type of numpy.
pub fn row_of(tp_name: &str) -> Option<&'static Row> {
    let name = tp_name.strip_prefix("numpy.")?;
    let is_scalar = || ABSTRACT.contains(&name) || SCALARS.iter().any(|row| row.0 == name);
    match name {
        "ndarray" => Some(&ARRAY),
        _ => is_scalar().then_some(&SCALAR),
    }
}

fn array(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let fields = subject.at.add(python.head_size()?);
    let shape = dimensions(printer, subject.at)?;
    let strides = python.read_or_null(fields.add(field::STRIDES));
    let strides = match shape.len() {
        0 => Vec::new(),
        count => python.pointers(strides, count as u64)?,
    };
    let dtype = Dtype::read(python, python.read_or_null(fields.add(field::DESCRIPTOR)))?;
    let mut items = Items {
        shape: &shape,
        strides: &strides,
        dtype: &dtype,
        left: MAX_ITEMS,
    };
    let data = python.read_or_null(fields.add(field::DATA));
    let text = match shape.contains(&0) {
        true => "[]".to_string(),
        false => printer.once(subject.at, "[...]", "[…]", |printer| items.print(printer, 0, data))?,
    };
    let name = match subject.info.tp_name.as_str() {
        "numpy.ndarray" => "array",
        _ => &subject.info.name,
    };
    let shape: Vec<String> = shape.iter().map(u64::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    Some(format!(
        "{name}({text}, shape=({}{comma}), dtype={dtype})",
        shape.join(", ")
    ))
}

fn dimensions(printer: &Printer<'_, '_>, array: Addr) -> Option<Vec<u64>> {
    let python = printer.python;
    let fields = array.add(python.head_size()?);
    let count = python.memory.read_i32(fields.add(field::DIMENSION_COUNT)).ok()?;
    let count = u64::try_from(count).ok().filter(|&count| count <= MAX_DIMENSIONS)?;
    if count == 0 {
        return Some(Vec::new());
    }
    let shape = python.pointers(python.read_or_null(fields.add(field::DIMENSIONS)), count)?;
    let shape: Vec<u64> = shape.into_iter().map(|length| length.0).collect();
    shape
        .iter()
        .all(|&length| i64::try_from(length).is_ok())
        .then_some(shape)
}

/// The items of an array, as far as they are shown.
struct Items<'a> {
    shape: &'a [u64],
    strides: &'a [Addr],
    dtype: &'a Dtype,
    left: u64,
}

impl Items<'_> {
    fn print(&mut self, printer: &mut Printer<'_, '_>, level: usize, at: Addr) -> Option<String> {
        let (Some(&length), Some(stride)) = (self.shape.get(level), self.strides.get(level)) else {
            self.left = self.left.saturating_sub(1);
            return self.dtype.item(printer, at);
        };
        let mut parts = Vec::new();
        for index in 0..length.min(printer.limits.items) {
            if self.left == 0 {
                break;
            }
            // Strides are signed: a wrapping product is the same.
            let item = Addr(at.0.wrapping_add(stride.0.wrapping_mul(index)));
            parts.push(self.print(printer, level + 1, item)?);
        }
        let rest = length - parts.len() as u64;
        if rest > 0 {
            parts.push(format!("… {rest} more"));
        }
        Some(format!("[{}]", parts.join(", ")))
    }
}

fn scalar(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let order = python.resolution_order(subject.info);
    let known = |class: &str| {
        let name = class.strip_prefix("numpy.")?;
        SCALARS.iter().find(|row| row.0 == name)
    };
    let &(_, kind, size) = order.iter().find_map(|class| known(&class.tp_name))?;
    let name = &subject.info.name;
    let value = subject.at.add(python.head_size()?);
    let text = match kind {
        b'U' => super::strings::str(printer, subject)?,
        b'S' => super::strings::bytes(printer, subject)?,
        b'V' => {
            // PyVoidScalarObject: ob_size, data, descriptor.
            let (data, dtype) = (python.read_or_null(value.add(8)), python.read_or_null(value.add(16)));
            let dtype = Dtype::read(python, dtype)?;
            let item = dtype.item(printer, data)?;
            match dtype.is_structured() {
                true => format!("{item}, dtype={dtype}"),
                false => item,
            }
        }
        _ => {
            let unit = match kind {
                b'M' | b'm' => Some(super::dtypes::Unit::read(python, value.add(8))?),
                _ => None,
            };
            let element = Element {
                kind,
                size,
                is_swapped: false,
            };
            let text = element.print(printer, value, unit)?;
            match (kind, unit) {
                (b'b', _) => return Some(format!("np.{text}_")),
                (b'M' | b'm', Some(unit)) => unit.scalar(kind, &text),
                // In parentheses of their own.
                (b'c', _) => text.trim_start_matches('(').trim_end_matches(')').to_string(),
                (b'f', _) if size == 16 => format!("'{text}'"),
                _ => text,
            }
        }
    };
    Some(format!("np.{name}({text})"))
}

impl super::super::Python<'_> {
    /// `len()` of an array.
    pub(super) fn array_length(&self, array: Addr) -> Option<u64> {
        let fields = array.add(self.head_size()?);
        let count = self.memory.read_i32(fields.add(field::DIMENSION_COUNT)).ok()?;
        let shape = self.read_or_null(fields.add(field::DIMENSIONS));
        (count > 0).then(|| self.memory.read_u64(shape).ok()).flatten()
    }

    /// Bytes of PyObject_HEAD: the type is its last field.
    pub(super) fn head_size(&self) -> Option<u64> {
        Some(self.layout.offsets.object.ob_type.bytes()? + 8)
    }
}
