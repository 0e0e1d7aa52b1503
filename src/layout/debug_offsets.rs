//! `_Py_DebugOffsets`: the table that CPython itself keeps at the start of `_PyRuntime` for
//! debuggers (Include/internal/pycore_runtime.h of 3.13).

use super::schema::{Offset, Offsets, Slot};
use super::versions::PythonVersion;
use crate::addr::Addr;
use crate::source::{Memory, MemoryExt};

/// `_Py_Debug_Cookie` (Include/internal/pycore_runtime_init.h).
const COOKIE: &[u8; 8] = b"xdebugpy";

/// The 64-bit words of the table behind cookie, version and the free-threaded flag, in order; an
/// empty name is a word that the schema has no use for. The order differs between minor versions.
struct Table {
    minor: u8,
    words: &'static [&'static str],
}

/// CPython v3.13.0, Include/internal/pycore_runtime.h, `struct _Py_DebugOffsets`.
#[rustfmt::skip]
const V3_13: Table = Table {
    minor: 13,
    words: &[
        // runtime_state: size, finalizing, interpreters_head
        "runtime.size",
        "runtime.finalizing",
        "runtime.interpreters_head",
        // interpreter_state: size, id, next, threads_head, gc, imports_modules, sysdict, builtins,
        // ceval_gil, gil_runtime_state, gil_runtime_state_enabled, _locked, _holder
        "interpreter.size",
        "interpreter.id",
        "interpreter.next",
        "interpreter.threads_head",
        "",
        "interpreter.modules",
        "interpreter.sysdict",
        "",
        "interpreter.gil",
        "",
        "",
        "",
        "",
        // thread_state: size, prev, next, interp, current_frame, thread_id, native_thread_id,
        // datastack_chunk, status
        "thread.size",
        "",
        "thread.next",
        "thread.interp",
        "thread.current_frame",
        "thread.thread_id",
        "thread.native_thread_id",
        "",
        "",
        // interpreter_frame: size, previous, executable, instr_ptr, localsplus, owner
        "frame.size",
        "frame.previous",
        "frame.executable",
        "frame.instruction",
        "frame.localsplus",
        "frame.owner",
        // code_object: size, filename, name, qualname, linetable, firstlineno, argcount,
        // localsplusnames, localspluskinds, co_code_adaptive
        "code.size",
        "code.filename",
        "code.name",
        "code.qualname",
        "code.linetable",
        "code.firstlineno",
        "code.argcount",
        "code.localsplusnames",
        "code.localspluskinds",
        "code.code_adaptive",
        // pyobject: size, ob_type
        "object.size",
        "object.ob_type",
        // type_object: size, tp_name, tp_repr, tp_flags
        "type_object.size",
        "type_object.name",
        "",
        "type_object.flags",
        // tuple_object: size, ob_item, ob_size
        "tuple.size",
        "tuple.items",
        "",
        // list_object: size, ob_item, ob_size
        "list.size",
        "list.items",
        "",
        // dict_object: size, ma_keys, ma_values
        "dict.size",
        "dict.keys",
        "dict.values",
        // float_object: size, ob_fval
        "float.size",
        "float.value",
        // long_object: size, lv_tag, ob_digit
        "long.size", "long.tag", "long.digits",
        // bytes_object: size, ob_size, ob_sval
        "bytes.size", "", "bytes.data",
        // unicode_object: size, state, length, asciiobject_size
        "unicode.size", "ascii.state", "ascii.length", "ascii.size",
        // gc: size, collecting
        "", "",
    ],
};

const TABLES: &[&Table] = &[&V3_13];

/// The offsets that the table at `runtime` states, and its version. `None` where there is no table
/// (before 3.13) or one whose order is not known here.
pub fn read_debug_offsets(memory: &dyn Memory, runtime: Addr) -> Option<(PythonVersion, bool, Offsets)> {
    if &memory.read_array::<8>(runtime).ok()? != COOKIE {
        return None;
    }
    let version = PythonVersion(u32::try_from(memory.read_u64(runtime.add(8)).ok()?).ok()?);
    let free_threaded = memory.read_u64(runtime.add(16)).ok()? != 0;
    let table = TABLES
        .iter()
        .find(|table| version.major() == 3 && version.minor() == table.minor)?;
    let bytes = memory.read_vec(runtime.add(24), table.words.len() * 8).ok()?;
    let mut offsets = Offsets::default();
    for (name, word) in table.words.iter().zip(bytes.chunks_exact(8)) {
        let value = u64::from_le_bytes(word.try_into().ok()?);
        offsets.for_each(&mut |slot: Slot<'_>| {
            if slot.name == *name {
                *slot.offset = Offset::new(value);
            }
        });
    }
    Some((version, free_threaded, offsets))
}
