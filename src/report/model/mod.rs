//! The report as data: schema [`SCHEMA`], described for users in docs/report.md.
//!
//! Everything but the fields a consumer cannot do without is optional, and absent when unknown.
//! Words ([`Trigger`], [`Trust`], ...) are open: one that this version does not know is kept as it is.
//! Addresses are [`Address`], frames are innermost first, lines and columns count from 1.
//!
//! Invariant: plain data; nothing here computes, and no string is escaped or shortened yet.

mod address;
mod exception;
mod frame;
mod instruction;
mod python;
mod schema;
mod task;
mod thread;
mod variable;
mod work;

use std::collections::BTreeMap;

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::notes::Note;
pub use address::Address;
pub use exception::Exception;
pub use frame::{Bytecode, Frame, NativeFrame, Owner, PythonFrame, Role, SourceLine, Trust};
pub use instruction::{AccessKind, Instruction, MemoryAccess, Register};
pub use python::{ExtensionModule, Gc, Gil, Hooks, Interpreter, Layout, LayoutProvider, Python};
pub use task::{Task, TaskState};
pub use thread::{LockKind, LockWait, Recursion, Thread};
pub use variable::{Scope, ValueState, Variable};
pub use work::{Work, WorkItem, WorkKind};

/// The value of [`Report::schema`]. A field changes its meaning only together with this number.
pub const SCHEMA: &str = "coldframe-report/1";

/// Everything coldframe found out about one process at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// What was analysed.
    pub input: Input,
    /// The process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// What killed it; absent for a hang or a dump on demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash: Option<Crash>,
    /// Why the process was captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// The Python runtimes in the process, usually one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub python: Vec<Python>,
    /// Its threads; the crashed one first, then in the order of the kernel.
    pub threads: Vec<Thread>,
    /// The asyncio tasks that were not done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<Task>,
    /// What coldframe concludes, the most certain first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What crashes with the same cause have in common.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// Key/value notes that the program left.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The last lines that the program left, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breadcrumbs: Vec<Breadcrumb>,
    /// What could not be found out, and what would supply it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// What the capture cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<Capture>,
}

impl Default for Report {
    fn default() -> Report {
        Report {
            schema: SCHEMA.to_string(),
            input: Input::default(),
            process: None,
            crash: None,
            trigger: None,
            python: Vec::new(),
            threads: Vec::new(),
            tasks: Vec::new(),
            findings: Vec::new(),
            signature: None,
            annotations: BTreeMap::new(),
            breadcrumbs: Vec::new(),
            notes: Vec::new(),
            capture: None,
        }
    }
}

impl Report {
    /// The thread that the signal was delivered to, if any.
    pub fn crashed_thread(&self) -> Option<&Thread> {
        self.threads.iter().find(|thread| thread.crashed)
    }
}

/// A line that the program left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Breadcrumb {
    /// When, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The line.
    pub text: String,
}

/// What was analysed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Input {
    /// The kind of input.
    pub kind: InputKind,
    /// The path of the file, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The process id, for a live process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// A kind of input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum InputKind {
    /// A minidump, of coldframe or another writer.
    #[default]
    Minidump,
    /// An ELF core file.
    Core,
    /// A live process.
    Process,
    /// The fixed record that a crashed process wrote itself where it could not be captured.
    Record,
    /// A word this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// Why a process was captured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// A deadly signal.
    Signal,
    /// It ran for longer than it was allowed to.
    Timeout,
    /// Somebody asked for it.
    Request,
    /// An uncaught Python exception.
    Exception,
    /// A word this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// The process that was captured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Process {
    /// Process id, in its own pid namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The command line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Path of the executable, as the process saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    /// When it started, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// When it was captured, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash_time: Option<String>,
    /// Seconds from start to capture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_s: Option<f64>,
    /// The machine it ran on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// Kind or id of the container, where one can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

/// The machine that a process ran on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Host {
    /// Operating system, for example `Debian GNU/Linux 12 (bookworm)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// Kernel release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Machine architecture, for example `x86_64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// CPU model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
}

/// The signal that killed a process, as siginfo described it (sigaction(2)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Crash {
    /// Its name, for example `SIGSEGV`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Its number, for example 11.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i32>,
    /// The name of `si_code`, for example `SEGV_MAPERR`; its number where it has no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The address of the fault; absent where the signal has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// The thread it was delivered to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tid: Option<u32>,
    /// The process that sent it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
    /// What the program said last: an assertion, a message of the C library, a fatal Python error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The instruction that faulted; absent for a signal that a process sent or raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction: Option<Instruction>,
}

/// The process that sent a signal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Sender {
    /// `si_pid`.
    pub pid: i32,
    /// `si_uid`.
    pub uid: u32,
}

/// A conclusion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Finding {
    /// The rule that found it, for example `null-deref`.
    pub id: String,
    /// The conclusion, one line.
    pub title: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// The facts it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// What to try next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// How sure a conclusion is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The evidence admits nothing else.
    Certain,
    /// The evidence fits, and something else is improbable.
    Likely,
    /// The evidence fits.
    #[default]
    Possible,
    /// A word this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// What crashes with the same cause have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Signature {
    /// Equal for crashes that belong together.
    pub key: String,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The frames that went into the key, and the Python frame nearest to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<String>,
    /// As `key`, but telling apart from where in Python the cause was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_site_key: Option<String>,
    /// The kind of death, for example `MEM`, `ABRT: free(): invalid pointer`, `HANG`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The image at fault without folder and version, `python` for the interpreter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// The native functions of the key, innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub native: Vec<String>,
    /// The nearest Python function of the program itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// The image had no symbols: the key holds `module` and `python` only, and a group of the same
    /// with symbols may take it in.
    #[serde(default, skip_serializing_if = "frame::is_false")]
    pub incomplete: bool,
    /// The version of the rules: keys made by different rules do not compare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
    /// Why each frame is in the key or is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub explain: Vec<String>,
}

/// What a capture cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Capture {
    /// From the signal to the end of writing, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<f64>,
    /// Bytes of process memory in the dump.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Whether a budget (time or bytes) cut the analysis short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_exhausted: Option<bool>,
    /// How many values the redaction rules left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redactions: Option<u32>,
}
