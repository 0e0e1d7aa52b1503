//! `str()` of an exception, as far as no code has to run for it (Objects/exceptions.c).

use super::object::{TypeInfo, type_flags};
use super::{Limits, Python};
use crate::addr::Addr;
use crate::layout::Offset;
use crate::redact::REDACTED;
use crate::source::MemoryExt;

/// The most base classes that are looked at.
const MAX_BASES: usize = 64;
/// The most arguments that are looked at.
const MAX_ARGUMENTS: u64 = 20;

/// The builtin exceptions that have a `__str__` of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Key,
    Os,
    Import,
    Syntax,
    UnicodeDecode,
    UnicodeEncode,
    UnicodeTranslate,
    Group,
}

const KINDS: [(&str, Kind); 9] = [
    ("BaseException", Kind::Plain),
    ("KeyError", Kind::Key),
    ("OSError", Kind::Os),
    ("ImportError", Kind::Import),
    ("SyntaxError", Kind::Syntax),
    ("UnicodeDecodeError", Kind::UnicodeDecode),
    ("UnicodeEncodeError", Kind::UnicodeEncode),
    ("UnicodeTranslateError", Kind::UnicodeTranslate),
    ("BaseExceptionGroup", Kind::Group),
];

impl Python<'_> {
    /// `str(exception)`; `None` where a class in Python has its own `__str__`.
    pub(super) fn exception_text(&self, object: Addr, info: &TypeInfo, limits: &mut Limits) -> Option<String> {
        let offsets = &self.layout.offsets;
        let text = match self.exception_kind(info)? {
            Kind::Plain => None,
            Kind::Key => match self.arguments(object)?.as_slice() {
                [argument] => Some(self.repr(*argument, limits)),
                _ => None,
            },
            Kind::Os => self.os_error_text(object, limits),
            Kind::Import => {
                let message = self.read_or_null(offsets.import_error.msg.of(object));
                let is_str = self.type_of(message).is_some_and(|info| info.is_builtin("str"));
                is_str.then(|| self.str_of(message, limits))
            }
            Kind::Syntax => Some(self.syntax_error_text(object, limits)),
            Kind::UnicodeDecode => self.unicode_error_text(object, "decode", limits),
            Kind::UnicodeEncode => self.unicode_error_text(object, "encode", limits),
            Kind::UnicodeTranslate => self.unicode_error_text(object, "translate", limits),
            Kind::Group => {
                let message = self.str_of(self.read_or_null(offsets.exception_group.msg.of(object)), limits);
                let members = self.read_or_null(offsets.exception_group.exceptions.of(object));
                let count = self.memory.read_u64(offsets.var_object.ob_size.of(members)).ok()?;
                let plural = if count > 1 { "s" } else { "" };
                Some(format!("{message} ({count} sub-exception{plural})"))
            }
        };
        text.or_else(|| self.plain_text(object, limits))
    }

    /// `BaseException.__str__`: nothing, the argument, or all of them.
    fn plain_text(&self, object: Addr, limits: &mut Limits) -> Option<String> {
        let tuple = self.read_or_null(self.layout.offsets.exception.args.of(object));
        Some(match self.arguments(object)?.as_slice() {
            [] => String::new(),
            [argument] => self.str_of(*argument, limits),
            _ => self.repr(tuple, limits),
        })
    }

    fn arguments(&self, object: Addr) -> Option<Vec<Addr>> {
        let tuple = self.read_or_null(self.layout.offsets.exception.args.of(object));
        self.tuple_items(tuple, MAX_ARGUMENTS)
    }

    /// Which `__str__` an exception has; `None` for one that is written in Python.
    fn exception_kind(&self, info: &TypeInfo) -> Option<Kind> {
        let mut class = self.type_info(info.address);
        for _ in 0..MAX_BASES {
            let current = class?;
            if !current.has(type_flags::HEAP_TYPE) {
                if let Some((_, kind)) = KINDS.iter().find(|(name, _)| current.is_builtin(name)) {
                    return Some(*kind);
                }
            } else {
                let dict = self.read_or_null(self.layout.offsets.type_object.dict.of(current.address));
                if self.dict_get(dict, "__str__").is_some() {
                    return None;
                }
            }
            class = self.type_info(current.base);
        }
        None
    }

    /// The members of an exception group; none for other exceptions.
    pub(super) fn group_members(&self, object: Addr, info: &TypeInfo, max: u64) -> Vec<Addr> {
        let offsets = &self.layout.offsets.exception_group;
        // Before 3.11 there are none; a group's structure is larger than that of other exceptions.
        let is_large = offsets.size.bytes().is_some_and(|size| info.basicsize >= size);
        if !is_large || self.exception_kind(info) != Some(Kind::Group) {
            return Vec::new();
        }
        let members = self.read_or_null(offsets.exceptions.of(object));
        self.tuple_items(members, max).unwrap_or_default()
    }

    /// `str()` of an object; its `repr` where it is no str.
    pub(super) fn str_of(&self, object: Addr, limits: &mut Limits) -> String {
        self.text_of(object, limits)
            .unwrap_or_else(|| self.repr(object, limits))
    }

    /// What is in a str; `None` where that is none, or cannot be read.
    pub(super) fn text_of(&self, object: Addr, limits: &Limits) -> Option<String> {
        let info = self.type_of(object)?;
        if self.is_redacted(object, &info, limits.text) {
            return Some(REDACTED.to_string());
        }
        if !info.has(type_flags::UNICODE) {
            return None;
        }
        let read = self.read_str(object, limits.text)?;
        let points = read.points.iter();
        let text: String = points
            .map(|&point| char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        Some(match read.length.saturating_sub(read.points.len() as u64) {
            0 => text,
            rest => format!("{text}… {rest} more"),
        })
    }

    fn os_error_text(&self, object: Addr, limits: &mut Limits) -> Option<String> {
        let offsets = &self.layout.offsets.os_error;
        let field = |field: Offset| self.read_or_null(field.of(object));
        let [errno, strerror, filename, filename2] =
            [offsets.errno, offsets.strerror, offsets.filename, offsets.filename2].map(field);
        if filename.is_null() && (errno.is_null() || strerror.is_null()) {
            return None;
        }
        let mut text = format!(
            "[Errno {}] {}",
            self.str_or_none(errno, limits),
            self.str_or_none(strerror, limits)
        );
        if !filename.is_null() {
            text.push_str(&format!(": {}", self.repr(filename, limits)));
            if !filename2.is_null() {
                text.push_str(&format!(" -> {}", self.repr(filename2, limits)));
            }
        }
        Some(text)
    }

    fn str_or_none(&self, object: Addr, limits: &mut Limits) -> String {
        match object.is_null() {
            true => "None".to_string(),
            false => self.str_of(object, limits),
        }
    }

    fn syntax_error_text(&self, object: Addr, limits: &mut Limits) -> String {
        let offsets = &self.layout.offsets.syntax_error;
        let field = |field: Offset| self.read_or_null(field.of(object));
        let message = self.str_or_none(field(offsets.msg), limits);
        let filename = field(offsets.filename);
        let file = self.type_of(filename).filter(|info| info.has(type_flags::UNICODE));
        let file = file.map(|_| self.str_of(filename, limits));
        let file = file.as_deref().map(|path| path.rsplit('/').next().unwrap_or(path));
        let line = field(offsets.lineno);
        let line = self.type_of(line).filter(|info| info.is_builtin("int"));
        let line = line.and_then(|_| self.int_repr(field(offsets.lineno)));
        match (file, line) {
            (Some(file), Some(line)) => format!("{message} ({file}, line {line})"),
            (Some(file), None) => format!("{message} ({file})"),
            (None, Some(line)) => format!("{message} (line {line})"),
            (None, None) => message,
        }
    }

    fn unicode_error_text(&self, object: Addr, verb: &str, limits: &mut Limits) -> Option<String> {
        let offsets = &self.layout.offsets.unicode_error;
        let field = |field: Offset| self.read_or_null(field.of(object));
        let start = self.memory.read_u64(offsets.start.of(object)).ok()?;
        let end = self.memory.read_u64(offsets.end.of(object)).ok()?;
        let input = field(offsets.object);
        let reason = self.str_of(field(offsets.reason), limits);
        let codec = match verb {
            "translate" => String::new(),
            _ => format!("'{}' codec ", self.str_of(field(offsets.encoding), limits)),
        };
        let (unit, one) = match verb {
            "decode" => ("byte", self.byte_at(input, start)),
            _ => ("character", self.character_at(input, start)),
        };
        Some(match one.filter(|_| end == start.wrapping_add(1)) {
            Some(one) => format!("{codec}can't {verb} {unit} {one} in position {start}: {reason}"),
            None => format!(
                "{codec}can't {verb} {unit}s in position {start}-{}: {reason}",
                end.wrapping_sub(1)
            ),
        })
    }

    fn byte_at(&self, bytes: Addr, index: u64) -> Option<String> {
        let offsets = &self.layout.offsets;
        let length = self.memory.read_u64(offsets.var_object.ob_size.of(bytes)).ok()?;
        let at = offsets.bytes.data.of(bytes).add(index);
        let byte = (index < length).then(|| self.memory.read_u8(at).ok())??;
        Some(format!("0x{byte:02x}"))
    }

    fn character_at(&self, text: Addr, index: u64) -> Option<String> {
        /// Up to here the str is read for one character of it.
        const MAX_INDEX: u64 = 1 << 16;
        let read = self.read_str(text, index.checked_add(1)?.min(MAX_INDEX))?;
        Some(match read.points.get(usize::try_from(index).ok()?)? {
            point @ ..=0xff => format!("'\\x{point:02x}'"),
            point @ ..=0xffff => format!("'\\u{point:04x}'"),
            point => format!("'\\U{point:08x}'"),
        })
    }
}
