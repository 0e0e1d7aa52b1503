//! What `coldframe layout` gives out, as data.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use crate::image::Image;
use crate::layout::{Behaviour, BuiltinRow, FieldDifference, InspectedField, Inspection};
use crate::report::model::Address;

/// Name and version of the JSON form.
pub const SCHEMA: &str = "coldframe-layout/1";

/// What one build's layout is, and who says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct LayoutReport {
    /// `coldframe-layout/1`.
    pub schema: String,
    /// The file that holds CPython; absent where a version was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its separate debug file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debug_file: Option<String>,
    /// Its build id, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// `3.12.1`, or `3.8` where the file does not state more; absent where it states none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `release` or `debug` (`--with-pydebug`).
    pub build: String,
    /// Compiled with `--disable-gil`.
    pub free_threaded: bool,
    /// The built-in row for this version, by the version it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub built_in_row: Option<String>,
    /// Address of `_PyRuntime` as the file states it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_address: Option<Address>,
    /// How this version behaves, by aspect; empty for a version that is not supported.
    pub behaviour: Vec<Aspect>,
    /// All fields that coldframe reads, in the order of the schema.
    pub fields: Vec<Field>,
    /// What a check found; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// What could not be found out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How a version behaves in one respect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Aspect {
    /// For example `frame_root`.
    pub name: String,
    /// For example `CFrame`.
    pub value: String,
}

/// A field of a structure, or the structure's size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Field {
    /// `structure.field`, or `structure.size`, by coldframe's names.
    pub name: String,
    /// C names of the structure, the newest first.
    pub structures: Vec<String>,
    /// C names of the member, the newest first; empty for the size.
    pub members: Vec<String>,
    /// In bytes; absent where this build has no such field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Who says so: `dwarf`, `debug-offsets` or `built-in`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// What the comparison with the built-in table found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Check {
    /// The row compared with; absent where there is none to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// How many fields were compared.
    pub compared: usize,
    /// Fields on which the providers differ.
    pub differences: Vec<Difference>,
    /// Structures of the row of which the debug information of the build says nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_described: Vec<String>,
    /// What else coldframe lacks for this build.
    pub missing: Vec<String>,
    /// The groups and words of its `_Py_DebugOffsets`, where they are not the known ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debug_offsets_words: Option<String>,
}

/// One field on which providers differ; absent means that this one has no such field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Difference {
    /// `structure.field`.
    pub name: String,
    /// By debug information.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dwarf: Option<u64>,
    /// By `_Py_DebugOffsets`, which holds some fields only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debug_offsets: Option<u64>,
    /// By the built-in row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub built_in: Option<u64>,
}

impl LayoutReport {
    /// The report of an inspection.
    pub fn new(inspection: &Inspection) -> LayoutReport {
        let version = inspection.version.map(|version| {
            if inspection.micro_is_known {
                version.to_string()
            } else {
                format!("{}.{}", version.major(), version.minor())
            }
        });
        let mut notes = Vec::new();
        if inspection.version.is_none() {
            notes.push(
                "the version is not stated in this file: give the interpreter, and this file with --symbols"
                    .to_string(),
            );
        } else if inspection.behaviour.is_none() {
            notes.push(
                "coldframe does not know how this version behaves: reports have its native stack only".to_string(),
            );
        }
        if let (Some(problem), Some(_)) = (&inspection.dwarf_problem, &inspection.file) {
            notes.push(format!("{problem}; --symbols PATH gives a debug file of this build"));
        }
        LayoutReport {
            schema: SCHEMA.to_string(),
            file: inspection.file.as_ref().map(|path| path.display().to_string()),
            debug_file: inspection.debug_file.as_ref().map(|path| path.display().to_string()),
            build_id: inspection.build_id.as_ref().map(ToString::to_string),
            version,
            build: if inspection.flavour.debug { "debug" } else { "release" }.to_string(),
            free_threaded: inspection.flavour.free_threaded,
            built_in_row: inspection.built_in.as_ref().map(row_name),
            runtime_address: inspection.runtime.map(|address| Address(address.0)),
            behaviour: aspects(inspection.behaviour),
            fields: inspection.fields().iter().map(Field::new).collect(),
            check: None,
            notes,
        }
    }

    /// Whether any provider said anything.
    pub fn has_offsets(&self) -> bool {
        self.fields.iter().any(|field| field.offset.is_some())
    }
}

/// `3.14.4t`, as the table names its columns.
fn row_name(row: &BuiltinRow) -> String {
    format!("{}{}", row.version, row.flavour)
}

fn aspects(behaviour: Option<&Behaviour>) -> Vec<Aspect> {
    let aspects = behaviour.map(Behaviour::aspects).unwrap_or_default();
    let named = aspects.into_iter().map(|(name, value)| Aspect {
        name: name.to_string(),
        value,
    });
    named.collect()
}

impl Field {
    fn new(field: &InspectedField) -> Field {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Field {
            name: field.name.to_string(),
            structures: owned(field.structures),
            members: owned(field.members),
            offset: field.offset.bytes(),
            provider: field.provider.map(|provider| provider.as_str().to_string()),
        }
    }
}

impl Check {
    /// Compares what a build's files say with the built-in table.
    pub fn new(inspection: &Inspection, image: &Image) -> Check {
        let mut check = Check::default();
        let version = inspection.version;
        if let (Some(version), None) = (version, inspection.behaviour) {
            check.missing.push(format!(
                "no row of behaviour for {}.{}{} (src/layout/versions.rs)",
                version.major(),
                version.minor(),
                if inspection.flavour.free_threaded { "t" } else { "" }
            ));
        }
        let row = inspection.nearest_row();
        if let (Some(version), None) = (version, &inspection.built_in) {
            let instead = row.as_ref().map(|row| format!("; compared with {}", row_name(row)));
            check.missing.push(format!(
                "no built-in row for {version}{} (src/layout/builtin.tsv){}",
                inspection.flavour,
                instead.unwrap_or_default()
            ));
        }
        if let Some((sentence, words)) = inspection.table_difference(image) {
            check.missing.push(format!("{sentence} (src/layout/debug_offsets.rs)"));
            check.debug_offsets_words = Some(words);
        }
        if let Some(row) = &row {
            let comparison = inspection.compare(row);
            check.compared = comparison.compared;
            check.row = Some(row_name(row));
            check.differences = comparison.differences.iter().map(Difference::new).collect();
            check.not_described = comparison.not_described.iter().map(ToString::to_string).collect();
        }
        check
    }

    /// Whether nothing differs and nothing is missing.
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty() && self.missing.is_empty()
    }
}

impl Difference {
    fn new(difference: &FieldDifference) -> Difference {
        Difference {
            name: difference.name.to_string(),
            dwarf: difference.dwarf.bytes(),
            debug_offsets: difference.debug_offsets.bytes(),
            built_in: difference.built_in.bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LayoutReport;
    use std::path::Path;

    /// The published JSON Schema is the model, generated.
    #[test]
    fn published_schema_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/layout.schema.json");
        let mut expected = serde_json::to_string_pretty(&schemars::schema_for!(LayoutReport)).unwrap();
        expected.push('\n');
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            std::fs::write(&path, &expected).unwrap();
        }
        let published = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            published == expected,
            "docs/layout.schema.json differs from the model: run UPDATE_GOLDENS=1 cargo test published_schema"
        );
    }
}
