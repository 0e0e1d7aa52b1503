//! A Python exception.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Frame;
use super::frame::is_false;

/// A Python exception that was being raised or handled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Exception {
    /// The name of its type, with the module unless that is `builtins`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// What `str()` gives for it; absent where its class has a `__str__` of its own, which would have to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Its type and arguments, as `BaseException.__repr__` shows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repr: Option<String>,
    /// It was being raised: no handler had it yet. Else it was being handled.
    #[serde(default, skip_serializing_if = "is_false")]
    pub raised: bool,
    /// `__notes__`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// `__cause__`: what it was raised from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Box<Exception>>,
    /// `__context__`: what was being handled when it was raised; absent where `__suppress_context__` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Box<Exception>>,
    /// The members of an exception group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
    /// Its traceback, innermost frame first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traceback: Vec<Frame>,
}
