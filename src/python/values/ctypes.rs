//! Values of ctypes (Modules/_ctypes): C data, described by their Python types.

use super::super::Python;
use super::super::object::TypeInfo;
use super::super::text;
use super::printer::{Printer, Subject, plain};
use super::{Part, Value, numbers};
use crate::addr::Addr;
use crate::source::MemoryExt;

/// How deep structures are followed.
const MAX_DEPTH: u32 = 3;
/// The most bytes of a C string.
const MAX_STRING: usize = 512;

/// What a ctypes type stands for.
enum Kind {
    /// One value, by its code (`_type_`).
    Simple(char),
    Pointer,
    Array,
    /// A structure or union.
    Fields,
}

/// `c_int(5)` (Modules/_ctypes/_ctypes.c, `Simple_repr`); of derived classes the plain form.
pub fn simple(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    if subject.info.base != subject.base.address {
        return Some(plain(subject.at, subject.info).replace(&subject.info.full_name, &subject.info.tp_name));
    }
    let python = printer.python;
    let pointer = python.layout.offsets.ctypes_data.pointer.of(subject.at);
    let pointer = python.memory.read_addr(pointer).ok()?;
    let value = python.simple_value(python.type_code(subject.info)?, pointer)?;
    Some(format!("{}({value})", subject.info.tp_name))
}

/// `c_char_p(140…)`: the address, whatever it leads to (Lib/ctypes/__init__.py).
pub fn pointer(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    python.ctypes_kind(subject.info)?;
    let data = python.read_or_null(python.layout.offsets.ctypes_data.pointer.of(subject.at));
    Some(format!("{}({})", subject.info.name, python.simple_value('P', data)?))
}

/// `py_object([1])`, `py_object(<NULL>)`.
pub fn object(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    python.ctypes_kind(subject.info)?;
    let data = python.read_or_null(python.layout.offsets.ctypes_data.pointer.of(subject.at));
    let object = python.memory.read_addr(data).ok()?;
    let name = &subject.info.name;
    printer.within(&format!("{name}(…)"), |printer| {
        Some(format!("{name}({})", printer.repr(object)))
    })
}

/// `<CFunctionType object at 0x…>` (`PyCFuncPtr_repr`).
pub fn function(_: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    Some(format!("<{} object at {}>", subject.info.tp_name, subject.at))
}

impl Python<'_> {
    /// Fields of a structure, items of an array, what a pointer points to.
    pub(super) fn ctypes_parts(&self, object: Addr, info: &TypeInfo, max: u64) -> Vec<(String, Part)> {
        let Some(kind) = self.ctypes_kind(info) else {
            return Vec::new();
        };
        let pointer = self.layout.offsets.ctypes_data.pointer.of(object);
        let Ok(data) = self.memory.read_addr(pointer) else {
            return Vec::new();
        };
        let parts = match kind {
            Kind::Simple(_) => Vec::new(),
            _ => self.data_parts(info, &kind, data, max, 0),
        };
        parts
            .into_iter()
            .map(|(name, value)| (name, Part::Plain(value)))
            .collect()
    }

    /// `None` for what is no ctypes type, or has another layout than the known one.
    fn ctypes_kind(&self, info: &TypeInfo) -> Option<Kind> {
        let order = self.resolution_order(info);
        let base = order.iter().find(|class| class.tp_name.starts_with("_ctypes."))?;
        let root = order.iter().rfind(|class| class.tp_name == "_ctypes._CData")?;
        if self.layout.offsets.ctypes_data.size.bytes() != Some(root.basicsize) {
            return None;
        }
        match base.tp_name.as_str() {
            "_ctypes._SimpleCData" => Some(Kind::Simple(self.type_code(info)?)),
            "_ctypes._Pointer" => Some(Kind::Pointer),
            "_ctypes.Array" => Some(Kind::Array),
            "_ctypes.Structure" | "_ctypes.Union" => Some(Kind::Fields),
            _ => None,
        }
    }

    /// `_type_` of a simple type: one letter.
    fn type_code(&self, info: &TypeInfo) -> Option<char> {
        let code = self.name_string(self.inherited_attribute(info, "_type_")?)?;
        code.chars().next().filter(|_| code.len() == 1)
    }

    /// The data of a ctypes type at an address.
    fn data(&self, info: &TypeInfo, at: Addr, max: u64, depth: u32) -> Option<Value> {
        let kind = self.ctypes_kind(info)?;
        let text = match kind {
            Kind::Simple(code) => self.simple_value(code, at)?,
            Kind::Pointer => format!("<{} to {}>", info.full_name, self.memory.read_addr(at).ok()?),
            Kind::Array | Kind::Fields => format!("<{} at {at}>", info.full_name),
        };
        let parts = match depth < MAX_DEPTH {
            true => self.data_parts(info, &kind, at, max, depth + 1),
            false => Vec::new(),
        };
        Some(Value {
            type_name: Some(info.full_name.clone()),
            text,
            address: at,
            parts,
            is_readable: true,
            ..Value::default()
        })
    }

    fn data_parts(&self, info: &TypeInfo, kind: &Kind, at: Addr, max: u64, depth: u32) -> Vec<(String, Value)> {
        let item_type = || self.type_info(self.inherited_attribute(info, "_type_")?);
        match kind {
            Kind::Simple(_) => Vec::new(),
            Kind::Pointer => {
                let target = self.read_or_null(at);
                let contents = || self.data(&*item_type()?, target, max, depth);
                let contents = (!target.is_null()).then(contents).flatten();
                contents
                    .map(|value| (".contents".to_string(), value))
                    .into_iter()
                    .collect()
            }
            Kind::Array => {
                let items = || {
                    let item = item_type()?;
                    let length = self.inherited_attribute(info, "_length_")?;
                    let length: u64 = self.int_repr(length)?.parse().ok()?;
                    let width = self.data_size(&item)?;
                    let item_at = |index: u64| at.add(index.wrapping_mul(width));
                    let value = |index| Some((format!("[{index}]"), self.data(&item, item_at(index), max, depth)?));
                    (0..length.min(max)).map(value).collect::<Option<Vec<_>>>()
                };
                items().unwrap_or_default()
            }
            Kind::Fields => self.fields(info, at, max, depth),
        }
    }

    /// The fields of a structure and of those it is derived from, base first.
    fn fields(&self, info: &TypeInfo, at: Addr, max: u64, depth: u32) -> Vec<(String, Value)> {
        let offsets = &self.layout.offsets.ctypes_field;
        let mut fields = Vec::new();
        for class in self.resolution_order(info).iter().rev() {
            let Some(declared) = self.class_attribute(class, "_fields_") else {
                continue;
            };
            for declaration in self.sequence_items(declared, max) {
                let read = || {
                    let parts = self.tuple_items(declaration, 3)?;
                    let name = self.name_string(*parts.first()?)?;
                    let field = self.class_attribute(class, &name)?;
                    // A bit field's third part is its width: no plain value.
                    let field_info = self.type_of(field)?;
                    if parts.len() != 2 || field_info.basicsize != offsets.size.bytes()? {
                        return None;
                    }
                    let offset = self.memory.read_u64(offsets.offset.of(field)).ok()?;
                    let at = at.add(offset);
                    let value = match self.redacts_plain(&name, at) {
                        true => Self::redacted_plain(at),
                        false => self.data(&*self.type_info(*parts.get(1)?)?, at, max, depth)?,
                    };
                    Some((format!(".{name}"), value))
                };
                fields.extend(read());
            }
        }
        fields
    }

    /// `sizeof` of a type, where it can be told without its storage information.
    fn data_size(&self, info: &TypeInfo) -> Option<u64> {
        match self.ctypes_kind(info)? {
            Kind::Simple(code) => simple_size(code),
            Kind::Pointer => Some(8),
            Kind::Array => {
                let item = self.type_info(self.inherited_attribute(info, "_type_")?)?;
                let length = self.inherited_attribute(info, "_length_")?;
                self.data_size(&item)?.checked_mul(self.int_repr(length)?.parse().ok()?)
            }
            Kind::Fields => None,
        }
    }

    fn simple_value(&self, code: char, at: Addr) -> Option<String> {
        let width = simple_size(code)?;
        let bytes = self.memory.read_vec(at, width as usize).ok()?;
        let pointer = || bytes.first_chunk().map(|word| Addr(u64::from_le_bytes(*word)));
        Some(match code {
            'c' => text::bytes_repr(&bytes),
            '?' => if bytes == [0] { "False" } else { "True" }.to_string(),
            'u' => text::str_repr(&[u32::from_le_bytes(*bytes.first_chunk()?)]),
            'P' | 'z' | 'Z' | 'O' if pointer()?.is_null() => "None".to_string(),
            'P' => pointer()?.0.to_string(),
            'z' => match self.memory.read_c_string(pointer()?, MAX_STRING) {
                Ok(text) if text.len() < MAX_STRING => text::bytes_repr(&text),
                Ok(text) => text::bytes_repr(&text) + "…",
                Err(_) => format!("<unreadable char* {}>", pointer()?),
            },
            'Z' => format!("<wchar_t* {}>", pointer()?),
            'O' => format!("<object at {}>", pointer()?),
            code => numbers::plain(code, &bytes)?,
        })
    }

    /// The first items of a list or tuple.
    fn sequence_items(&self, sequence: Addr, max: u64) -> Vec<Addr> {
        let items = || {
            let info = self.type_of(sequence)?;
            if info.is_builtin("tuple") {
                return self.tuple_items(sequence, max);
            }
            let items = self.read_or_null(self.layout.offsets.list.items.of(sequence));
            let count = self.size_of(sequence)?.min(max);
            (info.is_builtin("list") && count > 0).then(|| self.pointers(items, count))?
        };
        items().unwrap_or_default()
    }
}

/// Bytes of a simple type (Modules/_ctypes/cfield.c, `formattable`; x86_64 and aarch64 Linux).
fn simple_size(code: char) -> Option<u64> {
    Some(match code {
        'c' | 'b' | 'B' | '?' => 1,
        'h' | 'H' => 2,
        'i' | 'I' | 'f' | 'u' => 4,
        'l' | 'L' | 'q' | 'Q' | 'd' | 'P' | 'z' | 'Z' | 'O' => 8,
        _ => return None,
    })
}
