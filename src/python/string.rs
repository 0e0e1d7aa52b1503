//! Strings in all their storage kinds (Include/cpython/unicodeobject.h).

use super::Python;
use super::object::type_flags;
use crate::addr::Addr;
use crate::layout::StringState;
use crate::source::MemoryExt;

/// The longest name (of a variable, function, file) that is read whole.
const MAX_NAME: u64 = 4_096;

/// A str, or its beginning.
pub struct Text {
    /// Code points; lone surrogates are possible.
    pub points: Vec<u32>,
    /// The length of the whole str in code points.
    pub length: u64,
}

impl Python<'_> {
    /// Reads at most `max` code points of a str.
    pub(super) fn read_str(&self, object: Addr, max: u64) -> Option<Text> {
        let (data, width, length) = self.str_data(object)?;
        let points = self.points(data, width, length.min(max))?;
        Some(Text { points, length })
    }

    /// Reads `count` code points of a str from `start` on; `None` where it has not so many.
    pub(super) fn read_str_part(&self, object: Addr, start: u64, count: u64) -> Option<Vec<u32>> {
        let (data, width, length) = self.str_data(object)?;
        if start.checked_add(count)? > length {
            return None;
        }
        self.points(data.add(start.checked_mul(u64::from(width))?), width, count)
    }

    fn points(&self, data: Addr, width: u32, count: u64) -> Option<Vec<u32>> {
        let bytes = self.memory.read_vec(data, count as usize * width as usize).ok()?;
        let units = bytes.chunks_exact(width as usize);
        Some(
            units
                .map(|unit| unit.iter().rev().fold(0, |point, &byte| point << 8 | u32::from(byte)))
                .collect(),
        )
    }

    /// Where the code points of a str are, how many bytes each has, and how many there are.
    fn str_data(&self, object: Addr) -> Option<(Addr, u32, u64)> {
        let offsets = &self.layout.offsets;
        let length = self.memory.read_u64(offsets.ascii.length.of(object)).ok()?;
        let state = self.memory.read_u32(offsets.ascii.state.of(object)).ok()?;
        // kind:3, compact:1, ascii:1 (before 3.12 then ready:1).
        let bits = match self.layout.behaviour.string_state {
            StringState::BitField => state >> 2,
            StringState::InternedByte => state >> 8,
        };
        let (kind, compact, ascii) = (bits & 7, bits >> 3 & 1 == 1, bits >> 4 & 1 == 1);
        let (data, width, length) = if kind == 0 && offsets.ascii.wstr.is_present() {
            // Not "ready": only the wchar_t form exists (PyUnicode_FromUnicode, up to 3.11).
            let length = self
                .memory
                .read_u64(offsets.compact_unicode.wstr_length.of(object))
                .ok()?;
            (self.memory.read_addr(offsets.ascii.wstr.of(object)).ok()?, 4, length)
        } else if compact {
            let header = if ascii {
                offsets.ascii.size
            } else {
                offsets.compact_unicode.size
            };
            (header.of(object), kind, length)
        } else {
            (
                self.memory.read_addr(offsets.unicode.data.of(object)).ok()?,
                kind,
                length,
            )
        };
        matches!(width, 1 | 2 | 4).then_some((data, width, length))
    }

    /// A str that names something; lone surrogates become U+FFFD. `None` where it is no str.
    pub(super) fn name_string(&self, object: Addr) -> Option<String> {
        if self
            .type_flags(object)
            .is_none_or(|flags| flags & type_flags::UNICODE == 0)
        {
            return None;
        }
        let text = self.read_str(object, MAX_NAME)?;
        Some(
            text.points
                .iter()
                .map(|&point| char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect(),
        )
    }

    /// `tp_flags` of an object's type, without looking at its name: heap type names are strs, too.
    fn type_flags(&self, object: Addr) -> Option<u64> {
        self.memory
            .read_u64(self.layout.offsets.type_object.flags.of(self.type_address(object)))
            .ok()
    }
}
