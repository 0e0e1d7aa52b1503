//! What every object has: its type.

use std::rc::Rc;

use super::Python;
use crate::addr::Addr;
use crate::source::MemoryExt;

/// The longest type name that is read.
const MAX_TYPE_NAME: usize = 256;

/// Bits of `tp_flags` (Include/object.h; the same in all supported versions).
pub mod type_flags {
    /// Py_TPFLAGS_INLINE_VALUES (3.13+).
    pub const INLINE_VALUES: u64 = 1 << 2;
    /// Py_TPFLAGS_MANAGED_DICT (3.11+).
    pub const MANAGED_DICT: u64 = 1 << 4;
    /// Py_TPFLAGS_HEAPTYPE.
    pub const HEAP_TYPE: u64 = 1 << 9;
    /// Py_TPFLAGS_LONG_SUBCLASS and, in this order, LIST, TUPLE, BYTES, UNICODE, DICT, BASE_EXC, TYPE.
    pub const LONG: u64 = 1 << 24;
    /// Py_TPFLAGS_LIST_SUBCLASS.
    pub const LIST: u64 = 1 << 25;
    /// Py_TPFLAGS_TUPLE_SUBCLASS.
    pub const TUPLE: u64 = 1 << 26;
    /// Py_TPFLAGS_BYTES_SUBCLASS.
    pub const BYTES: u64 = 1 << 27;
    /// Py_TPFLAGS_UNICODE_SUBCLASS.
    pub const UNICODE: u64 = 1 << 28;
    /// Py_TPFLAGS_DICT_SUBCLASS.
    pub const DICT: u64 = 1 << 29;
    /// Py_TPFLAGS_BASE_EXC_SUBCLASS.
    pub const BASE_EXCEPTION: u64 = 1 << 30;
    /// Py_TPFLAGS_TYPE_SUBCLASS.
    pub const TYPE: u64 = 1 << 31;
}

/// What is known of a type (`PyTypeObject`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeInfo {
    /// Its address.
    pub address: Addr,
    /// `tp_name` without the module.
    pub name: String,
    /// The full name: `int`, `collections.deque`, `__main__.Outer.Inner`.
    pub full_name: String,
    /// `tp_flags`.
    pub flags: u64,
    /// `tp_basicsize` in bytes.
    pub basicsize: u64,
    /// `tp_itemsize` in bytes.
    pub itemsize: u64,
    /// `tp_dictoffset`.
    pub dictoffset: i64,
    /// `tp_base`.
    pub base: Addr,
}

impl TypeInfo {
    /// Whether all these bits of `tp_flags` are set.
    pub fn has(&self, flags: u64) -> bool {
        self.flags & flags == flags
    }

    /// Whether it is the type of this name that CPython itself defines.
    pub fn is_builtin(&self, name: &str) -> bool {
        !self.has(type_flags::HEAP_TYPE) && self.full_name == name
    }
}

impl Python<'_> {
    /// The address of an object's type; null where it cannot be read.
    pub(super) fn type_address(&self, object: Addr) -> Addr {
        self.read_or_null(self.layout.offsets.object.ob_type.of(object))
    }

    /// The type of an object; `None` where there is no sound object.
    pub(super) fn type_of(&self, object: Addr) -> Option<Rc<TypeInfo>> {
        self.type_info(self.type_address(object))
    }

    /// A type by its address.
    pub(super) fn type_info(&self, address: Addr) -> Option<Rc<TypeInfo>> {
        if let Some(known) = self.types.borrow().get(&address) {
            return known.clone();
        }
        let info = self.read_type(address).map(Rc::new);
        self.types.borrow_mut().insert(address, info.clone());
        info
    }

    fn read_type(&self, address: Addr) -> Option<TypeInfo> {
        let offsets = &self.layout.offsets.type_object;
        // Objects lie on 8-byte boundaries; what does not is no pointer to a type.
        if address.is_null() || !address.0.is_multiple_of(8) {
            return None;
        }
        let flags = self.memory.read_u64(offsets.flags.of(address)).ok()?;
        let name = self.read_or_null(offsets.name.of(address));
        let name = String::from_utf8(self.memory.read_c_string(name, MAX_TYPE_NAME).ok()?).ok()?;
        let known = name.chars().all(|c| !c.is_control());
        if name.is_empty() || !known {
            return None;
        }
        let mut info = TypeInfo {
            address,
            name: name.rsplit('.').next().unwrap_or(&name).to_string(),
            full_name: name.strip_prefix("builtins.").unwrap_or(&name).to_string(),
            flags,
            basicsize: self.memory.read_u64(offsets.basicsize.of(address)).ok()?,
            itemsize: self.memory.read_u64(offsets.itemsize.of(address)).ok()?,
            dictoffset: self.memory.read_i64(offsets.dictoffset.of(address)).ok()?,
            base: self.read_or_null(offsets.base.of(address)),
        };
        if info.has(type_flags::HEAP_TYPE)
            && let Some(full_name) = self.heap_type_name(address)
        {
            info.full_name = full_name;
        }
        Some(info)
    }

    /// `__module__` and `__qualname__` of a type made at run time; `tp_name` has neither.
    fn heap_type_name(&self, address: Addr) -> Option<String> {
        let qualname = self.read_or_null(self.layout.offsets.heap_type.qualname.of(address));
        let qualname = self.name_string(qualname)?;
        let dict = self.read_or_null(self.layout.offsets.type_object.dict.of(address));
        match self
            .dict_get(dict, "__module__")
            .and_then(|module| self.name_string(module))
        {
            Some(module) if module != "builtins" => Some(format!("{module}.{qualname}")),
            _ => Some(qualname),
        }
    }
}
