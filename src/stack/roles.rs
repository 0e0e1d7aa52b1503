//! Which native frames are plumbing of the interpreter.

/// The function whose frames run Python code (Python/ceval.c).
const EVAL: &str = "_PyEval_EvalFrameDefault";

/// Functions of CPython (and of the start of threads and programs) that only pass a call on: a name,
/// or with `*` at the end the beginning of names. In the order of a call from the outside in.
const PLUMBING: &[&str] = &[
    "_start",
    "__libc_start_main*",
    "__libc_start_call_main*",
    "__libc_init_first*",
    "main",
    "clone",
    "__clone",
    "clone3",
    "__clone3",
    "start_thread",
    "__pthread_start",
    "pythread_wrapper",
    "thread_run",
    "t_bootstrap",
    "Py_Main",
    "Py_BytesMain",
    "Py_RunMain",
    "pymain_*",
    "PyRun_*",
    "_PyRun_*",
    "pyrun_*",
    "run_mod*",
    "run_eval_code*",
    "PyEval_Eval*",
    // One function per instruction, where the eval loop is made of tail calls (3.14+, Python/ceval_macros.h).
    "_TAIL_CALL_*",
    "_PyEval_*",
    "PyImport_*",
    "_PyImport_*",
    "import_*",
    "builtin___import__*",
    "builtin_exec*",
    "builtin_eval*",
    "PyObject_Call*",
    "_PyObject_*",
    "object_vacall",
    "object_call*",
    "PyObject_Vectorcall*",
    "PyVectorcall_*",
    "_PyVectorcall*",
    "_PyFunction_*",
    "function_code_fastcall",
    "method_vectorcall*",
    "methoddescr_*",
    "method_call",
    "classmethoddescr_call",
    "cfunction_*",
    "_PyCFunction_*",
    "_PyMethodDef_*",
    "_PyCallMethodDescriptor*",
    "type_call",
    "slot_*",
    "vectorcall_*",
    "wrap_*",
    "wrapper_call",
    "partial_call*",
    "partial_vectorcall*",
    "call_function",
    "do_call_core",
    "call_method",
    "PyCFunction_Call*",
    "PyCell_*",
    "gen_send_ex*",
    "gen_iternext",
    "gen_send",
    "_PyGen_*",
    "PyGen_*",
    "context_run",
];

fn matches(name: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

/// Whether a function is the eval loop, or a part that the compiler split off (`.cold`, `.part.0`).
pub fn is_eval(function: &str) -> bool {
    function == EVAL || function.strip_prefix(EVAL).is_some_and(|rest| rest.starts_with('.'))
}

/// Whether a function only passes a call on. Asked for functions of the Python runtime and libc only:
/// an extension may use the same names.
pub fn is_plumbing(function: &str) -> bool {
    PLUMBING.iter().any(|pattern| matches(function, pattern))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eval_and_its_parts() {
        assert!(is_eval("_PyEval_EvalFrameDefault"));
        assert!(is_eval("_PyEval_EvalFrameDefault.cold"));
        assert!(!is_eval("_PyEval_EvalFrameDefaultish"));
    }

    #[test]
    fn plumbing() {
        assert!(is_plumbing("_PyEval_Vector"));
        assert!(is_plumbing("pymain_run_file"));
        assert!(is_plumbing("_TAIL_CALL_CALL_BUILTIN_FAST.llvm.15734"));
        assert!(!is_plumbing("list_sort"));
        assert!(!is_plumbing("mainly"));
    }
}
