//! From an instruction to its place in the source: CPython's three line table formats.

use crate::layout::LineTable;

/// Where an instruction stands in the source file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Last line of the expression.
    pub end_line: Option<u32>,
    /// First column, from 0, in UTF-8 bytes.
    pub column: Option<u32>,
    /// Column past the last one, from 0, in UTF-8 bytes.
    pub end_column: Option<u32>,
}

/// The place of the instruction at byte offset `lasti`; for a negative one (no instruction has
/// begun) the first line of the function. `None` for instructions without a line.
pub fn position(format: LineTable, table: &[u8], first_line: u32, lasti: i32) -> Option<Position> {
    let Ok(lasti) = u32::try_from(lasti) else {
        return Some(Position {
            line: first_line,
            ..Position::default()
        });
    };
    match format {
        LineTable::Lnotab => Some(lnotab(table, first_line, lasti)),
        LineTable::Ranges => ranges(table, first_line, lasti),
        LineTable::Locations => locations(table, first_line, lasti),
    }
}

fn at_line(line: i64) -> Position {
    Position {
        line: u32::try_from(line).unwrap_or(0),
        ..Position::default()
    }
}

/// Pairs of address increment (unsigned) and line increment (signed); Objects/lnotab_notes.txt of
/// CPython 3.8, `PyCode_Addr2Line` in Objects/codeobject.c.
fn lnotab(table: &[u8], first_line: u32, lasti: u32) -> Position {
    let mut line = i64::from(first_line);
    let mut address = 0;
    for pair in table.chunks_exact(2) {
        address += u32::from(pair[0]);
        if address > lasti {
            break;
        }
        line += i64::from(pair[1] as i8);
    }
    at_line(line)
}

/// Pairs of range length (unsigned) and line increment (signed, -128 for no line); PEP 626,
/// Objects/lnotab_notes.txt of CPython 3.10.
fn ranges(table: &[u8], first_line: u32, lasti: u32) -> Option<Position> {
    let mut computed = i64::from(first_line);
    let mut end = 0;
    for pair in table.chunks_exact(2) {
        let delta = pair[1] as i8;
        end += u32::from(pair[0]);
        if delta != i8::MIN {
            computed += i64::from(delta);
        }
        if lasti < end {
            return (delta != i8::MIN).then(|| at_line(computed));
        }
    }
    None
}

/// Entries of variable length; Objects/locations.md of CPython 3.11 (since 3.13
/// InternalDocs/code_objects.md). The table ends where its bytes end: a zero byte is no terminator.
fn locations(table: &[u8], first_line: u32, lasti: u32) -> Option<Position> {
    let mut reader = Varints { bytes: table };
    let mut line = i64::from(first_line);
    let mut end = 0;
    while let Some(first) = reader.byte() {
        // 0x80, four bits of code, three bits of length in code units minus one.
        let code = (first >> 3) & 15;
        end += (u32::from(first & 7) + 1) * 2;
        let mut position = Position::default();
        match code {
            15 => {
                if lasti < end {
                    return None;
                }
                continue;
            }
            14 => {
                line += reader.signed()?;
                position.end_line = u32::try_from(line + i64::from(reader.unsigned()?)).ok();
                position.column = reader.unsigned()?.checked_sub(1);
                position.end_column = reader.unsigned()?.checked_sub(1);
            }
            13 => line += reader.signed()?,
            10..=12 => {
                line += i64::from(code) - 10;
                position.column = Some(u32::from(reader.byte()?));
                position.end_column = Some(u32::from(reader.byte()?));
                position.end_line = u32::try_from(line).ok();
            }
            short => {
                let second = u32::from(reader.byte()?);
                let column = u32::from(short) * 8 + (second >> 4);
                position.column = Some(column);
                position.end_column = Some(column + (second & 15));
                position.end_line = u32::try_from(line).ok();
            }
        }
        if lasti < end {
            position.line = u32::try_from(line).unwrap_or(0);
            return Some(position);
        }
    }
    None
}

/// The variable-length integers of the location table: six bits a byte, least significant first,
/// bit 6 set on all but the last.
struct Varints<'a> {
    bytes: &'a [u8],
}

impl Varints<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(first)
    }

    fn unsigned(&mut self) -> Option<u32> {
        let mut value = 0u32;
        let mut shift = 0;
        loop {
            let byte = self.byte()?;
            value |= u32::from(byte & 63).checked_shl(shift).unwrap_or(0);
            shift += 6;
            if byte & 64 == 0 {
                return Some(value);
            }
        }
    }

    /// The sign is in the lowest bit.
    fn signed(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        let magnitude = i64::from(value >> 1);
        Some(if value & 1 == 1 { -magnitude } else { magnitude })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lnotab_adds_up_to_the_last_entry_at_or_before_the_instruction() {
        // CPython 3.8 for "def f():\n a\n\n b": (0, 1) (4, 2).
        let table = [0, 1, 4, 2];
        let line = |lasti| position(LineTable::Lnotab, &table, 10, lasti).map(|p| p.line);
        assert_eq!(line(-1), Some(10));
        assert_eq!(line(0), Some(11));
        assert_eq!(line(3), Some(11));
        assert_eq!(line(4), Some(13));
    }

    #[test]
    fn lnotab_goes_back() {
        assert_eq!(
            position(LineTable::Lnotab, &[0, 5, 2, 0xfe], 1, 2).map(|p| p.line),
            Some(4)
        );
    }

    #[test]
    fn ranges_know_instructions_without_a_line() {
        let table = [4, 1, 2, 0x80, 2, 1];
        let line = |lasti| position(LineTable::Ranges, &table, 7, lasti).map(|p| p.line);
        assert_eq!([line(0), line(4), line(6), line(8)], [Some(8), None, Some(9), None]);
    }

    #[test]
    fn locations_of_every_kind() {
        let table = [
            0x80 | (10 << 3),
            4,
            9, // one line, delta 0, columns 4 to 9, one unit
            0x80 | (11 << 3) | 1,
            0,
            3, // next line, two units
            0x80 | (2 << 3),
            0x35,             // short: column 2*8+3, width 5
            0x80 | (15 << 3), // no location
            0x80 | (13 << 3),
            0x03, // line -1, no columns
            0x80 | (14 << 3),
            0x04,
            1,
            2,
            5, // line +2, one line long, columns 1 to 4
        ];
        let at = |lasti| position(LineTable::Locations, &table, 100, lasti);
        let full = |line, end_line, column, end_column| {
            Some(Position {
                line,
                end_line: Some(end_line),
                column: Some(column),
                end_column: Some(end_column),
            })
        };
        assert_eq!(at(0), full(100, 100, 4, 9));
        assert_eq!(at(4), full(101, 101, 0, 3));
        assert_eq!(at(6), full(101, 101, 19, 24));
        assert_eq!(at(8), None);
        assert_eq!(
            at(10),
            Some(Position {
                line: 100,
                ..Position::default()
            })
        );
        assert_eq!(at(12), full(102, 103, 1, 4));
        assert_eq!(at(14), None);
    }

    #[test]
    fn hostile_tables_end() {
        for format in [LineTable::Lnotab, LineTable::Ranges, LineTable::Locations] {
            for byte in 0..=255 {
                position(format, &[byte; 99], 1, 1 << 20);
                position(format, &[byte, 0xff, 0xff], u32::MAX, 0);
            }
        }
    }
}
