//! Code objects: names, lines, and the names of locals.

use std::rc::Rc;

use super::Python;
use super::linetable::{self, Position};
use super::object::type_flags;
use crate::addr::Addr;
use crate::layout::LocalSlots;
use crate::source::MemoryExt;

/// The longest line table that is read, in bytes.
const MAX_TABLE: u64 = 1 << 20;
/// The most locals of one function whose names are read.
const MAX_NAMES: u64 = 2_000;

/// What is known of a code object (`PyCodeObject`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its address.
    pub address: Addr,
    /// `co_name`.
    pub name: String,
    /// `co_qualname` (3.11+).
    pub qualname: Option<String>,
    /// `co_filename`.
    pub filename: String,
    /// `co_firstlineno`.
    pub first_line: u32,
    /// `co_flags` (Include/cpython/code.h).
    pub flags: u32,
    /// How many of the locals are arguments, `*args` and `**kwargs` included.
    pub arguments: usize,
    /// Names of the slots behind `localsplus` in the frame, in order.
    pub slots: Vec<SlotName>,
    /// Address of the first instruction.
    pub instructions: Addr,
    /// How many instructions run before the function's own begin (`_co_firsttraceable`, 3.11+).
    pub first_traceable: i32,
    line_table: Vec<u8>,
}

/// One slot of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotName {
    /// The variable's name.
    pub name: String,
    /// What the slot holds.
    pub kind: SlotKind,
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotKind {
    /// The value itself.
    Fast,
    /// A cell, or the raw argument until the cell is made.
    Cell,
    /// A cell of an enclosing function.
    Free,
    /// A local of an inlined comprehension (3.12+), unset outside it.
    Hidden,
}

/// Stands for a name that cannot be read.
const UNREADABLE: &str = "<unreadable>";

/// CO_VARARGS and CO_VARKEYWORDS (Include/cpython/code.h).
const CO_VARARGS: u32 = 4;
const CO_VARKEYWORDS: u32 = 8;
/// CO_OPTIMIZED and CO_NEWLOCALS: set for functions, not for modules and class bodies.
const CO_OPTIMIZED: u32 = 1;

/// Bits of `co_localspluskinds` (Include/internal/pycore_code.h).
const FAST_HIDDEN: u8 = 0x10;
const FAST_CELL: u8 = 0x40;
const FAST_FREE: u8 = 0x80;

impl Code {
    /// The source position of the instruction at byte offset `lasti`.
    pub fn position(&self, python: &Python<'_>, lasti: i32) -> Option<Position> {
        linetable::position(
            python.layout.behaviour.line_table,
            &self.line_table,
            self.first_line,
            lasti,
        )
    }

    /// Whether it says what it is and where it is from.
    pub(super) fn is_readable(&self) -> bool {
        self.name != UNREADABLE && self.filename != UNREADABLE
    }

    /// Whether locals live in slots; else (module, class body) they live in a namespace dict.
    pub fn has_fast_locals(&self) -> bool {
        self.flags & CO_OPTIMIZED != 0
    }
}

impl Python<'_> {
    /// The code object at `address`, read once; `None` where there is none.
    pub fn code(&self, address: Addr) -> Option<Rc<Code>> {
        if let Some(known) = self.codes.borrow().get(&address) {
            return known.clone();
        }
        let code = self.read_code(address).map(Rc::new);
        self.codes.borrow_mut().insert(address, code.clone());
        code
    }

    fn read_code(&self, address: Addr) -> Option<Code> {
        let offsets = &self.layout.offsets.code;
        // A frame's executable may be another object (C frames, 3.13+), or garbage.
        if !self.type_of(address)?.is_builtin("code") {
            return None;
        }
        let int = |field: crate::layout::Offset| self.memory.read_i32(field.of(address)).ok();
        let text = |field: crate::layout::Offset| self.structure_name(self.read_or_null(field.of(address)));
        // `_Py_DebugOffsets` alone knows neither; nearly all code is of functions.
        let known = |field: crate::layout::Offset, otherwise: i32| match field.is_present() {
            true => int(field),
            false => Some(otherwise),
        };
        let flags = known(offsets.flags, CO_OPTIMIZED as i32)? as u32;
        let arguments = int(offsets.argcount)?.max(0) as usize
            + known(offsets.kwonlyargcount, 0)?.max(0) as usize
            + usize::from(flags & CO_VARARGS != 0)
            + usize::from(flags & CO_VARKEYWORDS != 0);
        let table = self.read_or_null(offsets.linetable.of(address));
        let instructions = if offsets.code_adaptive.is_present() {
            offsets.code_adaptive.of(address)
        } else {
            self.layout
                .offsets
                .bytes
                .data
                .of(self.read_or_null(offsets.bytecode.of(address)))
        };
        Some(Code {
            address,
            name: text(offsets.name).unwrap_or_else(|| UNREADABLE.to_string()),
            qualname: text(offsets.qualname),
            filename: text(offsets.filename).unwrap_or_else(|| UNREADABLE.to_string()),
            first_line: int(offsets.firstlineno)
                .and_then(|line| u32::try_from(line).ok())
                .unwrap_or(0),
            flags,
            arguments,
            slots: self.slot_names(address),
            instructions,
            first_traceable: int(offsets.firsttraceable).unwrap_or(0),
            line_table: self.bytes_prefix(table, MAX_TABLE).unwrap_or_default(),
        })
    }

    fn slot_names(&self, code: Addr) -> Vec<SlotName> {
        let offsets = &self.layout.offsets.code;
        let names = |field: crate::layout::Offset| {
            let tuple = self.read_or_null(field.of(code));
            self.tuple_items(tuple, MAX_NAMES)
                .unwrap_or_default()
                .into_iter()
                .map(|name| self.structure_name(name).unwrap_or_else(|| "?".to_string()))
        };
        match self.layout.behaviour.local_slots {
            LocalSlots::NamesCellsFree => names(offsets.varnames)
                .map(|name| SlotName {
                    name,
                    kind: SlotKind::Fast,
                })
                .chain(names(offsets.cellvars).map(|name| SlotName {
                    name,
                    kind: SlotKind::Cell,
                }))
                .chain(names(offsets.freevars).map(|name| SlotName {
                    name,
                    kind: SlotKind::Free,
                }))
                .collect(),
            LocalSlots::LocalsPlus => {
                let kinds = self.read_or_null(offsets.localspluskinds.of(code));
                let kinds = self.bytes_prefix(kinds, MAX_NAMES).unwrap_or_default();
                names(offsets.localsplusnames)
                    .zip(kinds.into_iter().chain(std::iter::repeat(0)))
                    .map(|(name, kind)| SlotName {
                        name,
                        kind: slot_kind(kind),
                    })
                    .collect()
            }
        }
    }

    /// The first `max` bytes of a bytes object.
    pub(super) fn bytes_prefix(&self, object: Addr, max: u64) -> Option<Vec<u8>> {
        let length = self
            .memory
            .read_u64(self.layout.offsets.var_object.ob_size.of(object))
            .ok()?;
        self.memory
            .read_vec(self.layout.offsets.bytes.data.of(object), length.min(max) as usize)
            .ok()
    }

    /// The first `max` items of a tuple.
    pub(super) fn tuple_items(&self, tuple: Addr, max: u64) -> Option<Vec<Addr>> {
        let length = self
            .memory
            .read_u64(self.layout.offsets.var_object.ob_size.of(tuple))
            .ok()?;
        self.pointers(self.layout.offsets.tuple.items.of(tuple), length.min(max))
    }

    /// The first `max` items of a list; `None` where it is none.
    pub(super) fn list_items(&self, list: Addr, max: u64) -> Option<Vec<Addr>> {
        if !self.type_of(list)?.has(type_flags::LIST) {
            return None;
        }
        let offsets = &self.layout.offsets;
        let length = self.memory.read_u64(offsets.var_object.ob_size.of(list)).ok()?;
        match length.min(max) {
            0 => Some(Vec::new()),
            count => self.pointers(self.memory.read_addr(offsets.list.items.of(list)).ok()?, count),
        }
    }

    /// An array of `count` pointers.
    pub(super) fn pointers(&self, at: Addr, count: u64) -> Option<Vec<Addr>> {
        let bytes = self
            .memory
            .read_vec(at, usize::try_from(count.checked_mul(8)?).ok()?)
            .ok()?;
        let words = bytes.as_chunks::<8>().0;
        Some(words.iter().map(|word| Addr(u64::from_le_bytes(*word))).collect())
    }
}

fn slot_kind(kind: u8) -> SlotKind {
    if kind & FAST_CELL != 0 {
        SlotKind::Cell
    } else if kind & FAST_FREE != 0 {
        SlotKind::Free
    } else if kind & FAST_HIDDEN != 0 {
        SlotKind::Hidden
    } else {
        SlotKind::Fast
    }
}
