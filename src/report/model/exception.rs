//! A Python exception.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Frame;

/// A Python exception that was being raised or handled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Exception {
    /// The name of its type, with the module unless that is `builtins`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// What `str()` would give for it, as far as that can be told without running code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// `__notes__`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// `__cause__`: what it was raised from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Box<Exception>>,
    /// `__context__`: what was being handled when it was raised; absent where `__suppress_context__` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Box<Exception>>,
    /// Its traceback, innermost frame first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traceback: Vec<Frame>,
}
