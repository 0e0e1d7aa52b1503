//! Variables of native frames that are left out: by their names, those of structure members, and by what they say.
//!
//! As with Python's, what decides that is read without being recorded. A text behind a secret name is known from then on,
//! wherever it is met again.

use super::render::{Renderer, word};
use crate::addr::Addr;
use crate::python::{Limits, Python, Value};
use crate::redact::Redactor;
use crate::source::variables::{Form, NativeType, NativeVariable, Place, RecordedVariables};
use crate::source::{Memory, MemoryExt, Peek};

/// The most bytes of a text that are kept to be found again.
const MAX_TEXT: usize = 4096;
/// The most bytes of one variable that are looked at.
const MAX_BYTES: u64 = 4096;
/// How deep structures are followed.
const MAX_DEPTH: u32 = 4;

/// Finds what is to be left out.
pub struct Secrets<'a, 'm> {
    /// The memory of the process.
    pub memory: &'a dyn Memory,
    /// For Python objects.
    pub python: Option<&'a Python<'m>>,
    /// What is secret.
    pub redactor: &'a Redactor,
}

impl Secrets<'_, '_> {
    /// Leaves the secrets among these variables out.
    pub fn hide(&self, frames: &mut [RecordedVariables]) {
        if !self.redactor.is_active() {
            return;
        }
        for variable in frames.iter_mut().flat_map(|frame| frame.functions.iter_mut().flatten()) {
            self.hide_variable(variable);
        }
    }

    fn hide_variable(&self, variable: &mut NativeVariable) {
        let bytes = match &variable.place {
            Place::Memory(at) => self.bytes(*at, variable.kind.size),
            Place::Bytes(bytes) => bytes.clone(),
            Place::Nowhere | Place::Redacted => return,
        };
        if self.redactor.is_secret_name(&variable.name) {
            self.learn(&variable.name, &variable.kind, &bytes, 0);
            variable.place = Place::Redacted;
            return;
        }
        self.hide_members(&mut variable.kind, &bytes, 0);
        let memory = Peek(self.memory);
        let mut renderer = Renderer {
            memory: &memory,
            python: None,
            limits: Limits::default(),
        };
        if renderer.value(variable).is_some_and(|value| self.tells(&value)) {
            variable.place = Place::Redacted;
        }
    }

    /// Members of secret names, wherever in the type they are.
    fn hide_members(&self, kind: &mut NativeType, bytes: &[u8], depth: u32) {
        if depth >= MAX_DEPTH {
            return;
        }
        match &mut kind.form {
            Form::Struct(members) => {
                for member in members {
                    let from = member.offset as usize;
                    let end = from.saturating_add(member.kind.size as usize);
                    let bytes = bytes.get(from..end).unwrap_or_default();
                    if self.redactor.is_secret_name(&member.name) {
                        self.learn(&member.name, &member.kind, bytes, depth);
                        member.kind.form = Form::Redacted;
                    } else {
                        self.hide_members(&mut member.kind, bytes, depth + 1);
                    }
                }
            }
            Form::Pointer(Some(target)) => {
                let bytes = self.bytes(Addr(word(bytes)), target.size);
                self.hide_members(target, &bytes, depth + 1);
            }
            Form::Array(item, _) if matches!(item.form, Form::Struct(_) | Form::Array(..)) => {
                let described = item.clone();
                self.hide_members(item, &[], depth + 1);
                // What each of them holds is learned.
                for bytes in bytes.chunks_exact(described.size.max(1) as usize) {
                    self.hide_members(&mut described.clone(), bytes, depth + 1);
                }
            }
            _ => {}
        }
    }

    /// Has what lies behind a secret name found elsewhere, too.
    fn learn(&self, name: &str, kind: &NativeType, bytes: &[u8], depth: u32) {
        match &kind.form {
            Form::Object => {
                if let Some(python) = self.python {
                    python.redact_named(name, Addr(word(bytes)));
                }
            }
            Form::Text => {
                let text = Peek(self.memory).read_c_string(Addr(word(bytes)), MAX_TEXT);
                self.redactor.add_bytes(&text.unwrap_or_default());
            }
            Form::String { address, length } => {
                let word_at = |offset: u64| bytes.get(offset as usize..).map(word).unwrap_or_default();
                let length = word_at(*length).min(MAX_TEXT as u64) as usize;
                let text = Peek(self.memory).read_vec(Addr(word_at(*address)), length);
                self.redactor.add_bytes(&text.unwrap_or_default());
            }
            Form::Pointer(Some(target)) if matches!(target.form, Form::String { .. }) => {
                let bytes = self.bytes(Addr(word(bytes)), target.size);
                self.learn(name, target, &bytes, depth + 1);
            }
            Form::Array(item, _) if item.form == Form::Char => {
                let text = bytes.split(|&byte| byte == 0).next();
                self.redactor.add_bytes(text.unwrap_or_default());
            }
            // A field of a Python type's structure: what its form was is not known any more.
            Form::Redacted => {
                let text = bytes.split(|&byte| byte == 0).next();
                self.redactor.add_bytes(text.unwrap_or_default());
                // A pointer, or what begins with one, as strings do.
                if kind.size >= 8 {
                    let text = Peek(self.memory).read_c_string(Addr(word(bytes)), MAX_TEXT);
                    self.redactor.add_bytes(&text.unwrap_or_default());
                }
            }
            Form::Struct(members) if depth < MAX_DEPTH => {
                for member in members {
                    let from = member.offset as usize;
                    let end = from.saturating_add(member.kind.size as usize);
                    self.learn(name, &member.kind, bytes.get(from..end).unwrap_or_default(), depth + 1);
                }
            }
            _ => {}
        }
    }

    /// Whether what would be shown holds a secret.
    fn tells(&self, value: &Value) -> bool {
        !self.redactor.secrets_in(&value.text).is_empty() || value.parts.iter().any(|(_, part)| self.tells(part))
    }

    fn bytes(&self, at: Addr, size: u64) -> Vec<u8> {
        Peek(self.memory)
            .read_vec(at, size.min(MAX_BYTES) as usize)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Rules;
    use crate::source::fake::FakeMemory;
    use crate::source::variables::Member;

    fn kind(size: u64, form: Form) -> NativeType {
        NativeType {
            name: "t".to_string(),
            size,
            form,
        }
    }

    fn variable(name: &str, kind: NativeType, place: Place) -> NativeVariable {
        NativeVariable {
            name: name.to_string(),
            is_argument: false,
            kind,
            place,
            register: None,
        }
    }

    #[test]
    fn names_members_and_texts() {
        let memory = FakeMemory::new()
            .with(Addr(0x1000), b"hunter-2-hunter\0".to_vec())
            .with(Addr(0x2000), [0x1000u64.to_le_bytes(), 7u64.to_le_bytes()].concat())
            .with(Addr(0x4000), b"sesame-open".to_vec())
            .with(Addr(0x5000), b"say sesame-open\0\0\0\0\0\0\0\0\0".to_vec())
            .with(Addr(0x3000), b"as hunter-2-hunter says\0\0\0\0\0\0\0\0\0".to_vec());
        let redactor = Redactor::new(Rules::default());
        let login = Form::Struct(vec![
            Member {
                name: "password".to_string(),
                offset: 0,
                bits: None,
                kind: kind(8, Form::Text),
            },
            Member {
                name: "port".to_string(),
                offset: 8,
                bits: None,
                kind: kind(8, Form::Unsigned),
            },
        ]);
        let pointer = Form::Pointer(Some(Box::new(kind(16, login))));
        let address = |at: u64| Place::Bytes(at.to_le_bytes().to_vec());
        let string = Form::String { address: 0, length: 8 };
        let words = [0x4000u64.to_le_bytes(), 11u64.to_le_bytes()].concat();
        let variables = vec![
            variable("password", kind(16, string), Place::Bytes(words)),
            variable("hint", kind(8, Form::Text), address(0x5000)),
            variable("api_key", kind(8, Form::Unsigned), Place::Bytes(vec![9; 8])),
            variable("login", kind(8, pointer), address(0x2000)),
            variable("message", kind(8, Form::Text), address(0x3000)),
            variable("count", kind(8, Form::Unsigned), Place::Bytes(vec![1; 8])),
        ];
        let frames = [RecordedVariables {
            functions: vec![variables],
            ..RecordedVariables::default()
        }];
        let secrets = Secrets {
            memory: &memory,
            python: None,
            redactor: &redactor,
        };
        redactor.next_pass();
        secrets.hide(&mut frames.clone());
        // What the first pass learned is searched for in the second.
        redactor.next_pass();
        let mut hidden = frames.clone();
        secrets.hide(&mut hidden);
        let [password, hint, api_key, login, message, count] = &hidden[0].functions[0][..] else {
            panic!("{hidden:?}")
        };
        for hidden in [password, hint, api_key, message] {
            assert_eq!(hidden.place, Place::Redacted, "{}", hidden.name);
        }
        assert_eq!(count.place, Place::Bytes(vec![1; 8]));
        let Form::Pointer(Some(target)) = &login.kind.form else {
            panic!("{login:?}")
        };
        let Form::Struct(members) = &target.form else {
            panic!("{login:?}")
        };
        assert_eq!(members[0].kind.form, Form::Redacted);
        assert_eq!(members[1].kind.form, Form::Unsigned);
        assert_eq!(login.place, address(0x2000));
    }
}
