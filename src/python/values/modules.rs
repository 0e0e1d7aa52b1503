//! Modules.

use super::super::Python;
use super::super::object::type_flags;
use super::printer::{Printer, Subject};
use crate::addr::Addr;

/// How many entries of a module's namespace are searched for its attributes: the import system makes them first.
const FIRST_NAMES: u64 = 24;

/// `<module 'json' from '/usr/lib/python3.12/json/__init__.py'>` (Lib/importlib/_bootstrap.py, `_module_repr`).
pub fn module(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let dict = python.read_or_null(python.layout.offsets.module.dict.of(subject.at));
    let names = python.dict_items(dict, FIRST_NAMES)?;
    let find = |name: &str| {
        let is_it = |key: Addr| python.name_string(key).is_some_and(|key| key == name);
        let value = names.iter().find(|&&(key, _)| is_it(key)).map(|&(_, value)| value);
        value.filter(|&value| !python.is_none(value))
    };
    match find("__spec__") {
        Some(spec) => of_spec(printer, spec),
        None => {
            let name = find("__name__").map_or_else(|| "'?'".to_string(), |name| printer.repr(name));
            Some(match (find("__file__"), find("__loader__")) {
                (Some(file), _) => format!("<module {name} from {}>", printer.repr(file)),
                (None, Some(loader)) => format!("<module {name} ({})>", printer.repr(loader)),
                (None, None) => format!("<module {name}>"),
            })
        }
    }
}

/// Lib/importlib/_bootstrap.py, `_module_repr_from_spec`.
fn of_spec(printer: &mut Printer<'_, '_>, spec: Addr) -> Option<String> {
    let python = printer.python;
    let info = python.type_of(spec)?;
    let find = |name: &str| {
        let value = python.attribute(spec, &info, name);
        value.filter(|&value| !python.is_none(value))
    };
    let name = find("name").map_or_else(|| "'?'".to_string(), |name| printer.repr(name));
    let Some(origin) = find("origin") else {
        let Some(loader) = find("loader") else {
            return Some(format!("<module {name}>"));
        };
        let loader_info = python.type_of(loader)?;
        if loader_info.name.trim_start_matches('_') == "NamespaceLoader" {
            let path = python.attribute(loader, &loader_info, "_path");
            return Some(namespace(printer, &name, path));
        }
        // Up to 3.11 these two importers name themselves (`module_repr`).
        let importer = python.type_info(loader).filter(|_| loader_info.has(type_flags::TYPE));
        return Some(match importer.as_ref().map(|importer| importer.name.as_str()) {
            Some("BuiltinImporter") => format!("<module {name} (built-in)>"),
            Some("FrozenImporter") => format!("<module {name} (frozen)>"),
            _ => format!("<module {name} ({})>", printer.repr(loader)),
        });
    };
    let has_location = find("_set_fileattr").and_then(|flag| python.int_repr(flag));
    Some(match has_location.as_deref() {
        Some("1") => format!("<module {name} from {}>", printer.repr(origin)),
        _ => format!("<module {name} ({})>", python.name_string(origin)?),
    })
}

/// A package without a file: the folders that make it up are known from 3.11 on.
fn namespace(printer: &mut Printer<'_, '_>, name: &str, path: Option<Addr>) -> String {
    let python = printer.python;
    let folders = path.and_then(|path| {
        let info = python.type_of(path)?;
        python.attribute(path, &info, "_path")
    });
    match folders {
        Some(folders) => format!("<module {name} (namespace) from {}>", printer.repr(folders)),
        None => format!("<module {name} (namespace)>"),
    }
}

impl Python<'_> {
    /// Whether an object is None.
    pub(in super::super) fn is_none(&self, object: Addr) -> bool {
        self.type_of(object).is_some_and(|info| info.is_builtin("NoneType"))
    }
}
