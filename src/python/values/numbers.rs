//! Numbers.

use super::super::text;
use super::printer::{Printer, Subject, more};
use crate::addr::Addr;
use crate::source::MemoryExt;

/// Decimal digits in one word of a Decimal (MPD_RDIGITS of mpdecimal.h, 64-bit).
const WORD_DIGITS: usize = 19;
/// The most words of a Decimal that are read.
const MAX_WORDS: u64 = 4_096;

/// `int.__repr__`.
pub fn int(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    printer.python.int_repr(subject.at)
}

/// `bool.__repr__`.
pub fn boolean(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let digit = printer.python.int_repr(subject.at)?;
    Some(if digit == "0" { "False" } else { "True" }.to_string())
}

/// `float.__repr__`.
pub fn float(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let at = printer.python.layout.offsets.float.value.of(subject.at);
    Some(text::float_repr(read_double(printer, at)?))
}

/// `complex.__repr__`.
pub fn complex(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let at = printer.python.layout.offsets.complex.value.of(subject.at);
    Some(text::complex_repr(
        read_double(printer, at)?,
        read_double(printer, at.add(8))?,
    ))
}

fn read_double(printer: &Printer<'_, '_>, at: Addr) -> Option<f64> {
    printer.python.memory.read_u64(at).ok().map(f64::from_bits)
}

/// `Fraction.__repr__` (Lib/fractions.py).
pub fn fraction(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let numerator = printer.attribute_repr(&subject, "_numerator")?;
    let denominator = printer.attribute_repr(&subject, "_denominator")?;
    Some(format!("{}({numerator}, {denominator})", subject.info.name))
}

/// `Decimal.__repr__` (Modules/_decimal/_decimal.c, `dec_repr`).
pub fn decimal(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let (memory, offsets) = (printer.python.memory, &printer.python.layout.offsets.decimal);
    let flags = memory.read_u8(offsets.flags.of(subject.at)).ok()?;
    let exponent = memory.read_i64(offsets.exponent.of(subject.at)).ok()?;
    let count = memory.read_u64(offsets.words.of(subject.at)).ok()?;
    let data = memory.read_addr(offsets.data.of(subject.at)).ok()?;
    if count > MAX_WORDS {
        return (count < 1 << 40).then(|| format!("<Decimal of about {} digits>", count * WORD_DIGITS as u64));
    }
    let bytes = memory.read_vec(data, count as usize * 8).ok()?;
    let words: Vec<u64> = bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|word| u64::from_le_bytes(*word))
        .collect();
    Some(format!("Decimal('{}')", scientific(flags, exponent, &words)))
}

/// `mpd_to_sci` (libmpdec): the to-scientific-string of the General Decimal Arithmetic specification.
fn scientific(flags: u8, exponent: i64, words: &[u64]) -> String {
    // MPD_NEG, MPD_INF, MPD_NAN, MPD_SNAN.
    let sign = if flags & 1 != 0 { "-" } else { "" };
    let mut digits = String::new();
    for word in words.iter().rev() {
        match digits.as_str() {
            "" | "0" => digits = word.to_string(),
            _ => digits.push_str(&format!("{word:0WORD_DIGITS$}")),
        }
    }
    let payload = || if digits == "0" { "" } else { &digits };
    match flags & 14 {
        2 => return format!("{sign}Infinity"),
        4 => return format!("{sign}NaN{}", payload()),
        8 => return format!("{sign}sNaN{}", payload()),
        _ => {}
    }
    let length = digits.len() as i64;
    let adjusted = exponent.saturating_add(length - 1);
    if exponent > 0 || adjusted < -6 {
        let (first, rest) = digits.split_at(1.min(digits.len()));
        let point = if rest.is_empty() { "" } else { "." };
        return format!("{sign}{first}{point}{rest}E{adjusted:+}");
    }
    let whole = length + exponent;
    match usize::try_from(whole) {
        Ok(_) if exponent == 0 => format!("{sign}{digits}"),
        Ok(whole) if whole > 0 => format!("{sign}{}.{}", &digits[..whole], &digits[whole..]),
        _ => format!("{sign}0.{}{digits}", "0".repeat(whole.unsigned_abs() as usize)),
    }
}

/// Numbers in a row, as `array.array` and ctypes have them; `code` is that of the module `struct`.
pub fn plain(code: char, bytes: &[u8]) -> Option<String> {
    let unsigned = || {
        bytes
            .iter()
            .rev()
            .fold(0u64, |value, &byte| value << 8 | u64::from(byte))
    };
    let width = bytes.len();
    Some(match (code, width) {
        ('f', 4) => text::float_repr(f64::from(f32::from_bits(u32::try_from(unsigned()).ok()?))),
        ('d', 8) => text::float_repr(f64::from_bits(unsigned())),
        ('b' | 'h' | 'i' | 'l' | 'q', 1 | 2 | 4 | 8) => {
            let shift = 64 - 8 * width as u32;
            ((unsigned() << shift) as i64 >> shift).to_string()
        }
        ('B' | 'H' | 'I' | 'L' | 'Q', 1 | 2 | 4 | 8) => unsigned().to_string(),
        _ => return None,
    })
}

/// The first numbers of an array.
pub fn plain_items(printer: &Printer<'_, '_>, at: Addr, code: char, width: u64, length: u64) -> Option<String> {
    let count = length.min(printer.limits.items);
    let bytes = match count {
        0 => Vec::new(),
        count => printer.python.memory.read_vec(at, (count * width) as usize).ok()?,
    };
    let mut parts = Vec::new();
    for item in bytes.chunks_exact(width.max(1) as usize) {
        parts.push(plain(code, item)?);
    }
    let shown = parts.len();
    let separator = if shown > 0 && (shown as u64) < length { ", " } else { "" };
    Some(format!("{}{separator}{}", parts.join(", "), more(length, shown)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The expectations are what CPython's Decimal prints.
    #[test]
    fn decimals() {
        for (flags, exponent, words, text) in [
            (0, 0, &[0][..], "0"),
            (1, -2, &[150], "-1.50"),
            (0, -3, &[1], "0.001"),
            (0, -7, &[1], "1E-7"),
            (0, 3, &[12], "1.2E+4"),
            (0, 1, &[0], "0E+1"),
            (0, -2, &[0], "0.00"),
            (0, 0, &[5, 7], "70000000000000000005"),
            (2, 0, &[], "Infinity"),
            (5, 0, &[], "-NaN"),
            (8, 0, &[12], "sNaN12"),
        ] {
            assert_eq!(scientific(flags, exponent, words), text);
        }
    }

    #[test]
    fn numbers_in_a_row() {
        assert_eq!(plain('b', &[0xff]).as_deref(), Some("-1"));
        assert_eq!(plain('B', &[0xff]).as_deref(), Some("255"));
        assert_eq!(plain('i', &[0xfe, 0xff, 0xff, 0xff]).as_deref(), Some("-2"));
        assert_eq!(plain('d', &1.5f64.to_le_bytes()).as_deref(), Some("1.5"));
        assert_eq!(plain('d', &[1]), None);
    }
}
