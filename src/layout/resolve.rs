//! Finding the Python runtime of a process, and the layout that fits it.

use std::collections::BTreeMap;

use super::schema::Offsets;
use super::versions::{Flavour, PythonVersion, VERSIONS, nearest_version_row, version_row};
use super::{DebugOffsets, DwarfError, Layout, Provider, asyncio, builtin, dwarf, read_debug_offsets, version_text};
use crate::addr::{Addr, Svma};
use crate::image::{CacheDir, CacheKind, Image, Images};
use crate::notes::Notes;
use crate::source::{Memory, MemoryExt, Module, Target};

/// What gives the layout of a build of which it is not known.
const NEEDS_SYMBOLS: &str = "the debug information of this build, with --symbols PATH";

/// Layouts read from DWARF. What another schema asked for lacks fields of this one.
fn cache_kind() -> CacheKind {
    CacheKind {
        name: "layouts",
        version: Offsets::fingerprint(),
    }
}

/// The layout of the Python runtime in a process: the dump's own copy where it has one, else from the
/// build's files. `None`, with a note, where there is no runtime or nothing fits it.
pub fn resolve(target: &dyn Target, images: &Images, cache: Option<&CacheDir>, notes: &Notes) -> Option<Layout> {
    if let Some(recorded) = &target.recorded().layout {
        return Layout::from_recorded(recorded);
    }
    if target.recorded().is_complete {
        return None;
    }
    let Some(runtime) = find_runtime(target, images) else {
        note_no_runtime(target, notes);
        return None;
    };
    let mut layout = runtime.layout(target.memory(), cache, notes)?;
    asyncio::complete(&mut layout, target, images);
    Some(layout)
}

/// Before 3.7 there was no `_PyRuntime`, and PyPy has none; the name of a file still tells what it is.
fn note_no_runtime(target: &dyn Target, notes: &Notes) {
    let named = target.modules().iter().find_map(|module| {
        let (implementation, minor) = implementation_of_name(module.name())?;
        Some((module, implementation, minor))
    });
    let (what, remedy) = match named {
        Some((module, "CPython", minor)) if VERSIONS.iter().any(|row| minor == format!("3.{}", row.minor)) => (
            format!("{} is CPython {minor}, but its _PyRuntime was not found", module.path),
            "the file that was loaded, where it was or below --sysroot DIR",
        ),
        Some((module, implementation, minor)) => (
            format!("{} is {implementation} {minor}; {}", module.path, supported()),
            "",
        ),
        None => ("no Python runtime was found in the process".to_string(), ""),
    };
    notes.push("python", what, "native frames only", remedy);
}

/// `libpython2.7.so.1.0`, `python3.6m` and `libpypy3.9-c.so` name an implementation and a version.
pub(super) fn implementation_of_name(name: &str) -> Option<(&'static str, String)> {
    let name = name.strip_prefix("lib").unwrap_or(name);
    let cpython = name.strip_prefix("python").map(|rest| ("CPython", rest));
    let (implementation, rest) = cpython.or_else(|| name.strip_prefix("pypy").map(|rest| ("PyPy", rest)))?;
    let (major, rest) = rest.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(major) && is_number(&minor)).then(|| (implementation, format!("{major}.{minor}")))
}

/// Which versions are.
pub(super) fn supported() -> String {
    let minors = VERSIONS.iter().map(|row| row.minor);
    format!(
        "coldframe knows CPython 3.{} to 3.{}",
        minors.clone().min().unwrap_or(0),
        minors.max().unwrap_or(0)
    )
}

/// An image that holds a `_PyRuntime`.
struct Runtime<'a> {
    module: &'a Module,
    image: std::rc::Rc<Image>,
    bias: u64,
    address: Addr,
}

/// The executable and images named after Python first: looking into all of them costs time in a process with
/// hundreds. Extension modules have Python in their names, too, but not at the beginning.
fn find_runtime<'a>(target: &'a dyn Target, images: &Images) -> Option<Runtime<'a>> {
    let modules: Vec<&Module> = target.modules().iter().collect();
    let executable = &target.context().process.executable;
    let is_likely = |module: &&&Module| {
        let name = module.name();
        name.starts_with("libpython") || name.starts_with("python") || module.path == *executable
    };
    let (likely, others): (Vec<&Module>, Vec<&Module>) = modules.iter().partition(is_likely);
    // Servers are asked only for what may well be Python.
    let likely = likely.into_iter().map(|module| (module, images.demand(module)));
    likely
        .chain(others.into_iter().map(|module| (module, images.image(module))))
        .find_map(|(module, image)| {
            let image = image.ok()?;
            let bias = image.bias(module.range.start)?;
            let address = Addr(runtime_address(&image)?.0.wrapping_add(bias));
            Some(Runtime {
                module,
                image,
                bias,
                address,
            })
        })
}

/// `_PyRuntime` by its symbol, or, where that was stripped, as what the section of its own begins with
/// (Python/pylifecycle.c, 3.10+).
pub(super) fn runtime_address(image: &Image) -> Option<Svma> {
    let by_section = || Some(image.section(".PyRuntime")?.address).filter(|address| address.0 != 0);
    image.symbol_address("_PyRuntime").or_else(by_section)
}

impl Runtime<'_> {
    fn layout(&self, memory: &dyn Memory, cache: Option<&CacheDir>, notes: &Notes) -> Option<Layout> {
        let debug_offsets = read_debug_offsets(memory, self.address);
        let stated = debug_offsets.as_ref().map(|table| table.version);
        let Some(version) = stated.or_else(|| self.version(memory)) else {
            notes.push(
                "layout",
                format!("the version of the Python in {} cannot be told", self.module.path),
                "native frames only",
                "",
            );
            return None;
        };
        let nearest = nearest_version_row(version);
        let dwarf = nearest.and_then(|_| self.dwarf_offsets(cache, notes));
        // Of a version that came later, nothing but the build itself says where its fields are.
        let is_later = version_row(version).is_none();
        let Some(row) = nearest.filter(|_| !is_later || dwarf.is_some()) else {
            let remedy = nearest.map_or("", |_| NEEDS_SYMBOLS);
            notes.push(
                "layout",
                format!(
                    "{} is CPython {}.{}; {}",
                    self.module.path,
                    version.major(),
                    version.minor(),
                    supported()
                ),
                "native frames only",
                remedy,
            );
            return None;
        };
        let flavour = Flavour {
            free_threaded: debug_offsets.as_ref().is_some_and(|table| table.free_threaded),
            debug: is_debug_build(&self.image),
        };
        let Some(behaviour) = row.behaviour_of(flavour) else {
            notes.push(
                "layout",
                format!(
                    "{} is a free-threaded build of CPython {version}, of which there is none",
                    self.module.path
                ),
                "native frames only",
                "",
            );
            return None;
        };
        let (offsets, provider, detail) = self.offsets(version, flavour, dwarf, debug_offsets, notes)?;
        let tentative = match (is_later, version.is_final()) {
            (true, _) => Some("later than what coldframe knows"),
            (false, false) => Some("not a final release"),
            (false, true) => None,
        };
        if let Some(why) = tentative {
            notes.push(
                "layout",
                format!("CPython {version} is {why}; it was read as 3.{} is", row.minor),
                "frames and values may be wrong where it differs",
                "",
            );
        }
        Some(Layout {
            version,
            flavour,
            runtime: self.address,
            image: self.module.range.start,
            offsets,
            behaviour,
            provider,
            detail,
        })
    }

    /// The offsets by the best providers there are, and which they are. `None`, with a note, where there is none.
    fn offsets(
        &self,
        version: PythonVersion,
        flavour: Flavour,
        dwarf: Option<Offsets>,
        debug_offsets: Option<DebugOffsets>,
        notes: &Notes,
    ) -> Option<(Offsets, Provider, String)> {
        let stated = debug_offsets.and_then(|table| table.counting(dwarf.is_some()));
        let row = builtin(version, flavour);
        match (dwarf, row, stated) {
            (Some(mut offsets), row, stated) => {
                if let Some(row) = row {
                    offsets.complete_extensions(&row.offsets);
                }
                let differing = stated.map(|stated| offsets.overlay(&stated)).unwrap_or_default();
                if !differing.is_empty() {
                    notes.push(
                        "layout",
                        format!(
                            "debug information and _Py_DebugOffsets differ on {}",
                            differing.join(", ")
                        ),
                        "the latter was used",
                        "",
                    );
                }
                Some((offsets, Provider::Dwarf, self.debug_file()))
            }
            // Before its final release a version still moves its fields.
            (None, Some(row), stated) if version.is_final() => {
                let name = format!("row {}{}", row.version, row.flavour);
                let Some(stated) = stated else {
                    return Some((row.offsets, Provider::BuiltIn, name));
                };
                let mut offsets = row.offsets.moved_with(&stated);
                offsets.overlay(&stated);
                let detail = format!("_Py_DebugOffsets, completed by {name}");
                Some((offsets, Provider::DebugOffsets, detail))
            }
            (None, _, Some(stated)) => {
                notes.push(
                    "layout",
                    format!(
                        "of CPython {version} in {} only _Py_DebugOffsets is known",
                        self.module.path
                    ),
                    "names of threads, and what is in dicts and most other objects, are missing",
                    NEEDS_SYMBOLS,
                );
                Some((stated, Provider::DebugOffsets, "_Py_DebugOffsets alone".to_string()))
            }
            (None, _, None) => {
                notes.push(
                    "layout",
                    format!("the layout of CPython {version} in {} is not known", self.module.path),
                    "native frames only",
                    NEEDS_SYMBOLS,
                );
                None
            }
        }
    }

    /// `Py_Version` (3.11+), else the minor version that the file's name states, else the version in its texts; what the
    /// interpreter itself says (`sys.hexversion`) completes that once its layout is known.
    fn version(&self, memory: &dyn Memory) -> Option<PythonVersion> {
        if let Some(address) = self.image.symbol_address("Py_Version") {
            let word = memory.read_u32(Addr(address.0.wrapping_add(self.bias))).ok()?;
            return Some(PythonVersion(word)).filter(|version| version.major() == 3);
        }
        let by_name = minor_of_name(self.module.name()).map(|minor| PythonVersion::release(3, minor, 0));
        by_name.or_else(|| version_text::version(&self.image))
    }

    fn debug_file(&self) -> String {
        self.image
            .debug_path()
            .unwrap_or_else(|| self.image.path())
            .display()
            .to_string()
    }

    fn dwarf_offsets(&self, cache: Option<&CacheDir>, notes: &Notes) -> Option<Offsets> {
        let key = self.module.build_id.as_ref().map(ToString::to_string);
        if let (Some(cache), Some(key)) = (cache, &key)
            && let Some(bytes) = cache.load(cache_kind(), key)
            && let Ok(map) = serde_json::from_slice::<BTreeMap<String, u32>>(&bytes)
        {
            return Some(Offsets::from_map(&map));
        }
        let offsets = match dwarf::offsets_from_dwarf(self.image.dwarf()?) {
            Ok(offsets) => offsets,
            Err(DwarfError::NothingFound) => return None,
            Err(error) => {
                notes.push(
                    "layout",
                    format!("{}: {error}", self.debug_file()),
                    "it is not used",
                    NEEDS_SYMBOLS,
                );
                return None;
            }
        };
        if let (Some(cache), Some(key), Ok(bytes)) = (cache, &key, serde_json::to_vec(&offsets.to_map())) {
            // A cache that cannot be written costs time at the next crash and nothing else.
            let _ = cache.store(cache_kind(), key, &bytes);
        }
        Some(offsets)
    }
}

/// A `--with-pydebug` build exports what counts its references.
pub(super) fn is_debug_build(image: &Image) -> bool {
    let counters = ["_Py_RefTotal", "_Py_GetRefTotal", "_PyDebug_PrintTotalRefs"];
    counters.iter().any(|name| image.symbol_address(name).is_some())
}

/// `libpython3.8.so.1.0` and `python3.8` name their minor version.
pub(super) fn minor_of_name(name: &str) -> Option<u8> {
    let after = name.split_once("python3.")?.1;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_version_of_names() {
        assert_eq!(minor_of_name("libpython3.10.so.1.0"), Some(10));
        assert_eq!(minor_of_name("python3.8"), Some(8));
        assert_eq!(minor_of_name("python3"), None);
    }

    #[test]
    fn implementations_of_names() {
        let named =
            |name| implementation_of_name(name).map(|(implementation, version)| format!("{implementation} {version}"));
        assert_eq!(named("libpython2.7.so.1.0").as_deref(), Some("CPython 2.7"));
        assert_eq!(named("libpython3.6m.so.1.0").as_deref(), Some("CPython 3.6"));
        assert_eq!(named("python3.14t").as_deref(), Some("CPython 3.14"));
        assert_eq!(named("libpypy3.9-c.so").as_deref(), Some("PyPy 3.9"));
        for name in [
            "python3",
            "python",
            "pypy3",
            "python.so",
            "python3.",
            "libpythonic.so.1",
            "sh",
        ] {
            assert_eq!(named(name), None, "{name}");
        }
    }
}
