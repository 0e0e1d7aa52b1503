//! The extension modules that a process has loaded: images that are modules of `sys.modules`, or are named as such.

use std::collections::HashMap;

use super::Walk;
use super::packages::Packages;
use crate::addr::Addr;
use crate::report::model::ExtensionModule;
use crate::source::Module;

/// The most modules of `sys.modules` whose files are looked at for images that have another name there.
const MAX_FILES: usize = 5_000;
/// Where the standard library has its extension modules.
const STANDARD_LIBRARY: &str = "lib-dynload";

impl Walk<'_, '_> {
    /// The extension modules, those of the standard library last, by name.
    pub fn extension_modules(&self, packages: &mut Packages<'_>) -> Vec<ExtensionModule> {
        let mut imports = Imports::new(self);
        let mut found: Vec<ExtensionModule> = Vec::new();
        for image in self.target.modules().iter() {
            let Some(file) = ExtensionFile::of(&image.path) else {
                continue;
            };
            let Some(name) = imports.name(&file) else { continue };
            let standard_library = file.folders.last() == Some(&STANDARD_LIBRARY);
            let package = if standard_library {
                None
            } else {
                packages.find(image, &file.name_below(&name))
            };
            let (package, version) = package.map(|package| (package.name, package.version)).unzip();
            found.push(ExtensionModule {
                name,
                path: Some(image.path.clone()),
                package,
                version: version.flatten(),
                standard_library,
            });
        }
        found.sort_by(|a, b| {
            let key = |module: &ExtensionModule| (module.standard_library, module.name.clone(), module.path.clone());
            key(a).cmp(&key(b))
        });
        found
    }
}

/// Whether an image is named as extension modules are: `name.cpython-312-x86_64-linux-gnu.so`, `name.abi3.so`, or lies
/// where they do.
pub fn is_extension(module: &Module) -> bool {
    let in_folder = |folder: &str| module.path.contains(folder);
    ExtensionFile::of(&module.path).is_some_and(|file| {
        file.is_tagged
            || ["site-packages", "dist-packages", STANDARD_LIBRARY]
                .into_iter()
                .any(in_folder)
    })
}

/// A path that can be that of an extension module.
struct ExtensionFile<'a> {
    path: &'a str,
    folders: Vec<&'a str>,
    /// The file's name without what stands after its first dot.
    stem: &'a str,
    /// The name has the tag that CPython gives to extension modules (`importlib.machinery.EXTENSION_SUFFIXES`).
    is_tagged: bool,
}

impl<'a> ExtensionFile<'a> {
    fn of(path: &'a str) -> Option<ExtensionFile<'a>> {
        let mut folders: Vec<&str> = path.split('/').collect();
        let (stem, suffix) = folders.pop()?.split_once('.')?;
        let is_tagged = ["cpython-", "abi3.", "abi3t."]
            .iter()
            .any(|tag| suffix.starts_with(tag));
        let is_library = suffix == "so" || is_tagged && suffix.ends_with(".so");
        is_library.then_some(ExtensionFile {
            path,
            folders,
            stem,
            is_tagged,
        })
    }

    /// The names that it can have, the longest first: of /lib/python/a/b/c.so lib.python.a.b.c down to c.
    fn names(&self) -> Vec<String> {
        let is_package = self.stem == "__init__";
        let mut parts = self.folders.iter().rev();
        let first = if is_package {
            parts.next().copied()
        } else {
            Some(self.stem)
        };
        let mut names: Vec<String> = first.into_iter().map(str::to_string).collect();
        for part in parts.take_while(|part| is_identifier(part)) {
            let inner = names.last().map(String::as_str).unwrap_or_default();
            names.push(format!("{part}.{inner}"));
        }
        names.reverse();
        names
    }

    /// The name by its place below the longest of these folders.
    fn name_in(&self, path: &[String]) -> Option<String> {
        let below = |folder: &String| {
            let rest = self
                .path
                .strip_prefix(folder.trim_end_matches('/'))?
                .strip_prefix('/')?;
            Some(rest.matches('/').count() + 1)
        };
        let parts = path
            .iter()
            .filter(|folder| folder.starts_with('/'))
            .filter_map(below)
            .min()?;
        let parts = if self.stem == "__init__" { parts - 1 } else { parts };
        self.names().into_iter().find(|name| name.split('.').count() == parts)
    }

    /// The part of a module's name that tells in how many folders its file lies below the one that is searched: all of
    /// it, where the folders are named so. A module may have been given any other name.
    fn name_below(&self, name: &str) -> String {
        let is_named_so = self.names().iter().any(|known| known == name);
        let name = if is_named_so { name } else { self.stem };
        match self.stem {
            "__init__" => format!("{name}.__init__"),
            _ => name.to_string(),
        }
    }
}

fn is_identifier(part: &str) -> bool {
    let mut letters = part.chars();
    let first = letters.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    first && letters.all(|c| c.is_alphanumeric() || c == '_')
}

/// What the interpreters imported.
struct Imports<'a> {
    walk: &'a Walk<'a, 'a>,
    modules: HashMap<String, Addr>,
    /// Names by file, read when an image is none of the modules that its path allows.
    by_file: Option<HashMap<String, String>>,
    path: Vec<String>,
}

impl<'a> Imports<'a> {
    fn new(walk: &'a Walk<'_, '_>) -> Imports<'a> {
        let mut modules = HashMap::new();
        let mut path: Vec<String> = Vec::new();
        if let Some(python) = walk.python {
            for interpreter in walk.interpreters {
                modules.extend(python.imported_modules(interpreter));
                path.extend(python.import_path(interpreter));
            }
        }
        Imports {
            walk,
            modules,
            by_file: None,
            path,
        }
    }

    /// The name of the module in a file: that of `sys.modules`. One that is not there yet, or no more, has the name that
    /// its place gives it.
    fn name(&mut self, file: &ExtensionFile<'_>) -> Option<String> {
        let candidates = file.names().into_iter();
        if let Some(name) = candidates.into_iter().find(|name| self.is_imported(name, file)) {
            return Some(name);
        }
        if !file.is_tagged {
            return None;
        }
        let known = self.by_file().get(file.path).cloned();
        known
            .or_else(|| file.name_in(&self.path))
            .or_else(|| Some(file.stem.to_string()))
    }

    /// Links may lead to a file by another path; the last part of it stays. But then it is no other image's path.
    fn is_imported(&self, name: &str, file: &ExtensionFile<'_>) -> bool {
        let module = self.modules.get(name);
        let known = module.and_then(|&module| self.walk.python?.module_file(module));
        let last = |path: &str| path.rsplit('/').next().map(str::to_string);
        known.is_some_and(|known| {
            let is_other = || self.walk.target.modules().iter().any(|image| image.path == known);
            known == file.path || last(&known) == last(file.path) && !is_other()
        })
    }

    fn by_file(&mut self) -> &HashMap<String, String> {
        let (walk, modules) = (self.walk, &self.modules);
        self.by_file.get_or_insert_with(|| {
            let file = |(name, &module): (&String, &Addr)| Some((walk.python?.module_file(module)?, name.clone()));
            modules.iter().take(MAX_FILES).filter_map(file).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ExtensionFile;

    fn names(path: &str) -> Vec<String> {
        ExtensionFile::of(path).map(|file| file.names()).unwrap_or_default()
    }

    #[test]
    fn names_that_a_path_allows() {
        assert_eq!(
            names("/v/site-packages/a/_b.cpython-312-x86_64-linux-gnu.so"),
            ["a._b", "_b"]
        );
        assert_eq!(names("/v/a/__init__.abi3.so"), ["v.a", "a"]);
        assert_eq!(names("/usr/lib/libz.so.1"), [""; 0]);
        assert_eq!(names("/x.so"), ["x"]);
    }

    #[test]
    fn names_by_the_search_path() {
        let path = ["/v".to_string(), "/v/site".to_string(), "w".to_string()];
        let name = |file: &str| ExtensionFile::of(file)?.name_in(&path);
        assert_eq!(name("/v/site/a/_b.abi3.so").as_deref(), Some("a._b"));
        assert_eq!(name("/v/site/a/__init__.abi3.so").as_deref(), Some("a"));
        assert_eq!(name("/elsewhere/a/_b.abi3.so"), None);
        // Not a package's folder.
        assert_eq!(name("/v/3-x/_b.abi3.so"), None);
    }
}
