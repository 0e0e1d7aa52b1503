//! Run-length encoding of frame lists.
//!
//! A stack overflow has 45,000 frames and more, but they repeat: the same functions call each other, and
//! every address on the stack differs from that of the same function one turn earlier by the same
//! amount. A frame list is a table of numbers. Each column becomes the differences between its
//! neighbours, those become runs of equal differences, and a sequence of runs that repeats (several
//! functions taking turns, frames that skip to the next memory block every so often) is copied from
//! at most [`MAX_PERIOD`] runs before. A recursion then takes a few hundred bytes.

use serde::{Deserialize, Serialize};

use super::streams::{NativeStep, PythonStep, RecordedStack, Trust};
use crate::addr::Addr;

/// The furthest back that runs are copied from.
const MAX_PERIOD: usize = 32;
/// Fewer runs than this are not worth a copy.
const MIN_COPY: usize = 3;
/// The most frames one list may have, and two such lists a stream: a few bytes of hostile input
/// must not become gigabytes.
pub const MAX_ROWS: usize = 200_000;
const MAX_ROWS_IN_ALL: usize = 3 * MAX_ROWS;
/// Version of the encoding.
const VERSION: u32 = 1;

/// Why the stacks of a dump cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    /// Not the JSON that is expected.
    #[error("the stacks stream is damaged: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by a later coldframe.
    #[error("the stacks stream has version {0}, and {VERSION} is known")]
    Version(u32),
    /// Longer than any real stack.
    #[error("the stacks stream expands to more than {MAX_ROWS} frames in a list, or {MAX_ROWS_IN_ALL} in all")]
    TooLong,
    /// A column of the table is shorter or longer than the table, or copies from before its begin.
    #[error("column {column} of a table of {rows} frames in the stacks stream is damaged")]
    Column {
        /// Which column, from 0.
        column: usize,
        /// How many frames the table says to have.
        rows: usize,
    },
    /// A number outside the range of its column.
    #[error("{value} is out of range in column {column} of the stacks stream")]
    Value {
        /// Which column, from 0.
        column: usize,
        /// The number.
        value: u64,
    },
}

/// The stream as it is stored.
#[derive(Serialize, Deserialize)]
struct Stream {
    version: u32,
    stacks: Vec<Stack>,
}

#[derive(Serialize, Deserialize)]
struct Stack {
    tid: u32,
    native: Table,
    python: Table,
}

#[derive(Serialize, Deserialize)]
struct Table {
    rows: usize,
    columns: Vec<Vec<Token>>,
}

/// A part of a column. Differences wrap around.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Token {
    /// One number that differs from the one before it (at first, from 0) by this.
    One(i64),
    /// Several such numbers.
    Run(i64, usize),
    /// As many runs again, each the one that lies `.0` runs before it: `[back, runs, 0]`.
    Copy(usize, usize, u8),
}

/// Writes the stream.
///
/// # Errors
/// Where a list has more than [`MAX_ROWS`] frames; the caller cuts it.
pub fn encode(stacks: &[RecordedStack]) -> Result<Vec<u8>, RunsError> {
    let longest = stacks.iter().map(|s| s.native.len().max(s.python.len())).max();
    let in_all: usize = stacks.iter().map(|s| s.native.len() + s.python.len()).sum();
    if longest.is_some_and(|rows| rows > MAX_ROWS) || in_all > MAX_ROWS_IN_ALL {
        return Err(RunsError::TooLong);
    }
    let stacks = stacks
        .iter()
        .map(|stack| Stack {
            tid: stack.tid,
            native: encode_table(&stack.native, native_row),
            python: encode_table(&stack.python, python_row),
        })
        .collect();
    Ok(serde_json::to_vec(&Stream {
        version: VERSION,
        stacks,
    })?)
}

/// Reads the stream.
///
/// # Errors
/// Where it is damaged or too long.
pub fn decode(bytes: &[u8]) -> Result<Vec<RecordedStack>, RunsError> {
    let stream: Stream = serde_json::from_slice(bytes)?;
    if stream.version != VERSION {
        return Err(RunsError::Version(stream.version));
    }
    let mut left = MAX_ROWS_IN_ALL;
    let mut take = |rows: usize| match left.checked_sub(rows) {
        Some(rest) if rows <= MAX_ROWS => {
            left = rest;
            Ok(())
        }
        _ => Err(RunsError::TooLong),
    };
    let mut stacks = Vec::new();
    for stack in stream.stacks {
        take(stack.native.rows)?;
        take(stack.python.rows)?;
        stacks.push(RecordedStack {
            tid: stack.tid,
            native: decode_table(&stack.native, native_step)?,
            python: decode_table(&stack.python, python_step)?,
        });
    }
    Ok(stacks)
}

fn encode_table<T, const N: usize>(steps: &[T], row: fn(&T) -> [u64; N]) -> Table {
    let columns = (0..N).map(|i| encode_column(steps.iter().filter_map(|step| row(step).get(i).copied())));
    Table {
        rows: steps.len(),
        columns: columns.collect(),
    }
}

fn encode_column(values: impl Iterator<Item = u64>) -> Vec<Token> {
    let mut runs: Vec<(i64, usize)> = Vec::new();
    let mut previous = 0u64;
    for value in values {
        let difference = value.wrapping_sub(previous).cast_signed();
        previous = value;
        match runs.last_mut() {
            Some((last, count)) if *last == difference => *count += 1,
            _ => runs.push((difference, 1)),
        }
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = runs.get(at..).filter(|rest| !rest.is_empty()) {
        let repeated = |back: usize| {
            let source = at
                .checked_sub(back)
                .and_then(|from| runs.get(from..))
                .unwrap_or_default();
            source.iter().zip(rest).take_while(|(a, b)| a == b).count()
        };
        let copy = (1..=MAX_PERIOD.min(at))
            .map(|back| (repeated(back), back))
            .max_by_key(|&(n, back)| (n, MAX_PERIOD - back));
        match (copy, rest) {
            (Some((count, back)), _) if count >= MIN_COPY => {
                tokens.push(Token::Copy(back, count, 0));
                at += count;
            }
            (_, [(difference, 1), ..]) => {
                tokens.push(Token::One(*difference));
                at += 1;
            }
            (_, [(difference, count), ..]) => {
                tokens.push(Token::Run(*difference, *count));
                at += 1;
            }
            (_, []) => break,
        }
    }
    tokens
}

fn decode_table<T, const N: usize>(
    table: &Table,
    step: fn([u64; N]) -> Result<T, RunsError>,
) -> Result<Vec<T>, RunsError> {
    let rows = table.rows;
    let mut columns = Vec::with_capacity(N);
    for column in 0..N {
        let tokens = table.columns.get(column).ok_or(RunsError::Column { column, rows })?;
        columns.push(decode_column(tokens, rows).ok_or(RunsError::Column { column, rows })?);
    }
    let mut steps = Vec::with_capacity(rows);
    for i in 0..rows {
        let mut row = [0; N];
        for (cell, column) in row.iter_mut().zip(&columns) {
            *cell = column.get(i).copied().unwrap_or_default();
        }
        steps.push(step(row)?);
    }
    Ok(steps)
}

/// Exactly `rows` numbers (at most [`MAX_ROWS`], which the caller has checked).
fn decode_column(tokens: &[Token], rows: usize) -> Option<Vec<u64>> {
    let mut runs: Vec<(i64, usize)> = Vec::new();
    // Every run holds at least one number, so neither list outgrows `rows`.
    let mut left = rows;
    let mut push = |runs: &mut Vec<(i64, usize)>, run: (i64, usize)| {
        left = left.checked_sub(run.1).filter(|_| run.1 > 0)?;
        runs.push(run);
        Some(())
    };
    for token in tokens {
        match *token {
            Token::One(difference) => push(&mut runs, (difference, 1))?,
            Token::Run(difference, count) => push(&mut runs, (difference, count))?,
            Token::Copy(back, count, _) => {
                for _ in 0..count {
                    let from = runs.len().checked_sub(back)?;
                    let run = *runs.get(from)?;
                    push(&mut runs, run)?;
                }
            }
        }
    }
    if left > 0 {
        return None;
    }
    let mut values = Vec::with_capacity(rows);
    let mut value = 0u64;
    for (difference, count) in runs {
        for _ in 0..count {
            value = value.wrapping_add(difference.cast_unsigned());
            values.push(value);
        }
    }
    Some(values)
}

const TRUST: [Trust; 5] = [
    Trust::Context,
    Trust::Cfi,
    Trust::ReturnAddress,
    Trust::FramePointer,
    Trust::Scan,
];

fn native_row(step: &NativeStep) -> [u64; 4] {
    let trust = TRUST.iter().position(|t| *t == step.trust).unwrap_or_default() as u64;
    // The stack pointer is mostly the CFA of the frame before, and so as regular as the CFA itself.
    let flags = trust << 2 | u64::from(step.is_signal_trampoline) << 1 | u64::from(step.is_exact);
    [step.pc.0, step.sp.0, step.cfa.0, flags]
}

fn native_step([pc, sp, cfa, flags]: [u64; 4]) -> Result<NativeStep, RunsError> {
    let trust = usize::try_from(flags >> 2).ok().and_then(|i| TRUST.get(i)).copied();
    Ok(NativeStep {
        pc: Addr(pc),
        sp: Addr(sp),
        cfa: Addr(cfa),
        trust: trust.ok_or(RunsError::Value {
            column: 3,
            value: flags,
        })?,
        is_exact: flags & 1 != 0,
        is_signal_trampoline: flags & 2 != 0,
    })
}

/// Ids of interpreters count up from 0.
const MAX_INTERPRETER: u64 = 1 << 40;

fn python_row(step: &PythonStep) -> [u64; 5] {
    let bits = [step.is_entry, step.is_generator, step.is_hidden, step.has_locals];
    let flags: u64 = bits.iter().enumerate().map(|(i, bit)| u64::from(*bit) << i).sum();
    let interpreter = step.interpreter.cast_unsigned().min(MAX_INTERPRETER);
    [
        step.frame.0,
        step.code.0,
        i64::from(step.lasti).cast_unsigned(),
        step.anchor.0,
        interpreter << 4 | flags,
    ]
}

fn python_step([frame, code, lasti, anchor, flags]: [u64; 5]) -> Result<PythonStep, RunsError> {
    if flags >> 4 > MAX_INTERPRETER {
        return Err(RunsError::Value {
            column: 4,
            value: flags,
        });
    }
    Ok(PythonStep {
        frame: Addr(frame),
        code: Addr(code),
        lasti: i32::try_from(lasti.cast_signed()).map_err(|_| RunsError::Value {
            column: 2,
            value: lasti,
        })?,
        anchor: Addr(anchor),
        interpreter: (flags >> 4).cast_signed(),
        is_entry: flags & 1 != 0,
        is_generator: flags & 2 != 0,
        is_hidden: flags & 4 != 0,
        has_locals: flags & 8 != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(pc: u64, sp: u64, cfa: u64) -> NativeStep {
        NativeStep {
            pc: Addr(pc),
            sp: Addr(sp),
            cfa: Addr(cfa),
            trust: Trust::Cfi,
            is_exact: false,
            is_signal_trampoline: false,
        }
    }

    fn python(frame: u64, code: u64, lasti: i32) -> PythonStep {
        PythonStep {
            frame: Addr(frame),
            code: Addr(code),
            lasti,
            anchor: Addr(frame / 3),
            interpreter: (frame % 3).cast_signed(),
            is_entry: code.is_multiple_of(2),
            is_generator: false,
            is_hidden: lasti < 0,
            has_locals: true,
        }
    }

    /// As a stack overflow leaves it: three functions in turn, Python frames in blocks of 16 KiB.
    #[test]
    fn deep_recursion_takes_a_few_hundred_bytes() {
        let mut stack = RecordedStack {
            tid: 5,
            ..RecordedStack::default()
        };
        let mut sp = 0x7ffc_0000_1000;
        for i in 0..45_000u64 {
            let size = [0xb0, 0x50, 0x90][i as usize % 3];
            stack.native.push(native(
                0x7f00_0000_1000 + [17, 0x2200, 0x99][i as usize % 3],
                sp,
                sp + size,
            ));
            sp += size;
            let (block, slot) = (i / 170, i % 170);
            stack
                .python
                .push(python(0x7f55_0000_0000 - block * 0x4000 + slot * 96, 0x1234, 42));
        }
        let bytes = encode(std::slice::from_ref(&stack)).unwrap();
        assert!(
            bytes.len() < 500,
            "{} bytes: {}",
            bytes.len(),
            String::from_utf8_lossy(&bytes)
        );
        assert_eq!(decode(&bytes).unwrap(), [stack]);
    }

    #[test]
    fn random_tables_come_back_exactly() {
        let mut seed = 1u64;
        let mut next = |bound: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 20) % bound
        };
        for round in 0..300 {
            let mut stack = RecordedStack {
                tid: round,
                ..RecordedStack::default()
            };
            // Few different values make many repeats, many make none.
            let variety = [2, 5, u64::MAX >> 21][round as usize % 3];
            for _ in 0..next(200) {
                let mut step = native(next(variety).wrapping_neg(), next(variety) << 40, next(variety));
                step.trust = TRUST[next(5) as usize];
                step.is_exact = next(2) == 0;
                step.is_signal_trampoline = next(9) == 0;
                stack.native.push(step);
            }
            for _ in 0..next(200) {
                stack
                    .python
                    .push(python(next(variety), next(variety), next(1 << 32) as u32 as i32));
            }
            let bytes = encode(std::slice::from_ref(&stack)).unwrap();
            assert_eq!(decode(&bytes).unwrap(), [stack]);
        }
    }

    #[test]
    fn hostile_streams_are_refused() {
        let table = |rows: &str, tokens: &str| {
            let empty = r#"{"rows":0,"columns":[[],[],[],[],[]]}"#;
            let native = format!(r#"{{"rows":{rows},"columns":[{tokens},{tokens},{tokens},{tokens}]}}"#);
            format!(r#"{{"version":1,"stacks":[{{"tid":1,"native":{native},"python":{empty}}}]}}"#)
        };
        assert!(decode(table("3", "[[0,3]]").as_bytes()).is_ok());
        for (rows, tokens) in [
            ("4", "[[0,3]]"),
            ("2", "[[0,3]]"),
            ("200001", "[[0,200001]]"),
            ("18446744073709551615", "[[0,18446744073709551615]]"),
            ("3", "[[9,1,0]]"),
            ("3", "[1,[0,2,0]]"),
            ("3", "[1,[1,18446744073709551615,0]]"),
            ("3", "[[0,0],[0,3]]"),
            ("3", "[[99,3]]"),
        ] {
            assert!(decode(table(rows, tokens).as_bytes()).is_err(), "{rows} {tokens}");
        }
        assert!(matches!(
            decode(br#"{"version":2,"stacks":[]}"#),
            Err(RunsError::Version(2))
        ));
        assert!(decode(b"{").is_err());
        let many = table("200000", "[[0,200000]]");
        let one = many.split_once("[{\"tid\"").unwrap().1.strip_suffix("]}").unwrap();
        let stacks = vec![format!("{{\"tid\"{one}"); 4].join(",");
        let many = format!("{{\"version\":1,\"stacks\":[{stacks}]}}");
        assert!(matches!(decode(many.as_bytes()), Err(RunsError::TooLong)));
    }
}
