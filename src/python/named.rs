//! Objects that `repr` shows by their name: functions, methods, modules, generators.

use super::Python;
use crate::addr::Addr;
use crate::source::MemoryExt;

/// The longest name of a function written in C.
const MAX_C_NAME: usize = 256;
/// How many entries of a module's namespace are searched for its file: the import system makes it one of the first.
const FIRST_NAMES: u64 = 16;

impl Python<'_> {
    /// `<function Basket.total at 0x…>` (Objects/funcobject.c, `func_repr`).
    pub(super) fn function_repr(&self, object: Addr) -> Option<String> {
        Some(format!("<function {} at {object}>", self.function_name(object)?))
    }

    /// `__qualname__` of a Python function.
    pub(super) fn function_name(&self, object: Addr) -> Option<String> {
        let qualname = self.layout.offsets.function.qualname.of(object);
        self.name_string(self.read_or_null(qualname))
    }

    /// `<built-in function len>`, `<built-in method append of list at 0x…>` (Objects/methodobject.c, `meth_repr`).
    pub(super) fn builtin_repr(&self, object: Addr) -> Option<String> {
        let offsets = &self.layout.offsets;
        let definition = self.read_or_null(offsets.builtin.definition.of(object));
        let name = self.read_or_null(offsets.method_def.name.of(definition));
        let name = String::from_utf8(self.memory.read_c_string(name, MAX_C_NAME).ok()?).ok()?;
        let owner = self.read_or_null(offsets.builtin.owner.of(object));
        match self.type_of(owner) {
            Some(info) if !info.is_builtin("module") => {
                Some(format!("<built-in method {name} of {} at {owner}>", info.name))
            }
            _ => Some(format!("<built-in function {name}>")),
        }
    }

    /// `<module 'json' from '/usr/lib/python3.12/json/__init__.py'>` (Lib/importlib/_bootstrap.py, `_module_repr`).
    pub(super) fn module_repr(&self, object: Addr) -> Option<String> {
        let offsets = &self.layout.offsets.module;
        let name = self.name_string(self.read_or_null(offsets.name.of(object)))?;
        let names = self.dict_items(self.read_or_null(offsets.dict.of(object)), FIRST_NAMES);
        let file = names.unwrap_or_default().into_iter().find_map(|(key, value)| {
            let is_file = self.name_string(key).is_some_and(|key| key == "__file__");
            is_file.then(|| self.name_string(value))?
        });
        Some(match file {
            Some(file) => format!("<module '{name}' from '{file}'>"),
            None => format!("<module '{name}'>"),
        })
    }

    /// `<generator object walk at 0x…>`; coroutines and asynchronous generators have the same fields (Objects/genobject.c,
    /// `gen_repr`).
    pub(super) fn generator_repr(&self, object: Addr, type_name: &str) -> Option<String> {
        let qualname = self.layout.offsets.generator.qualname.of(object);
        let name = self.name_string(self.read_or_null(qualname))?;
        Some(format!("<{type_name} object {name} at {object}>"))
    }
}
