//! What the import system knows: `sys.modules`, the files of modules, `sys.path`.

use super::{Interpreter, Python};
use crate::addr::Addr;

/// The most modules of `sys.modules` that are looked at.
const MAX_MODULES: u64 = 20_000;
/// How many names of a module's namespace are looked through for its file: those are its first.
const FIRST_NAMES: u64 = 40;
/// The most entries of `sys.path` that are followed.
const MAX_PATH: u64 = 200;

impl Python<'_> {
    /// `sys.modules`: the names of all modules, and the modules.
    pub fn imported_modules(&self, interpreter: &Interpreter) -> Vec<(String, Addr)> {
        let modules = self.layout.offsets.interpreter.modules.of(interpreter.address);
        let items = self.dict_items(self.read_or_null(modules), MAX_MODULES);
        let named = |(name, module): (Addr, Addr)| Some((self.name_string(name)?, module));
        items.unwrap_or_default().into_iter().filter_map(named).collect()
    }

    /// `__file__` of a module, else the origin in its `__spec__`. A module that is being imported has the latter only.
    pub fn module_file(&self, module: Addr) -> Option<String> {
        let info = self.type_of(module)?;
        let is_module = |class: &super::TypeInfo| class.is_builtin("module");
        if !self.resolution_order(&info).iter().any(|class| is_module(class)) {
            return None;
        }
        let dict = self.read_or_null(self.layout.offsets.module.dict.of(module));
        let names = self.dict_items(dict, FIRST_NAMES)?;
        let find = |wanted: &str| {
            let is_it = |key: Addr| self.name_string(key).is_some_and(|key| key == wanted);
            names.iter().find(|&&(key, _)| is_it(key)).map(|&(_, value)| value)
        };
        let file = find("__file__").and_then(|file| self.name_string(file));
        file.or_else(|| {
            let spec = find("__spec__")?;
            let info = self.type_of(spec)?;
            self.name_string(self.attribute(spec, &info, "origin")?)
        })
    }

    /// `sys.path`, as far as its entries are strs.
    pub fn import_path(&self, interpreter: &Interpreter) -> Vec<String> {
        let sysdict = self.layout.offsets.interpreter.sysdict.of(interpreter.address);
        let path = self.dict_get(self.read_or_null(sysdict), "path").unwrap_or_default();
        let entries = self.list_items(path, MAX_PATH).unwrap_or_default();
        entries
            .into_iter()
            .filter_map(|entry| self.name_string(entry))
            .collect()
    }
}
