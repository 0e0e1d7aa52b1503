//! What a worker of a pool or executor was given to do.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::frame::is_false;

/// What a thread works for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Work {
    /// What runs it.
    pub kind: WorkKind,
    /// The name of its `multiprocessing.Process`, where it is the main thread of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// How that process was made: `fork`, `spawn` or `forkserver`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_method: Option<String>,
    /// The call that it was given; absent where it waits for work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<WorkItem>,
}

/// What runs a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WorkKind {
    /// A thread of `concurrent.futures.ThreadPoolExecutor`.
    ExecutorThread,
    /// A process of `concurrent.futures.ProcessPoolExecutor`.
    ExecutorProcess,
    /// A process of `multiprocessing.Pool`, or a thread of `multiprocessing.pool.ThreadPool`.
    Pool,
    /// A `multiprocessing.Process`.
    #[default]
    Process,
    /// A word this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// A call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct WorkItem {
    /// The qualified name of the function, else the `repr` of what is called.
    pub function: String,
    /// The `repr` of each argument; those by keyword begin with `name=`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// The one argument is a batch of a `map`: the function is called for each of its items.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_batch: bool,
}
