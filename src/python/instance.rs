//! Attributes of instances: `__dict__` in all its places, and slots.

use super::object::{TypeInfo, type_flags};
use super::{Code, Python};
use crate::addr::Addr;
use crate::layout::InstanceDict;
use crate::source::MemoryExt;
use crate::source::streams::PythonStep;

/// The most base classes that are looked at for slots.
const MAX_BASES: usize = 64;
/// The most slots of one class.
const MAX_SLOTS: u64 = 256;
/// `T_OBJECT` and `T_OBJECT_EX` (Include/structmember.h): a reference, as each slot is.
const REFERENCES: [i32; 2] = [6, 16];

/// A field that a type offers (`PyMemberDef`).
pub(super) struct Member {
    /// Its name.
    pub name: String,
    /// What it holds: `T_INT` and so on (Include/structmember.h).
    pub kind: i32,
    /// Where it lies in an instance, in bytes.
    pub offset: u64,
}

impl Python<'_> {
    /// The first `max` attributes that are kept in the instance itself: slots, then `__dict__`.
    pub(super) fn attributes(&self, object: Addr, info: &TypeInfo, max: u64) -> Vec<(String, Addr)> {
        let mut attributes = self.slots(object, info);
        attributes.extend(
            self.instance_items(object, info, max)
                .into_iter()
                .filter_map(|(key, value)| Some((self.structure_name(key)?, value))),
        );
        attributes.truncate(max as usize);
        for (name, value) in &attributes {
            self.redact_named(name, *value);
        }
        attributes
    }

    fn instance_items(&self, object: Addr, info: &TypeInfo, max: u64) -> Vec<(Addr, Addr)> {
        let managed = info.has(type_flags::MANAGED_DICT);
        let dict = match self.layout.behaviour.instance_dict {
            InstanceDict::ManagedPair if managed => {
                let values = self.read_or_null(object.sub(32));
                if !values.is_null() {
                    return self.shared_key_items(info, values, max);
                }
                self.read_or_null(object.sub(24))
            }
            InstanceDict::ManagedTagged if managed => {
                let word = self.read_or_null(object.sub(24));
                if word.0 & 1 == 1 {
                    return self.shared_key_items(info, word.add(1), max);
                }
                word
            }
            InstanceDict::Inline(before) if managed => {
                let dict = self.read_or_null(object.sub(before));
                if dict.is_null() && info.has(type_flags::INLINE_VALUES) {
                    let values = object.add(info.basicsize);
                    let valid = self.memory.read_u8(self.layout.offsets.dict_values.valid.of(values));
                    return if valid.is_ok_and(|valid| valid != 0) {
                        self.shared_key_items(info, values, max)
                    } else {
                        Vec::new()
                    };
                }
                dict
            }
            _ => self.dict_at_offset(object, info),
        };
        self.dict_items(dict, max).unwrap_or_default()
    }

    /// `_PyObject_GetDictPtr` (Objects/object.c): a negative offset counts from the end of the object.
    pub(super) fn dict_at_offset(&self, object: Addr, info: &TypeInfo) -> Addr {
        match u64::try_from(info.dictoffset) {
            Ok(0) => Addr::NULL,
            Ok(offset) => self.read_or_null(object.add(offset)),
            Err(_) => {
                let size = self
                    .memory
                    .read_i64(self.layout.offsets.var_object.ob_size.of(object))
                    .unwrap_or(0);
                let items = size.unsigned_abs().wrapping_mul(info.itemsize);
                let end = info.basicsize.wrapping_add(items).wrapping_add(7) & !7;
                self.read_or_null(object.add(end).sub(info.dictoffset.unsigned_abs()))
            }
        }
    }

    fn shared_key_items(&self, info: &TypeInfo, values: Addr, max: u64) -> Vec<(Addr, Addr)> {
        let keys = self.read_or_null(self.layout.offsets.heap_type.cached_keys.of(info.address));
        match (self.key_table(keys), self.split_values(values)) {
            (Some(table), Some(split)) => self.split_items(&table, split, max),
            _ => Vec::new(),
        }
    }

    /// `__slots__` of the type and its bases, and references that types written in C offer.
    fn slots(&self, object: Addr, info: &TypeInfo) -> Vec<(String, Addr)> {
        let members = self.members(info).into_iter();
        let references = members.filter(|member| REFERENCES.contains(&member.kind));
        references
            .map(|member| (member.name, self.read_or_null(object.add(member.offset))))
            .filter(|(_, value)| !value.is_null())
            .collect()
    }

    /// The members of a type and its bases. Those of a class stand right behind it (PyHeapType_GET_MEMBERS,
    /// Objects/typeobject.c), and `tp_members` points there.
    pub(super) fn members(&self, info: &TypeInfo) -> Vec<Member> {
        let member = &self.layout.offsets.member_def;
        let Some(stride) = member.size.bytes() else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let mut class = self.type_info(info.address);
        for _ in 0..MAX_BASES {
            let Some(current) = class else { break };
            let members = self.read_or_null(self.layout.offsets.type_object.members.of(current.address));
            for index in 0..MAX_SLOTS {
                let at = members.add(index * stride);
                let name = self.read_or_null(member.name.of(at));
                if members.is_null() || name.is_null() {
                    break;
                }
                let name = self.memory.read_c_string(name, 256).ok();
                let name = name.and_then(|name| String::from_utf8(name).ok());
                let kind = self.memory.read_i32(member.kind.of(at));
                let offset = self.memory.read_u64(member.offset.of(at));
                if let (Some(name), Ok(kind), Ok(offset)) = (name, kind, offset) {
                    found.push(Member { name, kind, offset });
                }
            }
            class = self.type_info(current.base);
        }
        found
    }

    /// One attribute that is kept in the instance itself.
    pub(super) fn attribute(&self, object: Addr, info: &TypeInfo, name: &str) -> Option<Addr> {
        let attributes = self.attributes(object, info, MAX_SLOTS).into_iter();
        attributes
            .into_iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// `str()` of some attributes of the first argument of a frame, where they are strs or bools.
    pub fn string_attributes(&self, step: &PythonStep, code: &Code, names: &[&str]) -> Vec<Option<String>> {
        let find = || {
            let object = self.first_argument(step, code)?;
            let info = self.type_of(object)?;
            Some(self.attributes(object, &info, MAX_SLOTS))
        };
        let attributes = find().unwrap_or_default();
        let text = |object: Addr| match self.type_of(object)? {
            info if info.is_builtin("bool") => self
                .int_repr(object)
                .map(|digit| if digit == "0" { "False" } else { "True" }.to_string()),
            _ => self.name_string(object),
        };
        let find = |name: &&str| {
            attributes
                .iter()
                .find(|(known, _)| known == name)
                .and_then(|&(_, value)| text(value))
        };
        names.iter().map(find).collect()
    }
}
