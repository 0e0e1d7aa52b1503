//! `_Py_DebugOffsets`: the table that CPython itself keeps at the start of `_PyRuntime` for
//! debuggers (3.13 Include/internal/pycore_runtime.h, since 3.14 pycore_debug_offsets.h).

use super::schema::{Offset, Offsets, Slot};
use super::versions::PythonVersion;
use crate::addr::Addr;
use crate::source::{Memory, MemoryExt};

/// `_Py_Debug_Cookie` (Include/internal/pycore_debug_offsets.h).
const COOKIE: &[u8; 8] = b"xdebugpy";

/// The words of the table behind cookie, version and the free-threaded flag, 64 bits each, in the
/// order of one minor version: each line a group and its fields, all by their C names.
struct Table {
    minor: u8,
    groups: &'static [&'static str],
}

/// CPython v3.13.0, Include/internal/pycore_runtime.h.
const V3_13: Table = Table {
    minor: 13,
    groups: &[
        "runtime_state size finalizing interpreters_head",
        "interpreter_state size id next threads_head gc imports_modules sysdict builtins ceval_gil \
         gil_runtime_state gil_runtime_state_enabled gil_runtime_state_locked gil_runtime_state_holder",
        "thread_state size prev next interp current_frame thread_id native_thread_id datastack_chunk status",
        "interpreter_frame size previous executable instr_ptr localsplus owner",
        "code_object size filename name qualname linetable firstlineno argcount localsplusnames localspluskinds \
         co_code_adaptive",
        "pyobject size ob_type",
        "type_object size tp_name tp_repr tp_flags",
        "tuple_object size ob_item ob_size",
        "list_object size ob_item ob_size",
        "dict_object size ma_keys ma_values",
        "float_object size ob_fval",
        "long_object size lv_tag ob_digit",
        "bytes_object size ob_size ob_sval",
        "unicode_object size state length asciiobject_size",
        "gc size collecting",
    ],
};

/// CPython v3.14.10, Include/internal/pycore_debug_offsets.h.
const V3_14: Table = Table {
    minor: 14,
    groups: &[
        "runtime_state size finalizing interpreters_head",
        "interpreter_state size id next threads_head threads_main gc imports_modules sysdict builtins ceval_gil \
         gil_runtime_state gil_runtime_state_enabled gil_runtime_state_locked gil_runtime_state_holder \
         code_object_generation tlbc_generation",
        "thread_state size prev next interp current_frame thread_id native_thread_id datastack_chunk status",
        "interpreter_frame size previous executable instr_ptr localsplus owner stackpointer tlbc_index",
        "code_object size filename name qualname linetable firstlineno argcount localsplusnames localspluskinds \
         co_code_adaptive co_tlbc",
        "pyobject size ob_type",
        "type_object size tp_name tp_repr tp_flags",
        "tuple_object size ob_item ob_size",
        "list_object size ob_item ob_size",
        "set_object size used table mask",
        "dict_object size ma_keys ma_values",
        "float_object size ob_fval",
        "long_object size lv_tag ob_digit",
        "bytes_object size ob_size ob_sval",
        "unicode_object size state length asciiobject_size",
        "gc size collecting",
    ],
};

/// CPython v3.15.2, Include/internal/pycore_debug_offsets.h.
const V3_15: Table = Table {
    minor: 15,
    groups: &[
        "runtime_state size finalizing interpreters_head",
        "interpreter_state size id next threads_head threads_main gc imports_modules sysdict builtins ceval_gil \
         gil_runtime_state gil_runtime_state_enabled gil_runtime_state_locked gil_runtime_state_holder \
         code_object_generation tlbc_generation",
        "thread_state size prev next interp current_frame base_frame last_profiled_frame last_profiled_frame_seq \
         thread_id native_thread_id datastack_chunk status holds_gil gil_requested current_exception exc_state",
        "err_stackitem exc_value",
        "interpreter_frame size previous executable instr_ptr localsplus owner stackpointer tlbc_index",
        "code_object size filename name qualname linetable firstlineno argcount localsplusnames localspluskinds \
         co_code_adaptive co_tlbc",
        "pyobject size ob_type",
        "type_object size tp_name tp_repr tp_flags tp_basicsize tp_dictoffset",
        "heap_type_object size ht_cached_keys",
        "tuple_object size ob_item ob_size",
        "list_object size ob_item ob_size",
        "set_object size used table mask",
        "dict_object size ma_keys ma_values",
        "float_object size ob_fval",
        "long_object size lv_tag ob_digit",
        "bytes_object size ob_size ob_sval",
        "unicode_object size state length asciiobject_size compactunicodeobject_size",
        "gc size collecting",
    ],
};

const TABLES: &[&Table] = &[&V3_13, &V3_14, &V3_15];

/// Which word is which slot of the schema; the others are not used. Sizes of structures that grow by
/// what follows them (`unicode_object`) are left out.
const NAMES: &[(&str, &str)] = &[
    ("runtime_state.size", "runtime.size"),
    ("runtime_state.finalizing", "runtime.finalizing"),
    ("runtime_state.interpreters_head", "runtime.interpreters_head"),
    ("interpreter_state.size", "interpreter.size"),
    ("interpreter_state.id", "interpreter.id"),
    ("interpreter_state.next", "interpreter.next"),
    ("interpreter_state.threads_head", "interpreter.threads_head"),
    ("interpreter_state.imports_modules", "interpreter.modules"),
    ("interpreter_state.sysdict", "interpreter.sysdict"),
    ("interpreter_state.ceval_gil", "interpreter.gil"),
    ("thread_state.size", "thread.size"),
    ("thread_state.next", "thread.next"),
    ("thread_state.interp", "thread.interp"),
    ("thread_state.current_frame", "thread.current_frame"),
    ("thread_state.thread_id", "thread.thread_id"),
    ("thread_state.native_thread_id", "thread.native_thread_id"),
    ("interpreter_frame.size", "frame.size"),
    ("interpreter_frame.previous", "frame.previous"),
    ("interpreter_frame.executable", "frame.executable"),
    ("interpreter_frame.instr_ptr", "frame.instruction"),
    ("interpreter_frame.localsplus", "frame.localsplus"),
    ("interpreter_frame.owner", "frame.owner"),
    ("code_object.size", "code.size"),
    ("code_object.filename", "code.filename"),
    ("code_object.name", "code.name"),
    ("code_object.qualname", "code.qualname"),
    ("code_object.linetable", "code.linetable"),
    ("code_object.firstlineno", "code.firstlineno"),
    ("code_object.argcount", "code.argcount"),
    ("code_object.localsplusnames", "code.localsplusnames"),
    ("code_object.localspluskinds", "code.localspluskinds"),
    ("code_object.co_code_adaptive", "code.code_adaptive"),
    ("pyobject.size", "object.size"),
    ("pyobject.ob_type", "object.ob_type"),
    ("type_object.size", "type_object.size"),
    ("type_object.tp_name", "type_object.name"),
    ("type_object.tp_flags", "type_object.flags"),
    ("type_object.tp_basicsize", "type_object.basicsize"),
    ("type_object.tp_dictoffset", "type_object.dictoffset"),
    ("heap_type_object.ht_cached_keys", "heap_type.cached_keys"),
    ("tuple_object.ob_size", "var_object.ob_size"),
    ("tuple_object.ob_item", "tuple.items"),
    ("list_object.ob_item", "list.items"),
    ("set_object.used", "set.used"),
    ("set_object.table", "set.table"),
    ("set_object.mask", "set.mask"),
    ("dict_object.ma_keys", "dict.keys"),
    ("dict_object.ma_values", "dict.values"),
    ("float_object.ob_fval", "float.value"),
    ("long_object.lv_tag", "long.tag"),
    ("long_object.ob_digit", "long.digits"),
    ("bytes_object.ob_sval", "bytes.data"),
    ("unicode_object.state", "ascii.state"),
    ("unicode_object.length", "ascii.length"),
    ("unicode_object.asciiobject_size", "ascii.size"),
    ("unicode_object.compactunicodeobject_size", "compact_unicode.size"),
];

/// The same of free-threaded builds; other builds have zeros there.
const FREE_THREADED_NAMES: &[(&str, &str)] = &[
    ("interpreter_state.gil_runtime_state_enabled", "gil.enabled"),
    ("interpreter_frame.tlbc_index", "frame.tlbc_index"),
    ("code_object.co_tlbc", "code.tlbc"),
];

impl Table {
    /// The words in order, by their names `group.field`.
    fn words(&self) -> impl Iterator<Item = String> {
        self.groups.iter().flat_map(|group| {
            let mut words = group.split_whitespace();
            let name = words.next().unwrap_or_default();
            words.map(move |field| format!("{name}.{field}"))
        })
    }
}

/// The words of the table by minor version, in order, by their names `group.field`: for the generated helpers.
pub fn debug_offsets_words() -> Vec<(u8, Vec<String>)> {
    TABLES
        .iter()
        .map(|table| (table.minor, table.words().collect()))
        .collect()
}

/// Which word is which slot of the schema.
pub fn debug_offsets_names() -> &'static [(&'static str, &'static str)] {
    NAMES
}

/// The words of a final release's table, by their names `group.field`, as far as they are known.
pub(super) fn known_words(version: PythonVersion) -> Option<Vec<String>> {
    let table = TABLES.iter().find(|table| version.minor() == table.minor)?;
    Some(table.words().collect())
}

/// What the table says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebugOffsets {
    /// The version of the build.
    pub version: PythonVersion,
    /// Compiled with `--disable-gil`.
    pub free_threaded: bool,
    /// The offsets it states; `None` where the order of that version's table is not known here.
    pub offsets: Option<Offsets>,
}

impl DebugOffsets {
    /// The offsets it states, as far as they count. Before its final release a version changes the order of the words; that
    /// they fit the order of that release is good enough only where there is no debug information.
    pub fn counting(&self, has_debug_information: bool) -> Option<Offsets> {
        self.offsets
            .filter(|_| self.version.is_final() || !has_debug_information)
    }
}

/// Reads the table at `runtime`. `None` where there is none (before 3.13).
pub fn read_debug_offsets(memory: &dyn Memory, runtime: Addr) -> Option<DebugOffsets> {
    if &memory.read_array::<8>(runtime).ok()? != COOKIE {
        return None;
    }
    let version = PythonVersion(u32::try_from(memory.read_u64(runtime.add(8)).ok()?).ok()?);
    let free_threaded = memory.read_u64(runtime.add(16)).ok()? != 0;
    let table = TABLES
        .iter()
        .find(|table| version.major() == 3 && version.minor() == table.minor);
    let words = table.and_then(|table| read_words(memory, runtime.add(24), table));
    let words = words.filter(|words| version.is_final() || are_in_order(words));
    Some(DebugOffsets {
        version,
        free_threaded,
        offsets: words.map(|words| offsets_of(&words, free_threaded)),
    })
}

/// The words with their names.
fn read_words(memory: &dyn Memory, at: Addr, table: &Table) -> Option<Vec<(String, u64)>> {
    let names: Vec<String> = table.words().collect();
    let bytes = memory.read_vec(at, names.len() * 8).ok()?;
    let words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
    Some(names.into_iter().zip(words).collect())
}

/// Whether the words can be what their names say. One more or less among them moves all behind it: then a field does not
/// lie in its structure, or not behind the head that all objects have.
fn are_in_order(words: &[(String, u64)]) -> bool {
    let word = |name: &str| words.iter().find(|(known, _)| known == name).map(|(_, word)| *word);
    let Some(head) = word("pyobject.size") else {
        return false;
    };
    let lie_inside = words.iter().all(|(name, offset)| {
        let group = name.split('.').next().unwrap_or_default();
        match word(&format!("{group}.size")) {
            Some(size) if name.ends_with(".size") => (1..1 << 24).contains(&size),
            Some(size) => *offset < size,
            None => true,
        }
    });
    // Include/object.h, Include/cpython/: what the first field behind the head is.
    let first = [
        "tuple_object.ob_size",
        "list_object.ob_size",
        "bytes_object.ob_size",
        "float_object.ob_fval",
        "long_object.lv_tag",
    ];
    let is_behind_head = |name: &&str| word(name) == Some(head);
    lie_inside && word("pyobject.ob_type").is_some_and(|at| at + 8 == head) && first.iter().all(is_behind_head)
}

fn offsets_of(words: &[(String, u64)], free_threaded: bool) -> Offsets {
    let only_there = if free_threaded { FREE_THREADED_NAMES } else { &[] };
    let mut offsets = Offsets::default();
    for (name, word) in words {
        let Some((_, slot_name)) = NAMES.iter().chain(only_there).find(|(word, _)| word == name) else {
            continue;
        };
        offsets.for_each(&mut |slot: Slot<'_>| {
            if slot.name == *slot_name {
                *slot.offset = Offset::new(*word);
            }
        });
    }
    if offsets.code.tlbc.is_present() {
        // `_PyCodeArray`, for which there are no words: a count and as many pointers (Include/cpython/code.h, 3.14).
        (offsets.code_array.count, offsets.code_array.entries) = (Offset::new(0), Offset::new(8));
    }
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_word_of_some_table_and_a_slot_of_the_schema() {
        let mut slots = Vec::new();
        Offsets::default().for_each(&mut |slot| slots.push(slot.name));
        for (word, slot) in NAMES.iter().chain(FREE_THREADED_NAMES) {
            assert!(
                TABLES.iter().any(|table| table.words().any(|known| known == *word)),
                "{word}"
            );
            assert!(slots.contains(slot), "{slot}");
        }
    }

    #[test]
    fn tables_are_as_long_as_in_cpython() {
        // sizeof(_Py_DebugOffsets) less the 24 bytes before the first group, as far as the tables go.
        let words = |table: &Table| table.words().count();
        assert_eq!(24 + 8 * words(&V3_13), 584);
    }
}
