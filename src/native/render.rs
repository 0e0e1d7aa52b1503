//! Values of native variables, in the form of C.

use std::fmt::Write;

use crate::addr::Addr;
use crate::python::{Limits, Python, Value};
use crate::redact::REDACTED;
use crate::source::variables::{Form, NativeType, NativeVariable, Place};
use crate::source::{Memory, MemoryExt, ReadError};

/// The most characters of a text that are shown.
const MAX_TEXT: usize = 200;
/// The most items of an array that are shown.
const MAX_ITEMS: u64 = 10;
/// The most bytes of one value that are read.
const MAX_BYTES: u64 = 4096;
/// How deep structures are followed.
const MAX_DEPTH: u32 = 4;

/// Shows values.
pub struct Renderer<'r, 'm> {
    /// The memory of the process.
    pub memory: &'r dyn Memory,
    /// For Python objects.
    pub python: Option<&'r Python<'m>>,
    /// How much of objects is looked at.
    pub limits: Limits,
}

impl Renderer<'_, '_> {
    /// The value of a variable; `None` where it is nowhere.
    pub fn value(&mut self, variable: &NativeVariable) -> Option<Value> {
        let kind = &variable.kind;
        Some(match &variable.place {
            Place::Nowhere => return None,
            Place::Redacted => redacted(kind),
            Place::Bytes(bytes) => self.of_bytes(kind, bytes, 0),
            Place::Memory(at) => self.at(kind, *at, 0),
        })
    }

    /// The value in memory.
    fn at(&mut self, kind: &NativeType, at: Addr, depth: u32) -> Value {
        let mut bytes = vec![0; kind.size.min(MAX_BYTES) as usize];
        match self.read_shown(kind, at, &mut bytes) {
            Ok(()) => self.of_bytes(kind, &bytes, depth),
            Err(_) => Value {
                type_name: Some(kind.name.clone()),
                text: format!("<unreadable at {at}>"),
                ..Value::default()
            },
        }
    }

    /// Reads what is shown of a value; what is read is in the dump, secret or not.
    fn read_shown(&self, kind: &NativeType, at: Addr, bytes: &mut [u8]) -> Result<(), ReadError> {
        match &kind.form {
            Form::Redacted => Ok(()),
            Form::Struct(members) => {
                for member in members {
                    let end = member.offset.saturating_add(member.kind.size) as usize;
                    if let Some(part) = bytes.get_mut(member.offset as usize..end) {
                        self.read_shown(&member.kind, at.add(member.offset), part)?;
                    }
                }
                Ok(())
            }
            Form::Array(item, _) if matches!(item.form, Form::Struct(_)) => {
                let items = bytes.chunks_exact_mut(item.size.max(1) as usize);
                for (part, index) in items.zip(0u64..) {
                    self.read_shown(item, at.add(index * item.size), part)?;
                }
                Ok(())
            }
            _ => self.memory.read(at, bytes),
        }
    }

    fn of_bytes(&mut self, kind: &NativeType, bytes: &[u8], depth: u32) -> Value {
        let mut value = Value {
            type_name: Some(kind.name.clone()),
            is_readable: true,
            ..Value::default()
        };
        let word = word(bytes);
        match &kind.form {
            Form::Signed if bytes.len() <= 8 => value.text = signed(bytes).to_string(),
            Form::Unsigned if bytes.len() <= 8 => value.text = word.to_string(),
            Form::Bool => value.text = boolean(word),
            Form::Char => value.text = character(bytes),
            Form::Float => value.text = float(bytes),
            Form::Enum(names) => value.text = enumerator(names, signed(bytes)),
            Form::Object => return self.object(kind, Addr(word)),
            Form::Text => value.text = self.text(Addr(word)),
            Form::String { address, length } => {
                let word_at = |offset: u64| bytes.get(offset as usize..).map(self::word).unwrap_or_default();
                let (at, length) = (Addr(word_at(*address)), word_at(*length));
                value.length = Some(length);
                value.text = self.characters(at, length);
            }
            Form::Code => value.text = pointer(word),
            Form::Redacted => return redacted(kind),
            Form::Pointer(target) => {
                value.text = pointer(word);
                if let Some(target) = target
                    && let Form::Struct(_) = target.form
                    && word != 0
                    && depth == 0
                {
                    value.parts = self.at(target, Addr(word), depth + 1).parts;
                }
                // Most are references, which C++ writes as if they were the text.
                if let Some(target) = target
                    && let Form::String { .. } = target.form
                    && word != 0
                {
                    let text = self.at(target, Addr(word), depth + 1);
                    value.text = text.text;
                    value.length = text.length;
                }
            }
            Form::Struct(members) if depth < MAX_DEPTH => {
                for member in members {
                    let from = member.offset as usize;
                    let end = from.saturating_add(member.kind.size as usize);
                    let inner = match (bytes.get(from..end), member.bits) {
                        (Some(bytes), None) => self.of_bytes(&member.kind, bytes, depth + 1),
                        (Some(_), Some((bit, count))) => bit_field(&member.kind, bytes, from, bit, count),
                        (None, _) => continue,
                    };
                    value.parts.push((format!(".{}", member.name), inner));
                }
                value.text = match members.is_empty() && kind.size > 1 {
                    true => "{…}".into(),
                    false => summary(&value.parts),
                };
            }
            Form::Array(item, count) if depth < MAX_DEPTH => {
                value.length = Some(*count);
                value.text = self.array(item, *count, bytes, depth);
            }
            _ => {
                value.text = bytes.iter().take(32).fold(String::from("bytes"), |mut text, byte| {
                    // Writing to a string cannot fail.
                    let _ = write!(text, " {byte:02x}");
                    text
                });
            }
        }
        value
    }

    fn object(&mut self, kind: &NativeType, at: Addr) -> Value {
        match self.python {
            Some(python) if !at.is_null() => {
                let value = python.value(at, &mut self.limits);
                Value {
                    type_name: value.type_name.or(Some(kind.name.clone())),
                    ..value
                }
            }
            _ => Value {
                type_name: Some(kind.name.clone()),
                text: pointer(at.0),
                is_readable: true,
                ..Value::default()
            },
        }
    }

    /// `0x7f… "text"`
    fn text(&self, at: Addr) -> String {
        if at.is_null() {
            return pointer(0);
        }
        match self.memory.read_c_string(at, MAX_TEXT) {
            Ok(text) => {
                let mark = if text.len() == MAX_TEXT { "…" } else { "" };
                format!("\"{}\"{mark}", text.escape_ascii())
            }
            Err(_) => format!("{at} <unreadable>"),
        }
    }

    /// `"text"`, and how much more there is.
    fn characters(&self, at: Addr, length: u64) -> String {
        let shown = length.min(MAX_TEXT as u64);
        match self.memory.read_vec(at, shown as usize) {
            Ok(text) if shown < length => format!("\"{}\"… {} more", text.escape_ascii(), length - shown),
            Ok(text) => format!("\"{}\"", text.escape_ascii()),
            Err(_) => format!("{at} <unreadable>"),
        }
    }

    fn array(&mut self, item: &NativeType, count: u64, bytes: &[u8], depth: u32) -> String {
        if item.form == Form::Char {
            let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
            let shown = bytes.get(..end.min(MAX_TEXT)).unwrap_or_default();
            let mark = if end > MAX_TEXT { "…" } else { "" };
            return format!("\"{}\"{mark}", shown.escape_ascii());
        }
        let size = item.size.max(1) as usize;
        let items = bytes.chunks_exact(size).take(count.min(MAX_ITEMS) as usize);
        let mut shown: Vec<String> = Vec::new();
        for bytes in items {
            shown.push(self.of_bytes(item, bytes, depth + 1).text);
        }
        let rest = count.saturating_sub(shown.len() as u64);
        if rest > 0 {
            shown.push(format!("… {rest} more"));
        }
        format!("{{{}}}", shown.join(", "))
    }
}

fn redacted(kind: &NativeType) -> Value {
    Value {
        type_name: Some(kind.name.clone()),
        text: REDACTED.to_string(),
        is_readable: true,
        is_redacted: true,
        ..Value::default()
    }
}

pub(super) fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_le_bytes(word)
}

fn signed(bytes: &[u8]) -> i64 {
    let unused = 64 - 8 * bytes.len().clamp(1, 8) as u32;
    word(bytes).cast_signed() << unused >> unused
}

fn boolean(word: u64) -> String {
    match word {
        0 => "false".to_string(),
        1 => "true".to_string(),
        other => other.to_string(),
    }
}

/// `65 'A'`
fn character(bytes: &[u8]) -> String {
    let byte = bytes.first().copied().unwrap_or_default();
    format!(
        "{} '{}'",
        signed(bytes.get(..1).unwrap_or_default()),
        byte.escape_ascii()
    )
}

fn float(bytes: &[u8]) -> String {
    match (bytes.len(), word(bytes)) {
        (4, word) => format!("{:?}", f32::from_bits(word as u32)),
        (_, word) => format!("{:?}", f64::from_bits(word)),
    }
}

fn enumerator(names: &[(i64, String)], value: i64) -> String {
    let named = names.iter().find(|(known, _)| *known == value);
    named.map_or_else(|| value.to_string(), |(_, name)| name.clone())
}

fn pointer(word: u64) -> String {
    Addr(word).to_string()
}

fn bit_field(kind: &NativeType, bytes: &[u8], from: usize, bit: u64, count: u64) -> Value {
    let word = word(bytes.get(from..).unwrap_or_default()) >> (bit & 63);
    let unused = 64 - count.clamp(1, 64) as u32;
    let text = match kind.form {
        Form::Signed => (word.cast_signed() << unused >> unused).to_string(),
        Form::Bool => boolean(word << unused >> unused),
        _ => (word << unused >> unused).to_string(),
    };
    Value {
        type_name: Some(kind.name.clone()),
        text,
        is_readable: true,
        ..Value::default()
    }
}

/// `{x = 1, y = 2}`
fn summary(parts: &[(String, Value)]) -> String {
    let shown = parts.iter().take(MAX_ITEMS as usize);
    let mut shown: Vec<String> = shown
        .map(|(name, value)| format!("{} = {}", name.trim_start_matches('.'), value.text))
        .collect();
    if parts.len() > shown.len() {
        shown.push(format!("… {} more", parts.len() - shown.len()));
    }
    format!("{{{}}}", shown.join(", "))
}
