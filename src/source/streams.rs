//! What coldframe adds to a minidump: the contents of its own streams, as plain data.
//!
//! Written by `capture`, read by [`crate::source`]; both sides share these types. Each stream is
//! JSON, so that a person can read it with `strings`, and each is useful without the others.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::addr::Addr;
use crate::notes::Note;

/// Stream types, in the range minidumps leave to vendors: "CF" and a number.
pub mod stream_type {
    /// [`super::Context`].
    pub const CONTEXT: u32 = 0x4346_0001;
    /// [`super::RecordedLayout`].
    pub const LAYOUT: u32 = 0x4346_0002;
    /// [`super::RecordedSymbols`].
    pub const SYMBOLS: u32 = 0x4346_0003;
    /// [`super::RecordedSources`].
    pub const SOURCES: u32 = 0x4346_0004;
    /// A list of [`super::RecordedStack`], run-length encoded ([`super::super::runs`]).
    pub const STACKS: u32 = 0x4346_0005;
    /// [`super::RecordedRedaction`].
    pub const REDACTED: u32 = 0x4346_0006;
    /// A list of [`super::super::variables::RecordedVariables`].
    pub const VARIABLES: u32 = 0x4346_0007;
    /// [`super::super::variables::RecordedStructures`].
    pub const STRUCTURES: u32 = 0x4346_0008;
}

/// What only the operating system knew at the moment of capture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// Version of this stream; 1.
    pub version: u32,
    /// What made the dump: `signal`, `timeout`, `request` or `exception`.
    pub trigger: String,
    /// The process.
    pub process: ProcessContext,
    /// `si_code` and the sender, which the standard exception stream has no place for.
    pub signal: Option<SignalContext>,
    /// `fs_base` by thread id.
    pub fs_base: BTreeMap<u32, u64>,
    /// What capture had to leave out.
    pub notes: Vec<Note>,
    /// What the capture cost.
    pub capture: CaptureContext,
    /// Key/value notes the program left.
    pub annotations: BTreeMap<String, String>,
    /// The last lines it left, the newest last.
    pub breadcrumbs: Vec<Breadcrumb>,
    /// The package of each extension module that has one, by the path of the module's file.
    pub packages: RecordedPackages,
}

/// A line that the program left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Breadcrumb {
    /// When, RFC 3339 in UTC.
    pub time: Option<String>,
    /// The line.
    pub text: String,
}

/// An installed package (a distribution, as `importlib.metadata` calls it).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedPackage {
    /// Its name.
    pub name: String,
    /// Its version, where its metadata has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Packages by the path of an extension module.
pub type RecordedPackages = BTreeMap<String, RecordedPackage>;

/// See `process` in the report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessContext {
    /// Process id, in its own pid namespace.
    pub pid: u32,
    /// The command line.
    pub command: Vec<String>,
    /// The path of the executable, as the process saw it.
    pub executable: String,
    /// When it started, RFC 3339 in UTC.
    pub start_time: Option<String>,
    /// When it was captured, RFC 3339 in UTC.
    pub crash_time: Option<String>,
    /// Seconds from start to capture.
    pub uptime_s: Option<f64>,
    /// Operating system, for example `Debian GNU/Linux 12 (bookworm)`.
    pub os: Option<String>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// Machine architecture, for example `x86_64`.
    pub arch: Option<String>,
    /// CPU model.
    pub cpu: Option<String>,
    /// What the CPU can do, as the words under `flags` in /proc/cpuinfo, where the process died of SIGILL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_flags: Option<String>,
    /// Container kind or id, where one can be told.
    pub container: Option<String>,
}

/// The signal as siginfo described it (sigaction(2)).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignalContext {
    /// Thread it was delivered to.
    pub tid: u32,
    /// `si_signo`.
    pub number: i32,
    /// `si_code`.
    pub code: i32,
    /// `si_addr`.
    pub address: Addr,
    /// `si_pid` and `si_uid`, where a process sent it.
    pub sender: Option<(i32, u32)>,
}

/// See `capture` in the report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CaptureContext {
    /// From the signal to the moment the streams were written, in milliseconds.
    pub duration_ms: f64,
    /// Bytes of process memory in the dump.
    pub bytes: u64,
    /// Whether a budget (time or bytes) cut the analysis short.
    pub budget_exhausted: bool,
    /// How many values were left out by the redaction rules.
    pub redactions: u32,
    /// Whether the values of local variables were left out on purpose.
    pub no_locals: bool,
}

/// The layout an analysis used: offsets by `structure.field`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordedLayout {
    /// CPython's version as `PY_VERSION_HEX` (Include/patchlevel.h).
    pub version_hex: u32,
    /// Compiled with `--with-pydebug`.
    pub debug: bool,
    /// Compiled with `--disable-gil`.
    pub free_threaded: bool,
    /// Address of `_PyRuntime`.
    pub runtime: Addr,
    /// Where the image that holds it begins.
    pub image: Addr,
    /// Offsets and sizes in bytes, by `structure.field`.
    pub offsets: BTreeMap<String, u32>,
    /// Which provider gave them.
    pub provider: String,
    /// The file or table they came from.
    pub detail: String,
}

/// One function at a native address; inlined functions come before the one they are inlined into.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymbolFrame {
    /// Demangled name.
    pub function: Option<String>,
    /// Source file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line in it, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in it, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Whether it was inlined into the next one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inlined: bool,
}

/// Symbols by the address that was looked up.
pub type RecordedSymbols = BTreeMap<Addr, Vec<SymbolFrame>>;

/// Source text by file name, then line number (from 1).
pub type RecordedSources = BTreeMap<String, BTreeMap<u32, String>>;

/// How the address of a native frame was found; the words of the JSON report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// It is the program counter of the thread (or of the code a signal interrupted).
    Context,
    /// By the call frame information of the function below it.
    Cfi,
    /// By the return address on top of the stack, after a call to where no code is.
    ReturnAddress,
    /// By the chain of frame pointers.
    FramePointer,
    /// A word on the stack that looks like a return address.
    Scan,
}

/// One native frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeStep {
    /// The program counter: a return address, except where [`NativeStep::is_exact`].
    pub pc: Addr,
    /// The stack pointer of this frame: the CFA of the frame below it.
    pub sp: Addr,
    /// The canonical frame address, where the caller's stack begins; equal to `sp` where unknown.
    pub cfa: Addr,
    /// How `pc` was found.
    pub trust: Trust,
    /// `pc` is the next instruction to run (frame 0, or code that a signal interrupted), not a return address.
    pub is_exact: bool,
    /// The frame is the signal trampoline (`__restore_rt`): the next one was interrupted.
    pub is_signal_trampoline: bool,
}

impl NativeStep {
    /// The address to look symbols and unwind entries up by: one less than a return address, which
    /// may lie past the end of a function whose last instruction is a call.
    pub fn lookup(&self) -> Addr {
        if self.is_exact || self.is_signal_trampoline {
            self.pc
        } else {
            self.pc.sub(1)
        }
    }
}

/// One Python frame, as far as its own memory is needed to name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PythonStep {
    /// The frame structure. Null in a frame read back from a dump that did not keep its memory.
    pub frame: Addr,
    /// The code object; null for a shim, which runs no code.
    pub code: Addr,
    /// Offset of the current instruction in the code, in bytes; negative before the first.
    pub lasti: i32,
    /// An address inside the stack range of the C frame that runs this Python frame; null where unknown.
    pub anchor: Addr,
    /// Id of the interpreter that runs it.
    pub interpreter: i64,
    /// The first frame of its run of the eval loop.
    pub is_entry: bool,
    /// Owned by a generator, coroutine or asynchronous generator.
    pub is_generator: bool,
    /// Not to be shown: a shim, or a frame that has not begun.
    pub is_hidden: bool,
    /// Whether the value stack and locals of this frame are to be read.
    pub has_locals: bool,
}

/// What redaction left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordedRedaction {
    /// The addresses of objects whose values are not shown.
    pub objects: BTreeSet<Addr>,
    /// Memory that is zero in the dump and was not in the process: first address and length.
    pub zeroed: Vec<(Addr, u64)>,
}

impl RecordedRedaction {
    /// Whether nothing was left out.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.zeroed.is_empty()
    }
}

/// The frame lists of one thread whose stack was too deep to keep its memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordedStack {
    /// Thread id.
    pub tid: u32,
    /// Native frames, innermost first.
    pub native: Vec<NativeStep>,
    /// Python frames, innermost first.
    pub python: Vec<PythonStep>,
}
