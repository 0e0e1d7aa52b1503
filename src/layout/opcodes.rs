//! The instructions of each minor version, specialised and instrumented forms included.
//!
//! They are fixed within a minor (Include/opcode_ids.h, Lib/opcode.py, Lib/_opcode_metadata.py).

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

use super::versions::PythonVersion;

/// A row for each instruction of each minor; `UPDATE_GOLDENS=1 cargo test --test it opcodes` rewrites it from the
/// interpreters at hand.
pub const OPCODES: &str = include_str!("opcodes.tsv");

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opcode {
    /// Its name, as `dis` has it.
    pub name: &'static str,
    /// How many code units of cached data lie behind it.
    pub caches: u8,
    /// What its argument is.
    pub argument: Argument,
}

/// What the argument of an instruction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// It has none.
    None,
    /// A number.
    Number,
    /// An index into `co_consts`.
    Const,
    /// An index into `co_names`, above so many other bits.
    Name(u8),
    /// An index into the frame's slots.
    Local,
    /// Two of them, of four bits each.
    LocalPair,
    /// An index into the cells, those of outer functions last.
    Cell,
    /// A distance from the end of the instruction forwards, in units of so many bytes.
    Forward(u8),
    /// The same backwards.
    Backward(u8),
    /// A place in the code, in units of so many bytes.
    Absolute(u8),
}

type Table = HashMap<(u8, u8), Opcode>;

/// The instruction with this number; `None` where that version has none, or is not known.
pub fn opcode(version: PythonVersion, number: u8) -> Option<Opcode> {
    static TABLE: OnceLock<Table> = OnceLock::new();
    let table = TABLE.get_or_init(|| OPCODES.lines().filter_map(parse_row).collect());
    table.get(&(version.minor(), number)).copied()
}

/// The rows of these versions' minors, as text: minor, number, name, inline caches behind it, argument.
pub fn opcode_rows(versions: impl Iterator<Item = PythonVersion>) -> impl Iterator<Item = &'static str> {
    let minors: BTreeSet<u8> = versions.map(|version| version.minor()).collect();
    OPCODES.lines().filter(move |line| {
        let minor = line.split('\t').next().and_then(|minor| minor.parse().ok());
        minor.is_some_and(|minor: u8| minors.contains(&minor))
    })
}

fn parse_row(line: &'static str) -> Option<((u8, u8), Opcode)> {
    let mut words = line.split('\t');
    let key = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let opcode = Opcode {
        name: words.next()?,
        caches: words.next()?.parse().ok()?,
        argument: parse_argument(words.next()?)?,
    };
    Some((key, opcode))
}

fn parse_argument(word: &str) -> Option<Argument> {
    let (word, number) = match word.split_once(['*', '>']) {
        Some((word, number)) => (word, number.trim_start_matches('>').parse().ok()?),
        None => (word, 0),
    };
    Some(match word {
        "none" => Argument::None,
        "number" => Argument::Number,
        "const" => Argument::Const,
        "name" => Argument::Name(number),
        "local" => Argument::Local,
        "local-pair" => Argument::LocalPair,
        "cell" => Argument::Cell,
        "forward" => Argument::Forward(number),
        "back" => Argument::Backward(number),
        "absolute" => Argument::Absolute(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_understood() {
        let rows = OPCODES.lines().filter(|line| !line.starts_with('#'));
        for line in rows {
            assert!(parse_row(line).is_some(), "{line}");
        }
        let load_global =
            opcode(PythonVersion::release(3, 12, 1), 116).map(|opcode| (opcode.name, opcode.caches, opcode.argument));
        assert_eq!(load_global, Some(("LOAD_GLOBAL", 4, Argument::Name(1))));
        assert_eq!(opcode(PythonVersion::release(3, 7, 0), 100), None);
    }

    #[test]
    fn every_version_has_its_rows() {
        for version in super::super::VERSIONS {
            let minor = format!("{}\t", version.minor);
            assert!(
                OPCODES.lines().filter(|line| line.starts_with(&minor)).count() > 100,
                "{minor}"
            );
        }
    }
}
