//! Formatting scalars the way Python's `repr` does.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// `repr` of a str given as code points, which may hold lone surrogates (Objects/unicodeobject.c, `unicode_repr`).
pub fn str_repr(points: &[u32]) -> String {
    let has = |c: char| points.contains(&u32::from(c));
    let quote = if has('\'') && !has('"') { '"' } else { '\'' };
    let mut text = String::with_capacity(points.len() + 2);
    text.push(quote);
    for &point in points {
        match char::from_u32(point) {
            Some('\n') => text.push_str("\\n"),
            Some('\r') => text.push_str("\\r"),
            Some('\t') => text.push_str("\\t"),
            Some('\\') => text.push_str("\\\\"),
            Some(c) if c == quote => text.extend(['\\', c]),
            Some(c) if is_printable(c) => text.push(c),
            _ if point <= 0xff => text.push_str(&format!("\\x{point:02x}")),
            _ if point <= 0xffff => text.push_str(&format!("\\u{point:04x}")),
            _ => text.push_str(&format!("\\U{point:08x}")),
        }
    }
    text.push(quote);
    text
}

/// `str.isprintable` of one character: everything but the categories "Other" and "Separator", save
/// the space (Objects/unicodectype.c, `_PyUnicode_IsPrintable`).
fn is_printable(c: char) -> bool {
    c == ' '
        || !matches!(
            c.general_category(),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::Surrogate
                | GeneralCategory::PrivateUse
                | GeneralCategory::Unassigned
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
                | GeneralCategory::SpaceSeparator
        )
}

/// `repr` of bytes (Objects/bytesobject.c, `PyBytes_Repr`).
pub fn bytes_repr(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') {
        '"'
    } else {
        '\''
    };
    let mut text = format!("b{quote}");
    for &byte in bytes {
        match byte {
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            _ if char::from(byte) == quote => text.extend(['\\', quote]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push(quote);
    text
}

/// `repr` of a float: the shortest digits that read back the same, with an exponent below 1e-4 and
/// from 1e16 on (Python/pystrtod.c, `format_float_short` with code 'r').
pub fn float_repr(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_string();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_string();
    }
    short_float(value, &format!("{value:e}"))
}

/// The same with digits at hand, as `d.ddde-5`: the shortest ones may be of another format.
pub fn short_float(value: f64, scientific: &str) -> String {
    if !value.is_finite() {
        return float_repr(value);
    }
    let (digits, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) || value == 0.0 {
        let plain = scientific.parse::<f64>().unwrap_or(value).to_string();
        if plain.contains('.') { plain } else { plain + ".0" }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.abs())
    }
}

/// `repr` of a complex number (Objects/complexobject.c, `complex_repr`).
pub fn complex_repr(real: f64, imaginary: f64) -> String {
    complex_text(&float_repr(real), &float_repr(imaginary), real.to_bits() == 0)
}

/// The same from the texts of both parts; a real one that is zero, and not negative, is left out.
pub fn complex_text(real: &str, imaginary: &str, is_imaginary: bool) -> String {
    let part = |text: &str| text.strip_suffix(".0").unwrap_or(text).to_string();
    let (real, imaginary) = (part(real), part(imaginary));
    if is_imaginary {
        return format!("{imaginary}j");
    }
    let joiner = if imaginary.starts_with('-') { "" } else { "+" };
    format!("({real}{joiner}{imaginary}j)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repr(text: &str) -> String {
        str_repr(&text.chars().map(u32::from).collect::<Vec<_>>())
    }

    // The expectations are what CPython 3.11 prints.
    #[test]
    fn strings() {
        assert_eq!(repr("plain"), "'plain'");
        assert_eq!(repr("it's"), "\"it's\"");
        assert_eq!(repr("'\""), "'\\'\"'");
        assert_eq!(repr("a\tb\nc\\"), "'a\\tb\\nc\\\\'");
        assert_eq!(repr("\u{7f}\u{a0}\u{ad}é"), "'\\x7f\\xa0\\xadé'");
        assert_eq!(repr("\u{2028}\u{200b}😀\u{e000}"), "'\\u2028\\u200b😀\\ue000'");
        assert_eq!(str_repr(&[0xd800, 0x61]), "'\\ud800a'");
        assert_eq!(str_repr(&[0x10ffff]), "'\\U0010ffff'");
    }

    #[test]
    fn floats() {
        let cases = [
            (0.1, "0.1"),
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (1e300, "1e+300"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (1.5e-7, "1.5e-07"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
            (5e-324, "5e-324"),
        ];
        for (value, text) in cases {
            assert_eq!(float_repr(value), text);
        }
    }

    #[test]
    fn bytes_and_complex() {
        assert_eq!(bytes_repr(b"a'\x00\xff\n"), "b\"a'\\x00\\xff\\n\"");
        assert_eq!(complex_repr(1.0, -2.5), "(1-2.5j)");
        assert_eq!(complex_repr(0.0, 1.0), "1j");
        assert_eq!(complex_repr(-0.0, 1.0), "(-0+1j)");
    }
}
