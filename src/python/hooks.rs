//! What observes or replaces the evaluation loop.

use super::object::type_flags;
use super::{Interpreter, Limits, Python, PythonThread};
use crate::addr::Addr;
use crate::source::MemoryExt;

/// `PY_MONITORING_TOOL_IDS` (Include/internal/pycore_interp_structs.h).
const TOOLS: u64 = 8;

/// A trace or profile function of one thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The C function that is called for each event.
    pub function: Addr,
    /// What the program gave to `sys.settrace` or `sys.setprofile`: the name of a Python function, else its `repr`.
    pub callback: Option<String>,
}

impl Python<'_> {
    /// `sys.settrace` of a thread.
    pub fn trace_hook(&self, thread: &PythonThread) -> Option<Hook> {
        let offsets = &self.layout.offsets.thread;
        self.hook(
            offsets.tracefunc.of(thread.address),
            offsets.traceobj.of(thread.address),
        )
    }

    /// `sys.setprofile` of a thread.
    pub fn profile_hook(&self, thread: &PythonThread) -> Option<Hook> {
        let offsets = &self.layout.offsets.thread;
        self.hook(
            offsets.profilefunc.of(thread.address),
            offsets.profileobj.of(thread.address),
        )
    }

    fn hook(&self, function: Addr, callback: Addr) -> Option<Hook> {
        let function = self.read_or_null(function);
        let callback = self.read_or_null(callback);
        (!function.is_null()).then(|| Hook {
            function,
            callback: self.callable_name(callback),
        })
    }

    /// The name of a Python function or method; of another object the `repr`.
    pub(super) fn callable_name(&self, object: Addr) -> Option<String> {
        let info = self.type_of(object)?;
        let name = self.function_or_method_name(object);
        name.or_else(|| {
            Some(match info.has(type_flags::TYPE) {
                true => self.type_info(object)?.qualname.clone(),
                false => self.repr(object, &mut Limits::default()),
            })
        })
    }

    /// The name of a Python function or method.
    pub(super) fn function_or_method_name(&self, object: Addr) -> Option<String> {
        let offsets = &self.layout.offsets.method;
        match self.type_of(object)?.full_name.as_str() {
            "function" => self.function_name(object),
            "method" => self.function_name(self.read_or_null(offsets.function.of(object))),
            _ => None,
        }
    }

    /// The names of the tools that use `sys.monitoring` (PEP 669, 3.12+).
    pub fn monitoring_tools(&self, interpreter: &Interpreter) -> Vec<String> {
        let names = &self.layout.offsets.interpreter.monitoring_tool_names;
        if !names.is_present() {
            return Vec::new();
        }
        let names = self.pointers(names.of(interpreter.address), TOOLS).unwrap_or_default();
        names.into_iter().filter_map(|name| self.name_string(name)).collect()
    }

    /// The function that runs frames (PEP 523); null stands for CPython's own since 3.11.
    pub fn eval_frame(&self, interpreter: &Interpreter) -> Addr {
        let field = self.layout.offsets.interpreter.eval_frame;
        self.memory.read_addr(field.of(interpreter.address)).unwrap_or_default()
    }
}
