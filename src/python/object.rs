//! What every object has: its type.

use std::rc::Rc;

use super::Python;
use crate::addr::Addr;
use crate::layout::Offset;
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
    /// `tp_name` itself: of types written in C with the module, of classes without.
    pub tp_name: String,
    /// `__qualname__`: `Outer.Inner`.
    pub qualname: String,
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
    /// `tp_repr`, the function that prints its instances.
    pub repr: Addr,
}

/// Why there is no object at an address.
#[derive(Clone, Debug)]
pub enum Broken {
    /// Its type cannot be read.
    Unreadable,
    /// Its type can, but its count of references is none that an object in use has.
    Freed(Rc<TypeInfo>),
    /// Its count of references is this, below zero.
    Negative(Rc<TypeInfo>, i64),
}

/// More references than an object can have: each takes at least a word of memory somewhere.
const MAX_REFERENCES: u64 = 1 << 33;
/// The lower bits of the word that begins with the count; 3.14 and later keep flags above them.
const COUNT_BITS: u64 = (1 << 48) - 1;

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

    /// The type of an object that looks alive. Memory that was freed keeps its type as a rule, but its first word, the
    /// count of references, then links it to other free memory or is zero.
    pub(super) fn sound_type(&self, object: Addr) -> Result<Rc<TypeInfo>, Broken> {
        let info = self.type_of(object).ok_or(Broken::Unreadable)?;
        // A negative count is none of a living object either.
        if !self.is_freed(object) {
            return Ok(info);
        }
        Err(match self.negative_count(object) {
            Some(count) => Broken::Negative(info, count),
            None => Broken::Freed(info),
        })
    }

    /// A count of references just below zero: links between free memory are positive. Where the count has 32 bits
    /// (3.14 and later), such ones make an object immortal, and cannot be told.
    fn negative_count(&self, object: Addr) -> Option<i64> {
        const NEAR: i64 = 1 << 20;
        let offsets = &self.layout.offsets.object;
        let count = match offsets.refcount.is_present() {
            true => self.memory.read_i64(offsets.refcount.of(object)).ok()?,
            false => self.merged_count(object)?,
        };
        (-NEAR..0).contains(&count).then_some(count)
    }

    /// Free-threaded: the one count of an object whose owner has given its own away (`_Py_REF_MERGED`,
    /// Include/refcount.h).
    fn merged_count(&self, object: Addr) -> Option<i64> {
        const MERGED: i64 = 3;
        let offsets = &self.layout.offsets.object;
        let local = self.memory.read_u32(offsets.local_references.of(object)).ok()?;
        let shared = self.memory.read_i64(offsets.shared_references.of(object)).ok()?;
        (local == 0 && shared & MERGED == MERGED).then_some(shared >> 2)
    }

    fn is_freed(&self, object: Addr) -> bool {
        let offsets = &self.layout.offsets.object;
        if offsets.refcount.is_present() {
            let count = self.memory.read_u64(offsets.refcount.of(object));
            return count.is_ok_and(|word| !(1..MAX_REFERENCES).contains(&(word & COUNT_BITS)));
        }
        // Free-threaded: the lower two bits of the second are flags (Include/refcount.h).
        let local = self.memory.read_u32(offsets.local_references.of(object));
        let shared = self.memory.read_u64(offsets.shared_references.of(object));
        matches!((local, shared), (Ok(0), Ok(0..=3))) || self.negative_count(object).is_some()
    }

    /// `ob_size` of an object of variable size.
    pub(super) fn size_of(&self, object: Addr) -> Option<u64> {
        /// No object has more items than there are addresses.
        const LIMIT: u64 = 1 << 47;
        let size = self.layout.offsets.var_object.ob_size.of(object);
        self.memory.read_u64(size).ok().filter(|&size| size < LIMIT)
    }

    /// A name in the module `sys` of the main interpreter.
    pub(super) fn sys_attribute(&self, name: &str) -> Option<Addr> {
        let offsets = &self.layout.offsets;
        let main = self.read_or_null(offsets.runtime.interpreters_main.of(self.layout.runtime));
        self.dict_get(self.read_or_null(offsets.interpreter.sysdict.of(main)), name)
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
        let short = name.rsplit('.').next().unwrap_or(&name).to_string();
        // Zero, what types have by default, where the layout does not say where it is.
        let word = |field: Offset| match field.is_present() {
            true => self.memory.read_u64(field.of(address)).ok(),
            false => Some(0),
        };
        let mut info = TypeInfo {
            address,
            name: short.clone(),
            qualname: short,
            full_name: name.strip_prefix("builtins.").unwrap_or(&name).to_string(),
            tp_name: name,
            flags,
            basicsize: word(offsets.basicsize)?,
            itemsize: word(offsets.itemsize)?,
            dictoffset: word(offsets.dictoffset)?.cast_signed(),
            base: self.read_or_null(offsets.base.of(address)),
            repr: self.read_or_null(offsets.repr.of(address)),
        };
        if info.has(type_flags::HEAP_TYPE)
            && let Some((full_name, qualname)) = self.heap_type_name(address)
        {
            info.full_name = full_name;
            info.qualname = qualname;
        }
        Some(info)
    }

    /// The full name and `__qualname__` of a type made at run time; `tp_name` has neither.
    fn heap_type_name(&self, address: Addr) -> Option<(String, String)> {
        let qualname = self.read_or_null(self.layout.offsets.heap_type.qualname.of(address));
        let qualname = self.structure_name(qualname)?;
        let dict = self.read_or_null(self.layout.offsets.type_object.dict.of(address));
        let module = self.dict_get(dict, "__module__");
        let full_name = match module.and_then(|module| self.structure_name(module)) {
            Some(module) if module != "builtins" => format!("{module}.{qualname}"),
            _ => qualname.clone(),
        };
        Some((full_name, qualname))
    }
}
