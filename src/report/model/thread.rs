//! One thread.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::frame::is_false;
use super::{Address, Exception, Frame, Register, Work};

/// One thread of the process, whether or not it ever ran Python.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Thread {
    /// The kernel's thread id.
    pub tid: u32,
    /// The name the kernel knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `threading.Thread.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python_name: Option<String>,
    /// The signal was delivered to this thread.
    pub crashed: bool,
    /// `threading.Thread.daemon`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daemon: Option<bool>,
    /// It holds the GIL of its interpreter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds_gil: Option<bool>,
    /// Id of the interpreter it belongs to; absent for a thread that no interpreter knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<i64>,
    /// What it is doing, in a few words, for example `waiting for the GIL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The lock it waits for, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<LockWait>,
    /// How deep its Python calls go, and how deep they may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recursion: Option<Recursion>,
    /// The name of the asyncio task that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// What it works for, where it is a worker of a pool or executor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
    /// Its merged stack, innermost frame first.
    pub frames: Vec<Frame>,
    /// The exception it was raising, else the one it was handling (`sys.exc_info()`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<Exception>,
    /// The exception it was handling while it raised one that does not have it in its chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handling: Option<Exception>,
    /// Of the crashed thread, the general registers at the fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registers: Vec<Register>,
    /// A walk stopped at a limit or at damage: outer frames are missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
}

/// How deep the calls of a thread go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Recursion {
    /// Calls under way; since CPython 3.12 those of Python functions.
    pub depth: u32,
    /// `sys.getrecursionlimit()`.
    pub limit: u32,
}

/// A lock that a thread waits for, of a kind that knows its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct LockWait {
    /// What kind of lock it is.
    pub kind: LockKind,
    /// Where it lies.
    pub address: Address,
    /// The kernel's id of the thread that holds it; absent where no thread of the process does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<u32>,
    /// The thread gives up after some time.
    #[serde(default, skip_serializing_if = "is_false")]
    pub timed: bool,
}

/// A kind of lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LockKind {
    /// `pthread_mutex_t`.
    #[default]
    Mutex,
    /// `threading.RLock`.
    RLock,
    /// A word this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl LockKind {
    /// Its name, for people.
    pub fn name(&self) -> &str {
        match self {
            LockKind::Mutex => "mutex",
            LockKind::RLock => "RLock",
            LockKind::Other(word) => word,
        }
    }
}
