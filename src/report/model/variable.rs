//! One variable of a frame.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Address;

/// A variable of a Python or native frame, or an element, item or attribute of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Variable {
    /// Its name; for a child what leads to it: `[0]`, `['key']`, `.attribute`.
    pub name: String,
    /// What kind of variable it is; absent in a child.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The name of its type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// Its value in the form of `repr`, made without running any code of the process; of a native variable that is no
    /// Python object in the form of C.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Address of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// `len()` of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Whether there is a value, and why not.
    #[serde(default)]
    pub state: ValueState,
    /// Its elements, items or attributes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Variable>,
}

/// The kinds of variables of a Python frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// A parameter.
    Argument,
    /// A local variable.
    Local,
    /// A local variable that an inner function uses.
    Cell,
    /// A variable of an outer function.
    Free,
    /// A word this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// Whether a value could be had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ValueState {
    /// It is in `value`.
    #[default]
    Ok,
    /// The redaction rules left it out.
    Redacted,
    /// Its memory is missing or makes no sense.
    Unreadable,
    /// The variable has no value at this point of the program.
    Unset,
    /// The compiler kept it nowhere, or in a register that a call has changed since.
    #[serde(rename = "optimized-out")]
    OptimizedOut,
    /// No variable: it stands for a namespace's modules, functions and classes, which `value` lists by name.
    Folded,
    /// A word this version does not know.
    #[serde(untagged)]
    Other(String),
}
