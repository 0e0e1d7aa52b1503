//! One asyncio task.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Address, Frame};

/// An asyncio task that was not done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Task {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The qualified name of its coroutine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coroutine: Option<String>,
    /// What it is doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<TaskState>,
    /// The thread that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tid: Option<u32>,
    /// Address of the event loop that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_loop: Option<Address>,
    /// Id of the interpreter that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<i64>,
    /// What it waits for: tasks as `task NAME`, other futures by type and address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaiting: Vec<String>,
    /// What came of the future that it waits for, where that is done: `raised ValueError('x')`, `returned 3`, `was
    /// cancelled`. The task goes on next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The frames of its suspended coroutines, innermost first. Those of a running task are on its thread's stack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Frame>,
}

/// What a task is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// A thread runs it.
    Running,
    /// It waits for a future.
    Waiting,
    /// Nothing holds it up: its loop runs it next.
    Ready,
    /// A word this version does not know.
    #[serde(untagged)]
    Other(String),
}
