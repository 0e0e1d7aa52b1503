//! Fields of types written in C that they offer as plain numbers (`tp_members`).

use super::super::Python;
use super::super::object::TypeInfo;
use super::{Part, Value, numbers};
use crate::addr::Addr;
use crate::source::MemoryExt;

/// Kinds of members (Include/structmember.h) that hold a number: the code of the module `struct`, and the bytes.
const NUMBERS: [(i32, char, usize); 13] = [
    (0, 'h', 2),
    (1, 'i', 4),
    (2, 'l', 8),
    (3, 'f', 4),
    (4, 'd', 8),
    (8, 'b', 1),
    (9, 'B', 1),
    (10, 'H', 2),
    (11, 'I', 4),
    (12, 'L', 8),
    (17, 'q', 8),
    (18, 'Q', 8),
    (19, 'q', 8),
];
/// `T_BOOL`.
const BOOLEAN: i32 = 14;

impl Python<'_> {
    /// The numbers among the members of a type.
    pub(super) fn plain_members(&self, object: Addr, info: &TypeInfo) -> Vec<(String, Part)> {
        let mut found = Vec::new();
        for member in self.members(info) {
            // `__dictoffset__` and the like tell of the type.
            if member.name.starts_with("__") {
                continue;
            }
            let at = object.add(member.offset);
            if self.redacts_plain(&member.name, at) {
                found.push((format!(".{}", member.name), Part::Plain(Self::redacted_plain(at))));
                continue;
            }
            let number = NUMBERS.iter().find(|(kind, ..)| *kind == member.kind);
            let text = match number {
                Some(&(_, code, width)) => {
                    let bytes = self.memory.read_vec(at, width);
                    bytes.ok().and_then(|bytes| numbers::plain(code, &bytes))
                }
                None if member.kind == BOOLEAN => {
                    let byte = self.memory.read_u8(at).ok();
                    byte.map(|byte| if byte == 0 { "False" } else { "True" }.to_string())
                }
                None => None,
            };
            if let Some(text) = text {
                let value = Value {
                    text,
                    address: at,
                    is_readable: true,
                    ..Value::default()
                };
                found.push((format!(".{}", member.name), Part::Plain(value)));
            }
        }
        found
    }
}
