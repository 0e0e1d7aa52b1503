//! What the files of one build say about its layout, each provider apart: for people, and for checks of the built-in
//! table. An analysis uses [`super::resolve`], which reads the process as well.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::builtin::{BuiltinRow, builtin, builtin_table};
use super::debug_offsets::{DebugOffsets, known_words, read_debug_offsets};
use super::dwarf::offsets_from_dwarf;
use super::resolve;
use super::schema::{Offset, Offsets};
use super::table_type::debug_offsets_type;
use super::versions::{Behaviour, Flavour, PythonVersion, version_row};
use super::{Provider, version_text};
use crate::addr::{Addr, Svma};
use crate::image::{Image, Images};
use crate::source::fake::FakeMemory;
use crate::source::{BuildId, MemoryExt};

/// One build, as its files describe it; or a version, as the built-in table does.
#[derive(Debug, Default)]
pub struct Inspection {
    /// The file that holds CPython, and its debug information where that is elsewhere.
    pub file: Option<PathBuf>,
    /// See `file`.
    pub debug_file: Option<PathBuf>,
    /// Its build id.
    pub build_id: Option<BuildId>,
    /// The address of `_PyRuntime` as the file states it.
    pub runtime: Option<Svma>,
    /// The version; its micro version is 0 unless [`Inspection::micro_is_known`].
    pub version: Option<PythonVersion>,
    /// Whether the file states more than the minor version.
    pub micro_is_known: bool,
    /// How it was configured.
    pub flavour: Flavour,
    /// How that minor version behaves when configured so; `None` where it is not supported.
    pub behaviour: Option<&'static Behaviour>,
    /// What the debug information says.
    pub dwarf: Option<Offsets>,
    /// Why there is none.
    pub dwarf_problem: Option<String>,
    /// What `_Py_DebugOffsets` says (3.13+).
    pub debug_offsets: Option<DebugOffsets>,
    /// The built-in row for this version.
    pub built_in: Option<BuiltinRow>,
}

/// A version as a person writes it: `3.12`, `3.13.5`, `3.13t` for a free-threaded build, `3.13d` for a debug build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRequest {
    /// 3.
    pub major: u8,
    /// For example 12.
    pub minor: u8,
    /// `None`: any.
    pub micro: Option<u8>,
    /// By the letters at the end.
    pub flavour: Flavour,
}

impl std::str::FromStr for VersionRequest {
    /// It is not a version.
    type Err = ();

    fn from_str(text: &str) -> Result<VersionRequest, ()> {
        let numbers = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let suffix = text.strip_prefix(numbers).unwrap_or_default();
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<&str> = numbers.split('.').collect();
        let number = |part: &&str| part.parse().ok().filter(|_| is_number(part)).ok_or(());
        let (major, minor, micro) = match parts.as_slice() {
            [major, minor] => (number(major)?, number(minor)?, None),
            [major, minor, micro] => (number(major)?, number(minor)?, Some(number(micro)?)),
            _ => return Err(()),
        };
        Ok(VersionRequest {
            major,
            minor,
            micro,
            flavour: Flavour::from_suffix(suffix).ok_or(())?,
        })
    }
}

/// One field, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InspectedField {
    /// `structure.field`, or `structure.size`.
    pub name: &'static str,
    /// C names of the structure, newest first.
    pub structures: &'static [&'static str],
    /// Member paths in C, newest first; empty for the size.
    pub members: &'static [&'static str],
    /// Where the field is.
    pub offset: Offset,
    /// Who says so; `None` for an absent field.
    pub provider: Option<Provider>,
}

/// A field on which providers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldDifference {
    /// `structure.field`, or `structure.size`.
    pub name: &'static str,
    /// By debug information.
    pub dwarf: Offset,
    /// By `_Py_DebugOffsets`; absent is no opinion there.
    pub debug_offsets: Offset,
    /// By the built-in row.
    pub built_in: Offset,
}

/// What a comparison of a build with a row found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// How many fields the files of the build state.
    pub compared: usize,
    /// The fields on which not all agree.
    pub differences: Vec<FieldDifference>,
    /// Structures of the row of which the debug information of the build says nothing: they vanished, or belong to an
    /// extension module that is not there.
    pub not_described: Vec<&'static str>,
}

impl Inspection {
    /// Of a build. Nothing is missing fatally: what a file does not say stays empty.
    ///
    /// Most builds have `_asyncio` and others as extension modules, whose debug information is then read, too.
    pub fn of_image(images: &Images, image: &Image) -> Inspection {
        let debug_offsets = image.section(".PyRuntime").and_then(|section| {
            let at = Addr(section.address.0);
            read_debug_offsets(&FakeMemory::new().with(at, section.bytes.to_vec()), at)
        });
        let (version, micro_is_known) = match &debug_offsets {
            Some(table) => (Some(table.version), true),
            None => version_of_file(image),
        };
        let flavour = Flavour {
            free_threaded: debug_offsets.as_ref().is_some_and(|table| table.free_threaded),
            debug: resolve::is_debug_build(image),
        };
        let (mut dwarf, mut dwarf_problem) = (None, None);
        match image.dwarf().map(offsets_from_dwarf) {
            Some(Ok(offsets)) => dwarf = Some(completed(offsets, images, image, version, flavour)),
            Some(Err(error)) => dwarf_problem = Some(error.to_string()),
            None => dwarf_problem = Some("there is no debug information".to_string()),
        }
        Inspection {
            file: Some(image.path().to_owned()),
            debug_file: image.debug_path().map(ToOwned::to_owned),
            build_id: image.build_id().cloned(),
            runtime: resolve::runtime_address(image),
            version,
            micro_is_known,
            flavour,
            behaviour: version.and_then(|version| behaviour_of(version, flavour)),
            dwarf,
            dwarf_problem,
            debug_offsets,
            built_in: version.and_then(|version| builtin(version, flavour)),
        }
    }

    /// Of a version: what coldframe knows by itself. `None` where that is nothing.
    pub fn of_version(request: VersionRequest) -> Option<Inspection> {
        // Without a micro version, the newest row of that minor.
        let version = PythonVersion::release(request.major, request.minor, request.micro.unwrap_or(u8::MAX));
        let row = builtin(version, request.flavour)?;
        Some(Inspection {
            version: Some(request.micro.map_or(row.version, |_| version)),
            micro_is_known: request.micro.is_some(),
            flavour: request.flavour,
            behaviour: Some(behaviour_of(version, request.flavour)?),
            built_in: Some(row),
            ..Inspection::default()
        })
    }

    /// Whether the files of the build state any offset.
    pub fn speaks(&self) -> bool {
        self.dwarf.is_some() || self.debug_offsets.as_ref().is_some_and(|table| table.offsets.is_some())
    }

    /// All fields of the schema, by the providers in the order that an analysis takes them: `_Py_DebugOffsets`, then
    /// debug information, then the built-in row, which is used where there is no debug information.
    pub fn fields(&self) -> Vec<InspectedField> {
        // Before its final release a version still moves its fields.
        let is_final = self.version.is_some_and(PythonVersion::is_final);
        let row = self.built_in.as_ref().filter(|_| self.dwarf.is_none() && is_final);
        let has_dwarf = self.dwarf.is_some();
        let stated = self.debug_offsets.as_ref().and_then(|table| table.counting(has_dwarf));
        let providers = [
            (Provider::DebugOffsets, stated),
            (Provider::Dwarf, self.dwarf),
            (
                Provider::BuiltIn,
                row.map(|row| stated.map_or(row.offsets, |stated| row.offsets.moved_with(&stated))),
            ),
        ];
        let slots = providers.map(|(provider, offsets)| (provider, offsets.map(slots)));
        let mut fields = slots_of_schema();
        for (index, field) in fields.iter_mut().enumerate() {
            let found = slots.iter().find_map(|(provider, offsets)| {
                let offset = offsets.as_ref()?.get(index).map(|slot| slot.offset)?;
                offset.is_present().then_some((offset, *provider))
            });
            if let Some((offset, provider)) = found {
                (field.offset, field.provider) = (offset, Some(provider));
            }
        }
        fields
    }

    /// What an analysis would use, as a row of the table; `None` where the version is not known or nothing says where
    /// its fields are.
    pub fn row(&self) -> Option<BuiltinRow> {
        self.behaviour?;
        let present = self.fields().into_iter();
        let known =
            present.filter_map(|field| Some((field.name.to_string(), u32::try_from(field.offset.bytes()?).ok()?)));
        let mut offsets = Offsets::from_map(&known.collect());
        if let Some(row) = &self.built_in {
            offsets.complete_extensions(&row.offsets);
        }
        Some(BuiltinRow {
            version: self.version?,
            flavour: self.flavour,
            offsets,
        })
        .filter(|row| row.offsets.interpreter.threads_head.is_present())
    }

    /// The row to compare with: that of this version, else the newest one before it; for a file that does not state its
    /// version the one that differs least.
    pub fn nearest_row(&self) -> Option<BuiltinRow> {
        let rows = || builtin_table().into_iter().filter(|row| row.flavour == self.flavour);
        match (&self.built_in, self.version) {
            (Some(row), _) => Some(row.clone()),
            (None, Some(version)) => rows()
                .filter(|row| row.version <= version)
                .max_by_key(|row| row.version),
            (None, None) => rows().min_by_key(|row| self.compare(row).differences.len()),
        }
    }

    /// What the files of the build say, against `row` and among themselves.
    pub fn compare(&self, row: &BuiltinRow) -> Comparison {
        let stated = self.debug_offsets.as_ref().and_then(|table| table.offsets);
        let (dwarf, stated, known) = (self.dwarf.map(slots), stated.map(slots), slots(row.offsets));
        let at = |list: &Option<Vec<InspectedField>>, index: usize| {
            let slot = list.as_ref().and_then(|list| list.get(index));
            slot.map_or(Offset::ABSENT, |slot| slot.offset)
        };
        let described = dwarf.iter().flatten().filter(|field| field.offset.is_present());
        let described: HashSet<&str> = described.map(|field| structure_of(field.name)).collect();
        let mut comparison = Comparison::default();
        for (index, field) in known.iter().enumerate() {
            let structure = structure_of(field.name);
            let (by_dwarf, by_table, by_row) = (at(&dwarf, index), at(&stated, index), field.offset);
            let is_described = described.contains(structure);
            comparison.compared += usize::from(by_dwarf.is_present() || by_table.is_present());
            let differs = (is_described && by_dwarf != by_row)
                || (by_table.is_present() && by_table != by_row)
                || (by_table.is_present() && is_described && by_table != by_dwarf);
            if differs {
                comparison.differences.push(FieldDifference {
                    name: field.name,
                    dwarf: by_dwarf,
                    debug_offsets: by_table,
                    built_in: by_row,
                });
            }
            let is_new = comparison.not_described.last() != Some(&structure);
            if dwarf.is_some() && !is_described && by_row.is_present() && is_new {
                comparison.not_described.push(structure);
            }
        }
        comparison
    }

    /// What the table of this build's `_Py_DebugOffsets` holds, where that is not what is known for its minor version:
    /// a sentence, and the lines to enter. `None` where both agree, or nothing is there to compare.
    pub fn table_difference(&self, image: &Image) -> Option<(String, String)> {
        let described = debug_offsets_type(image.dwarf()?)?;
        let version = self.version?;
        let sentence = match known_words(version) {
            Some(known) if described.words().starts_with(&known) => return None,
            Some(_) => format!(
                "the words of _Py_DebugOffsets are not those known for 3.{}",
                version.minor()
            ),
            None => format!("the words of _Py_DebugOffsets are not known for 3.{}", version.minor()),
        };
        Some((sentence, described.to_string()))
    }
}

fn behaviour_of(version: PythonVersion, flavour: Flavour) -> Option<&'static Behaviour> {
    version_row(version)?.behaviour_of(flavour)
}

fn completed(
    offsets: Offsets,
    images: &Images,
    image: &Image,
    version: Option<PythonVersion>,
    flavour: Flavour,
) -> Offsets {
    let mut whole = offsets;
    let modules = version.map(|version| extensions_beside(image.path(), version, flavour));
    for path in modules.unwrap_or_default() {
        let read = || offsets_from_dwarf(images.open_named(&path).ok()?.dwarf()?).ok();
        if let Some(more) = read() {
            whole.complete_extensions(&more);
        }
    }
    whole
}

/// The extension modules whose structures the schema has, that lie where this interpreter or libpython looks for them.
pub fn extensions_beside(library: &Path, version: PythonVersion, flavour: Flavour) -> Vec<PathBuf> {
    const MODULES: [&str; 5] = ["_asyncio", "_ctypes", "_datetime", "_decimal", "array"];
    let (major, minor) = (version.major(), version.minor());
    let threads = if flavour.free_threaded { "t" } else { "" };
    let folder = format!("python{major}.{minor}{threads}/lib-dynload");
    let tags = MODULES.map(|module| format!("{module}.cpython-{major}{minor}{flavour}-"));
    let beside = library.parent();
    let places = [beside, beside.and_then(Path::parent)].into_iter().flatten();
    let places = places.flat_map(|place| [place.join(&folder), place.join("lib").join(&folder)]);
    let mut found: Vec<PathBuf> = Vec::new();
    for place in places {
        let names = std::fs::read_dir(&place).into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name()).filter(|name| {
            let name = name.to_string_lossy();
            tags.iter().any(|tag| name.starts_with(tag))
        });
        found.extend(names.map(|name| place.join(name)));
        if !found.is_empty() {
            break;
        }
    }
    found.sort();
    found
}

/// `thread` of `thread.next`.
fn structure_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(structure, _)| structure)
}

fn slots_of_schema() -> Vec<InspectedField> {
    slots(Offsets::default())
}

fn slots(mut offsets: Offsets) -> Vec<InspectedField> {
    let mut fields = Vec::new();
    offsets.for_each(&mut |slot| {
        fields.push(InspectedField {
            name: slot.name,
            structures: slot.structures,
            members: slot.members,
            offset: *slot.offset,
            provider: None,
        });
    });
    fields
}

/// The version, and whether that is more than major and minor: `Py_Version` (3.11+); else the minor version that the
/// file's name states, completed by the one text of that version in the read-only data (`PY_VERSION`).
fn version_of_file(image: &Image) -> (Option<PythonVersion>, bool) {
    let by_symbol = || {
        let section = image.section(".rodata")?;
        let address = image.symbol_address("Py_Version")?;
        let memory = FakeMemory::new().with(Addr(section.address.0), section.bytes.to_vec());
        let word = memory.read_u32(Addr(address.0)).ok()?;
        Some(PythonVersion(word)).filter(|version| version.major() == 3)
    };
    if let Some(version) = by_symbol() {
        return (Some(version), true);
    }
    let name = image.path().file_name().unwrap_or_default().to_string_lossy();
    let Some(minor) = resolve::minor_of_name(&name) else {
        let text = version_text::version(image);
        return (text, text.is_some());
    };
    match version_text::version_of_minor(image, minor) {
        Some(version) => (Some(version), true),
        None => (Some(PythonVersion::release(3, minor, 0)), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_alone_has_the_fields_of_its_row() {
        let of = |text: &str| Inspection::of_version(text.parse().unwrap());
        let known = of("3.12.1").unwrap();
        let fields = known.fields();
        let current = fields.iter().find(|field| field.name == "cframe.current_frame");
        assert_eq!(current.unwrap().provider, Some(Provider::BuiltIn));
        let absent = fields.iter().find(|field| field.name == "thread.current_frame");
        assert_eq!(absent.unwrap().provider, None);
        assert!(of("3.13.200").is_some() && of("3.13").is_some());
        assert_eq!(of("3.14t").unwrap().flavour.to_string(), "t");
        assert!(of("3.12t").is_none());
        assert!(of("3.7").is_none() && of("3.99.1").is_none() && of("2.7.18").is_none());
        for text in [
            "",
            "3",
            "3.x",
            "3.12.",
            "python3.12",
            "3.12.1.0",
            "+3.12",
            "3.1000",
            "3.12x",
            "3.12dt",
        ] {
            assert!(text.parse::<VersionRequest>().is_err(), "{text}");
        }
    }
}
