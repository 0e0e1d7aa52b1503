// table
//! Which frames say what went wrong, and which only how it came to light.
//!
//! A pattern is a whole name, or with `*` at the end the beginning of names. The call plumbing of the interpreter is
//! not here: its frames carry a role in the report already (`stack::roles`).

use std::sync::OnceLock;

use super::hash::Hash;

/// What a frame whose function is listed does to the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Never part of it.
    Skip,
    /// Never, and nothing that it called. The process was about to abort, whatever it died of then.
    Report,
    /// Counts as a function of the C library does.
    Library,
}

/// One rule: why, for people; where; what it does; which functions.
#[derive(Debug)]
pub struct Rule {
    /// Why, in a few words.
    pub reason: &'static str,
    /// In which images it holds.
    pub scope: Scope,
    /// What it does.
    pub effect: Effect,
    /// Which functions.
    pub functions: &'static [&'static str],
}

/// In which images a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In the interpreter, the C and C++ libraries: another library may use the same name for something else.
    Runtime,
    /// In every image: such code is linked into extension modules.
    Anywhere,
}

/// The rules, the first that fits decides.
pub const RULES: &[Rule] = &[
    Rule {
        reason: "reports a fatal error of Python",
        scope: Scope::Runtime,
        effect: Effect::Report,
        functions: &[
            "fatal_error*",
            "Py_FatalError*",
            "_Py_FatalError*",
            "_Py_FatalRefcountError*",
            "_Py_NegativeRefcount*",
            "_PyObject_ASSERT_FAILED*",
            "_PyObject_AssertFailed*",
            "Py_ExitStatusException",
        ],
    },
    Rule {
        reason: "raises or reports the signal",
        scope: Scope::Runtime,
        effect: Effect::Skip,
        functions: &[
            "raise",
            "gsignal",
            "abort",
            "pthread_kill*",
            "__pthread_kill*",
            "tgkill",
            "kill",
            "__GI_*",
            "__libc_message*",
            "__libc_fatal*",
            "malloc_printerr*",
            "__assert_fail*",
            "__assert_perror_fail*",
            "__fortify_fail*",
            "__chk_fail*",
            "__stack_chk_fail*",
            "os_abort*",
            "os_kill*",
            "signal_raise_signal*",
            "faulthandler_*",
        ],
    },
    Rule {
        reason: "ends the process for an exception or a panic",
        scope: Scope::Anywhere,
        effect: Effect::Skip,
        functions: &[
            "std::terminate*",
            "__gnu_cxx::__verbose_terminate_handler*",
            "__verbose_terminate*",
            "__cxxabiv1::*",
            "__cxa_throw*",
            "__cxa_rethrow*",
            "__gxx_personality*",
            "_Unwind_*",
            "core::panicking::*",
            "core::result::unwrap_failed*",
            "core::option::unwrap_failed*",
            "core::option::expect_failed*",
            "std::panicking::*",
            "std::sys::backtrace::__rust_end_short_backtrace*",
            "std::process::abort*",
            "std::sys::pal::unix::abort_internal*",
            "rust_begin_unwind",
            "rust_panic*",
            "__rustc::*",
            "abort",
        ],
    },
    Rule {
        reason: "the allocator: it detects, it is not the cause",
        scope: Scope::Anywhere,
        effect: Effect::Skip,
        functions: &[
            "_int_free*",
            "_int_malloc*",
            "_int_realloc*",
            "_int_memalign*",
            "free",
            "cfree",
            "__libc_free*",
            "malloc",
            "__libc_malloc*",
            "calloc",
            "__libc_calloc*",
            "realloc",
            "__libc_realloc*",
            "unlink_chunk*",
            "malloc_consolidate*",
            "tcache_*",
            "sysmalloc*",
            "je_*",
            "mi_*",
            "_mi_*",
        ],
    },
    Rule {
        reason: "Python's allocator: it detects, it is not the cause",
        scope: Scope::Runtime,
        effect: Effect::Skip,
        functions: &[
            "_PyObject_Malloc*",
            "_PyObject_Free*",
            "_PyObject_Realloc*",
            "_PyObject_Calloc*",
            "_PyMem_*",
            "PyObject_Malloc*",
            "PyObject_Free*",
            "PyObject_Realloc*",
            "PyMem_*",
            "pymalloc_*",
        ],
    },
    Rule {
        reason: "passes a call on from Python to native code",
        scope: Scope::Anywhere,
        effect: Effect::Skip,
        functions: &[
            "pybind11::cpp_function::dispatcher*",
            "nb_func_vectorcall_*",
            "pyo3::impl_::trampoline*",
            "__pymethod_*",
            "_wrap_*",
            "__Pyx_PyObject_Call*",
            "__Pyx_PyObject_FastCall*",
            "__Pyx_CyFunction_*",
        ],
    },
    Rule {
        reason: "of the C++ or Rust library, in a program's own image: its caller says more",
        scope: Scope::Anywhere,
        effect: Effect::Library,
        functions: &["std::*", "core::*", "alloc::*", "operator new*", "operator delete*"],
    },
];

/// Beginnings of what glibc's allocator says before it aborts (malloc/malloc.c): which of its checks is the first to see
/// that the heap is broken is chance.
pub const HEAP_MESSAGES: &[&str] = &[
    "calloc(): ",
    "corrupted double-linked list",
    "corrupted size vs. prev_size",
    "double free or corruption",
    "free(): ",
    "malloc(): ",
    "malloc_check_",
    "malloc_consolidate(): ",
    "munmap_chunk(): ",
    "mremap_chunk(): ",
    "realloc(): ",
    "tcache_thread_shutdown(): ",
];

/// Python modules that are on the way to a crash rather than its place.
pub const PASSING_MODULES: &[&str] = &[
    "_pytest",
    "pluggy",
    "pytest",
    "xdist",
    "execnet",
    "unittest",
    "threading",
    "concurrent",
    "asyncio",
    "multiprocessing",
    "runpy",
    "functools",
    "contextlib",
    "importlib",
    "pkgutil",
];

/// Functions that Python versions differ in having a frame for (PEP 709: none from 3.12 on).
pub const COMPREHENSIONS: &[&str] = &["<listcomp>", "<dictcomp>", "<setcomp>"];

/// Images that only pass calls on between Python and C, by the beginning of their file names: that functions of them are
/// on the stack says nothing, with or without symbols.
pub const PASSING_IMAGES: &[&str] = &["libffi.", "libffi-", "_ctypes.", "_cffi_backend."];

/// Functions that CPython exports, or has in its headers (PEP 7).
pub const OF_PYTHON: &[&str] = &["Py*_*", "_Py*_*", "Py_*", "_Py_*"];

/// The image of our own handler, which calls those that the program installed.
pub const OUR_HANDLER: &str = "libcoldframe_handler";

/// Images of the C and C++ libraries, by the beginning of their file names.
pub const LIBC_IMAGES: &[&str] = &[
    "libc.",
    "libc-",
    "libpthread",
    "libm.",
    "libdl",
    "librt.",
    "ld-linux",
    "ld-musl",
    "ld-2",
    "libstdc++",
    "libgcc_s",
    "libc++",
    "libunwind",
    "linux-vdso",
    "[vdso]",
];

/// Whether a file of this name is one of the C or C++ libraries.
pub fn is_libc(file: &str) -> bool {
    LIBC_IMAGES.iter().any(|beginning| file.starts_with(beginning))
}

/// Whether a name fits a pattern; `*` stands at its end, or in one place inside it.
pub fn fits(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        Some((beginning, end)) => {
            name.len() >= beginning.len() + end.trim_end_matches('*').len()
                && name.starts_with(beginning)
                && (match end.strip_suffix('*') {
                    Some(inside) => name[beginning.len()..].contains(inside),
                    None => name.ends_with(end),
                })
        }
        None => name == pattern,
    }
}

/// Another one with each change of how the lists are used.
const REVISION: &str = "3";

/// Which of these rules made a signature: signatures of different rules do not compare.
pub fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let mut hash = Hash::default();
        hash.add(REVISION);
        for rule in RULES {
            hash.add(&format!("{:?} {:?}", rule.scope, rule.effect));
            rule.functions.iter().for_each(|pattern| hash.add(pattern));
        }
        for list in [
            HEAP_MESSAGES,
            PASSING_MODULES,
            COMPREHENSIONS,
            PASSING_IMAGES,
            LIBC_IMAGES,
            OF_PYTHON,
        ] {
            list.iter().for_each(|pattern| hash.add(pattern));
        }
        hash.text(8)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(fits("memcpy", "mem*"));
        assert!(!fits("amem", "mem*"));
        assert!(fits("PyList_New", "Py*_*"));
        assert!(!fits("PyListNew", "Py*_*"));
        assert!(fits("list_dealloc", "*_dealloc"));
        assert!(!fits("list_dealloc_x", "*_dealloc"));
        assert!(fits("abort", "abort"));
        assert!(!fits("aborted", "abort"));
    }

    /// A rule that another one before it hides is dead.
    #[test]
    fn each_pattern_is_reached() {
        for (index, rule) in RULES.iter().enumerate() {
            for pattern in rule.functions {
                let name = pattern.replace('*', "x");
                let hidden = RULES[..index].iter().find(|before| {
                    before.scope == Scope::Anywhere && before.functions.iter().any(|earlier| fits(&name, earlier))
                });
                assert!(hidden.is_none(), "{pattern} is hidden by: {}", hidden.unwrap().reason);
            }
        }
    }
}
