//! One frame of a merged stack.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Address, Variable};
use crate::source::streams;

/// One frame of a merged stack, Python or native.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Frame {
    /// A frame of Python code.
    Python(PythonFrame),
    /// A frame of machine code.
    Native(NativeFrame),
    /// A kind this version does not know; only in reports read back.
    #[serde(other)]
    Unknown,
}

/// A frame of Python code.
///
/// Columns count characters from 1, never bytes: CPython's own are byte offsets into the UTF-8 line and
/// must be converted with the line's text. `end_column` is the column after the last character.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct PythonFrame {
    /// `co_name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// `co_qualname`, which CPython has from 3.11 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualname: Option<String>,
    /// `__name__` of the module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// `co_filename`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line that is being executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in `line` where the expression that is being executed begins (CPython 3.11 and later).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Line where it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_line: Option<u32>,
    /// Column in `end_line` after its last character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_column: Option<u32>,
    /// Source lines around `line`, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<SourceLine>,
    /// `co_firstlineno`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_line: Option<u32>,
    /// Offset of the current instruction in the bytecode, in bytes; negative before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction: Option<i32>,
    /// The first frame of a run of the evaluation loop: it was called from native code.
    #[serde(default, skip_serializing_if = "is_false")]
    pub entry: bool,
    /// What the frame belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Id of the interpreter that runs it, where the process has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<i64>,
    /// The instructions around the current one, where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bytecode: Vec<Bytecode>,
    /// The instrumented instructions in its code (3.12+), each name once: a tracer, a profiler or a tool of
    /// `sys.monitoring` has changed it. Looked for in the crashed thread's innermost frames.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instrumented: Vec<String>,
    /// Its variables, arguments first, in the order of the code object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locals: Vec<Variable>,
}

/// One instruction of Python's bytecode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Bytecode {
    /// Where it is in the code, in bytes.
    pub offset: u32,
    /// Its name, as it is executed: specialised and instrumented forms have names of their own.
    pub opcode: String,
    /// Its argument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argument: Option<u32>,
    /// What that stands for: a name, a constant, the target of a jump.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// It is the one that is being executed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub current: bool,
}

/// A frame of machine code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct NativeFrame {
    /// Demangled name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Path of the image that holds the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Source file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in that line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Source lines around `line`, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<SourceLine>,
    /// The program counter: a return address, except in the innermost frame and in one that a signal interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// `address` less the load bias of the image: what `addr2line` takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module_offset: Option<Address>,
    /// Build id of the image, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// The compiler inlined this function into that of the next frame.
    #[serde(default, skip_serializing_if = "is_false")]
    pub inlined: bool,
    /// How the address was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
    /// What the frame does for the interpreter, where it is of no interest by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The image is an extension module.
    #[serde(default, skip_serializing_if = "is_false")]
    pub extension: bool,
    /// Its variables, where debug information tells them: of the crashed thread, for frames that do not merely carry
    /// Python's calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locals: Vec<Variable>,
}

/// What a Python frame belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// The thread: an ordinary call.
    Thread,
    /// A generator.
    Generator,
    /// A coroutine.
    Coroutine,
    /// A word this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// What a native frame does for the interpreter. Such frames are folded in text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The evaluation loop, whose Python frames are shown in its place.
    Eval,
    /// The plumbing of calls between Python and C, and of starting a thread or the program.
    Interpreter,
    /// The delivery of a signal.
    Signal,
    /// A word this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// How the address of a native frame was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// It is the program counter of the thread, or of code that a signal interrupted.
    Context,
    /// By call frame information.
    Cfi,
    /// By the return address on top of the stack, after a call to where no code is.
    ReturnAddress,
    /// By the chain of frame pointers.
    FramePointer,
    /// A word on the stack that looks like a return address.
    Scan,
    /// A word this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl From<streams::Trust> for Trust {
    fn from(trust: streams::Trust) -> Trust {
        match trust {
            streams::Trust::Context => Trust::Context,
            streams::Trust::Cfi => Trust::Cfi,
            streams::Trust::ReturnAddress => Trust::ReturnAddress,
            streams::Trust::FramePointer => Trust::FramePointer,
            streams::Trust::Scan => Trust::Scan,
        }
    }
}

/// One line of source text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct SourceLine {
    /// Its number.
    pub line: u32,
    /// Its text, indented as in the file, without the line end.
    pub text: String,
}

pub(super) fn is_false(value: &bool) -> bool {
    !value
}
