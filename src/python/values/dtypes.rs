//! numpy's dtypes, and items of arrays as plain bytes.

use std::fmt;

use super::super::{Python, text};
use super::printer::Printer;
use crate::addr::Addr;
use crate::source::MemoryExt;

/// The most fields of a structured dtype, and levels of such in one another.
const MAX_FIELDS: u64 = 50;
const MAX_LEVELS: u32 = 4;
/// The longest string in an array, in bytes, of which that much is shown.
const MAX_STRING: u64 = 2_048;
/// "Not a time": the least number.
const NOT_A_TIME: i64 = i64::MIN;

/// Offsets of PyArray_Descr behind the head of the object that numpy 2 has moved; kind, byte order and so on stayed.
struct Descriptor {
    /// The size of the structure without the head, which tells which one it is.
    size: u64,
    item_size: u64,
    /// Bytes of that field.
    item_size_width: u64,
    subarray: u64,
    fields: u64,
    names: u64,
    metadata: u64,
}

const KIND: u64 = 8;
const BYTE_ORDER: u64 = 10;

const DESCRIPTORS: [Descriptor; 2] = [
    // numpy 1: PyArray_Descr.
    Descriptor {
        size: 80,
        item_size: 16,
        item_size_width: 4,
        subarray: 24,
        fields: 32,
        names: 40,
        metadata: 64,
    },
    // numpy 2: _PyArray_LegacyDescr_fields.
    Descriptor {
        size: 104,
        item_size: 24,
        item_size_width: 8,
        subarray: 72,
        fields: 80,
        names: 88,
        metadata: 96,
    },
];

/// What the items of an array are.
pub struct Dtype {
    element: Element,
    unit: Option<Unit>,
    /// Name, dtype and offset of each field.
    fields: Vec<(String, Dtype, u64)>,
    /// Each item is an array itself, which is not shown.
    is_subarray: bool,
}

/// An item that is no structure.
#[derive(Clone, Copy)]
pub struct Element {
    /// `dtype.kind`.
    pub kind: u8,
    /// `dtype.itemsize`, in bytes.
    pub size: u64,
    /// The bytes are in big-endian order.
    pub is_swapped: bool,
}

/// The unit of dates and durations (PyArray_DatetimeMetaData).
#[derive(Clone, Copy)]
pub struct Unit {
    base: usize,
    count: i32,
}

impl Dtype {
    /// Reads a descriptor; `None` where it is none whose structure is known.
    pub fn read(python: &Python<'_>, at: Addr) -> Option<Dtype> {
        Dtype::read_level(python, at, 0)
    }

    fn read_level(python: &Python<'_>, at: Addr, level: u32) -> Option<Dtype> {
        let head = python.head_size()?;
        let size = python.type_of(at)?.basicsize.checked_sub(head)?;
        let row = DESCRIPTORS.iter().find(|row| row.size == size)?;
        let at = at.add(head);
        let memory = python.memory;
        let kind = memory.read_u8(at.add(KIND)).ok()?;
        let size = match row.item_size_width {
            4 => u64::from(memory.read_u32(at.add(row.item_size)).ok()?),
            _ => memory.read_u64(at.add(row.item_size)).ok()?,
        };
        let is_swapped = memory.read_u8(at.add(BYTE_ORDER)).ok()? == b'>';
        let metadata = python.read_or_null(at.add(row.metadata));
        let unit = match kind {
            // Behind NpyAuxData: two functions and two words.
            b'M' | b'm' => Some(Unit::read(python, metadata.add(32))?),
            _ => None,
        };
        let mut dtype = Dtype {
            element: Element { kind, size, is_swapped },
            unit,
            fields: Vec::new(),
            is_subarray: !python.read_or_null(at.add(row.subarray)).is_null(),
        };
        let fields = python.read_or_null(at.add(row.fields));
        if level < MAX_LEVELS && python.type_of(fields).is_some_and(|info| info.is_builtin("dict")) {
            let names = python.tuple_items(python.read_or_null(at.add(row.names)), MAX_FIELDS)?;
            for name in names {
                let name = python.name_string(name)?;
                let entry = python.tuple_items(python.dict_get(fields, &name)?, 2)?;
                let [inner, offset] = entry[..] else { return None };
                let offset = python.int_repr(offset)?.parse().ok()?;
                dtype
                    .fields
                    .push((name, Dtype::read_level(python, inner, level + 1)?, offset));
            }
        }
        Some(dtype)
    }

    /// Whether it has fields.
    pub fn is_structured(&self) -> bool {
        !self.fields.is_empty()
    }

    /// An item of this dtype; of a structure a tuple.
    pub fn item(&self, printer: &mut Printer<'_, '_>, at: Addr) -> Option<String> {
        if self.is_subarray {
            return Some("[…]".to_string());
        }
        if !self.is_structured() {
            return self.element.print(printer, at, self.unit);
        }
        let parts: Option<Vec<String>> = self
            .fields
            .iter()
            .map(|(_, dtype, offset)| dtype.item(printer, at.add(*offset)))
            .collect();
        let parts = parts?;
        let comma = if parts.len() == 1 { "," } else { "" };
        Some(format!("({}{comma})", parts.join(", ")))
    }

    /// As the list of fields has it, without quotes.
    fn code(&self) -> String {
        if self.is_structured() {
            return self.to_string();
        }
        let Element { kind, size, is_swapped } = self.element;
        let order = match (is_swapped, kind, size) {
            (_, b'S' | b'V', _) | (_, _, 1) => "",
            (true, _, _) => ">",
            (false, _, _) => "<",
        };
        let unit = self.unit.map_or_else(String::new, |unit| unit.to_string());
        match kind {
            b'b' => "?".to_string(),
            b'O' => "O".to_string(),
            b'U' => format!("{order}U{}", size / 4),
            _ => format!("{order}{}{size}{unit}", char::from(kind)),
        }
    }

    fn quoted_code(&self) -> String {
        match self.is_structured() {
            true => self.code(),
            false => format!("'{}'", self.code()),
        }
    }
}

impl fmt::Display for Dtype {
    /// `str()` of the dtype.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_structured() {
            let names = |fields: &[(String, Dtype, u64)]| -> Vec<String> {
                fields.iter().map(|(name, ..)| text::str_repr(&points(name))).collect()
            };
            let mut end = 0;
            let is_packed = self.fields.iter().all(|(_, dtype, offset)| {
                let follows = *offset == end;
                end += dtype.element.size;
                follows
            });
            if is_packed && end == self.element.size {
                let fields = names(&self.fields).into_iter().zip(&self.fields);
                let fields: Vec<String> = fields
                    .map(|(name, field)| format!("({name}, {})", field.1.quoted_code()))
                    .collect();
                return write!(f, "[{}]", fields.join(", "));
            }
            let formats: Vec<String> = self.fields.iter().map(|field| field.1.quoted_code()).collect();
            let offsets: Vec<String> = self.fields.iter().map(|field| field.2.to_string()).collect();
            return write!(
                f,
                "{{'names': [{}], 'formats': [{}], 'offsets': [{}], 'itemsize': {}}}",
                names(&self.fields).join(", "),
                formats.join(", "),
                offsets.join(", "),
                self.element.size
            );
        }
        let Element { kind, size, is_swapped } = self.element;
        let name = match kind {
            b'b' => return f.write_str("bool"),
            b'O' => return f.write_str("object"),
            b'i' => "int",
            b'u' => "uint",
            b'f' => "float",
            b'c' => "complex",
            b'M' | b'm' if !is_swapped => {
                let name = if kind == b'M' { "datetime64" } else { "timedelta64" };
                return write!(
                    f,
                    "{name}{}",
                    self.unit.map_or_else(String::new, |unit| unit.to_string())
                );
            }
            b'S' | b'V' => return write!(f, "|{}", self.code()),
            _ => return f.write_str(&self.code()),
        };
        match is_swapped {
            true => f.write_str(&self.code()),
            false => write!(f, "{name}{}", size.saturating_mul(8)),
        }
    }
}

fn points(text: &str) -> Vec<u32> {
    text.chars().map(u32::from).collect()
}

impl Element {
    /// The item at an address.
    pub fn print(&self, printer: &mut Printer<'_, '_>, at: Addr, unit: Option<Unit>) -> Option<String> {
        if self.kind == b'O' {
            let object = printer.python.read_or_null(at);
            return Some(printer.repr(object));
        }
        let mut bytes = printer
            .python
            .memory
            .read_vec(at, self.size.min(MAX_STRING) as usize)
            .ok()?;
        let part = if self.kind == b'c' {
            bytes.len() / 2
        } else {
            bytes.len()
        };
        if self.is_swapped {
            let part = if self.kind == b'U' { 4 } else { part };
            bytes.chunks_mut(part.max(1)).for_each(<[u8]>::reverse);
        }
        let more = if self.size > MAX_STRING { "…" } else { "" };
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0u64, |number, &byte| number << 8 | u64::from(byte))
        };
        Some(match self.kind {
            b'b' => if bytes.first()? == &0 { "False" } else { "True" }.to_string(),
            b'u' if self.size <= 8 => number(&bytes).to_string(),
            b'i' if matches!(self.size, 1 | 2 | 4 | 8) => signed(&bytes).to_string(),
            b'f' => float(&bytes)?.0,
            b'c' => {
                let (real, imaginary) = bytes.split_at(part);
                let ((real, value), (imaginary, _)) = (float(real)?, float(imaginary)?);
                text::complex_text(&real, &imaginary, value.to_bits() == 0)
            }
            b'M' => unit?.date(signed(&bytes)),
            b'm' => match signed(&bytes) {
                NOT_A_TIME => "'NaT'".to_string(),
                count => count.to_string(),
            },
            b'U' => {
                let mut points: Vec<u32> = bytes
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .map(|unit| u32::from_le_bytes(*unit))
                    .collect();
                let end = points.iter().rposition(|&point| point != 0).map_or(0, |last| last + 1);
                points.truncate(end);
                text::str_repr(&points) + more
            }
            b'S' => {
                let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
                text::bytes_repr(bytes.get(..end)?) + more
            }
            b'V' => text::bytes_repr(&bytes) + more,
            _ => return None,
        })
    }
}

fn signed(bytes: &[u8]) -> i64 {
    let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = [if is_negative { 0xff } else { 0 }; 8];
    wide.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    i64::from_le_bytes(wide)
}

/// The shortest text that is read back as the same number of that many bytes, and the number.
fn float(bytes: &[u8]) -> Option<(String, f64)> {
    if let Ok(bytes) = <[u8; 8]>::try_from(bytes) {
        let value = f64::from_le_bytes(bytes);
        return Some((text::float_repr(value), value));
    }
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        let value = f32::from_le_bytes(bytes);
        return Some((
            text::short_float(f64::from(value), &format!("{value:e}")),
            f64::from(value),
        ));
    }
    if let Ok(bytes) = <[u8; 2]>::try_from(bytes) {
        return Some(half_text(u16::from_le_bytes(bytes)));
    }
    let value = long_double(bytes)?;
    Some((text::float_repr(value), value))
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 != 0 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff));
    match exponent {
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        0 => sign * fraction * 2f64.powi(-24),
        _ => sign * (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}

/// With as many digits as tell it from its neighbours.
fn half_text(bits: u16) -> (String, f64) {
    let value = half(bits);
    let size = bits & 0x7fff;
    let (below, above) = (half(size.saturating_sub(1)), half(size + 1));
    // Beyond the largest one, as far as it is from the one before.
    let above = if above.is_finite() {
        above
    } else {
        2.0 * value.abs() - below
    };
    let is_same = |text: &str| {
        let read = text.parse().map_or(f64::NAN, f64::abs);
        read > (below + value.abs()) / 2.0 && read < (value.abs() + above) / 2.0
    };
    let digits = (0..5)
        .map(|digits| format!("{value:.digits$e}"))
        .find(|text| is_same(text));
    let digits = digits.unwrap_or_else(|| format!("{value:e}"));
    (text::short_float(value, &digits), value)
}

/// The 80-bit format of x86; what has more digits than a double has is cut to those.
fn long_double(bytes: &[u8]) -> Option<f64> {
    let mantissa = u64::from_le_bytes(*bytes.first_chunk::<8>()?);
    let top = u16::from_le_bytes([*bytes.get(8)?, *bytes.get(9)?]);
    let sign = if top & 0x8000 != 0 { -1.0 } else { 1.0 };
    let exponent = i32::from(top & 0x7fff);
    Some(match (exponent, mantissa << 1) {
        (0x7fff, 0) => sign * f64::INFINITY,
        (0x7fff, _) => f64::NAN,
        _ => sign * mantissa as f64 * 2f64.powi(exponent - 16_383 - 63),
    })
}

/// Names of units by their numbers (NPY_DATETIMEUNIT); 3 is not in use.
const UNITS: [&str; 15] = [
    "Y", "M", "W", "", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "generic",
];
const GENERIC: usize = 14;
/// The number of seconds.
const SECONDS: usize = 7;

impl Unit {
    /// From where it lies in memory.
    pub fn read(python: &Python<'_>, at: Addr) -> Option<Unit> {
        let base = usize::try_from(python.memory.read_i32(at).ok()?).ok()?;
        let count = python.memory.read_i32(at.add(4)).ok()?;
        UNITS.get(base).filter(|name| !name.is_empty())?;
        Some(Unit { base, count })
    }

    /// The arguments of a scalar, of which `text` is the value.
    pub fn scalar(self, kind: u8, text: &str) -> String {
        let name = self.to_string();
        let name = name.trim_matches(['[', ']']);
        // A date tells its unit, but for hours, which could be the end of one with minutes.
        let is_told = kind == b'M' && self.count == 1 && UNITS[self.base] != "h" && text != "'NaT'";
        match is_told || self.base == GENERIC {
            true => text.to_string(),
            false => format!("{text},'{name}'"),
        }
    }

    /// A date in ISO 8601, in quotes, as far as the unit tells it.
    fn date(self, count: i64) -> String {
        if count == NOT_A_TIME {
            return "'NaT'".to_string();
        }
        let count = i128::from(count) * i128::from(self.count);
        let text = match self.base {
            0 => format!("{:04}", 1970 + count),
            1 => format!("{:04}-{:02}", 1970 + count.div_euclid(12), count.rem_euclid(12) + 1),
            2 => day(count * 7),
            4 => day(count),
            5 => format!("{}T{:02}", day(count.div_euclid(24)), count.rem_euclid(24)),
            6 => {
                let minute = count.rem_euclid(1440);
                format!("{}T{:02}:{:02}", day(count.div_euclid(1440)), minute / 60, minute % 60)
            }
            base @ SECONDS..GENERIC => {
                let digits = 3 * (base - SECONDS);
                let scale = 10i128.pow(digits as u32);
                let (second, rest) = (count.div_euclid(scale), count.rem_euclid(scale));
                let clock = second.rem_euclid(86_400);
                let (hour, minute) = (clock / 3600, clock / 60 % 60);
                let fraction = if digits == 0 {
                    String::new()
                } else {
                    format!(".{rest:0digits$}")
                };
                let day = day(second.div_euclid(86_400));
                format!("{day}T{hour:02}:{minute:02}:{:02}{fraction}", clock % 60)
            }
            _ => count.to_string(),
        };
        format!("'{text}'")
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.base, self.count) {
            (GENERIC, _) => Ok(()),
            (base, 1) => write!(f, "[{}]", UNITS[base]),
            (base, count) => write!(f, "[{count}{}]", UNITS[base]),
        }
    }
}

/// The date that many days after 1970-01-01, by counting whole cycles of 400 years.
fn day(days: i128) -> String {
    /// Days of 400 years, and from 0000-03-01 to 1970-01-01.
    const CYCLE: i128 = 146_097;
    const EPOCH: i128 = 719_468;
    let days = days + EPOCH;
    let (cycle, of_cycle) = (days.div_euclid(CYCLE), days.rem_euclid(CYCLE));
    let year = (of_cycle - of_cycle / 1460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year + year / 4 - year / 100);
    // Months from March on have 31, 30, 31, 30, 31 days, over and over.
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + cycle * 400 + i128::from(month <= 2);
    format!("{year:04}-{month:02}-{of_month:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_since_1970() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(-1), "1969-12-31");
        assert_eq!(day(19_782), "2024-02-29");
        assert_eq!(day(-719_528), "0000-01-01");
    }

    #[test]
    fn halves() {
        let text = |bits| half_text(bits).0;
        assert_eq!(text(0x3c00), "1.0");
        assert_eq!(text(0x2e66), "0.1");
        assert_eq!(text(0xc000), "-2.0");
        assert_eq!(text(0x7bff), "65500.0");
        assert_eq!(text(0x0001), "6e-08");
        assert_eq!((text(0), text(0x7c00)), ("0.0".to_string(), "inf".to_string()));
    }
}
