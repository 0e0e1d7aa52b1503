//! A Python runtime: its build, where its layout came from, its interpreters and extension modules.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Address;
use super::frame::is_false;

/// One Python runtime in the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Python {
    /// `cpython`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub implementation: Option<String>,
    /// Its version, for example `3.12.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `release` or `debug`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// Compiled with `--disable-gil`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_threaded: Option<bool>,
    /// Path of the image that holds the runtime: the executable or libpython.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    /// Address of `_PyRuntime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_address: Option<Address>,
    /// How its structures were understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// Its interpreters, the main one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interpreters: Vec<Interpreter>,
    /// The extension modules it had loaded, those of the standard library last, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extension_modules: Vec<ExtensionModule>,
}

/// Where the structure offsets came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Layout {
    /// The provider that gave them.
    pub provider: LayoutProvider,
    /// The file or table they came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A provider of structure offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LayoutProvider {
    /// The debug information of that very build.
    Dwarf,
    /// `_Py_DebugOffsets` in the process (CPython 3.13 and later).
    DebugOffsets,
    /// The dump's own copy of what capture used.
    Dump,
    /// The table that coldframe carries.
    #[default]
    BuiltIn,
    /// A word this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// One interpreter of a runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Interpreter {
    /// Its id; 0 for the main one.
    pub id: i64,
    /// Its GIL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gil: Option<Gil>,
    /// Its garbage collector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gc: Option<Gc>,
    /// Whether it was shutting down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finalizing: Option<bool>,
    /// What observes or replaces its evaluation loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
}

/// The state of a GIL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Gil {
    /// Whether a thread holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
    /// The thread that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder_tid: Option<u32>,
}

/// The state of the garbage collector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Gc {
    /// Whether a collection was under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collecting: Option<bool>,
}

/// What observes or replaces the evaluation loop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Hooks {
    /// Threads with a trace function (`sys.settrace`: debuggers, coverage).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<u32>,
    /// Threads with a profile function (`sys.setprofile`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profile: Vec<u32>,
    /// Their trace functions, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace_functions: Vec<String>,
    /// Their profile functions, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profile_functions: Vec<String>,
    /// Names of the tools registered with `sys.monitoring`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub monitoring_tools: Vec<String>,
    /// The function that replaces the evaluation loop (PEP 523).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eval_frame: Option<String>,
}

impl Hooks {
    /// Whether nothing is hooked.
    pub fn is_empty(&self) -> bool {
        *self == Hooks::default()
    }
}

/// An extension module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct ExtensionModule {
    /// Its dotted name.
    pub name: String,
    /// The path of its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The installed package that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The version of that package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// It belongs to the standard library.
    #[serde(default, skip_serializing_if = "is_false")]
    pub standard_library: bool,
}
