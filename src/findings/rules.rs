//! The rules. docs/findings.md is made from this list.

use super::{
    Conclusion, Scene, abi_mismatch, abort_message, allocator_mismatch, arithmetic, cut_file, cxx_exception, deadlock,
    debug_allocator, duplicate_libraries, fatal_error, fill_bytes, finalizing, freed_object, illegal_instruction,
    import_time, lost_lock, negative_refcount, noncanonical, null_dereference, out_of_memory, read_only, rust_panic,
    stack_overflow, stack_smash, thread_state, wild_call,
};

/// One rule.
pub struct Rule {
    /// Its name in reports.
    pub id: &'static str,
    /// What it says, for people.
    pub says: &'static str,
    /// What tells it.
    pub told_by: &'static str,
    /// Findings that follow from this one, and are left out where it is as sure as they are.
    pub explains: &'static [&'static str],
    pub(super) apply: fn(&Scene<'_>) -> Option<Conclusion>,
}

/// All rules, in the order in which findings of one confidence stand.
pub const RULES: &[Rule] = &[
    Rule {
        id: "stack-overflow",
        says: "The stack of a thread is used up.",
        told_by: "a fault just below the mapping that holds the stack or in its guard, near the stack pointer; with what repeats",
        explains: &[],
        apply: stack_overflow::apply,
    },
    Rule {
        id: "no-thread-state",
        says: "A thread that Python does not know called Python's C interface.",
        told_by: "a fault inside a C API function, on a thread without a thread state",
        explains: &["null-deref", "noncanonical"],
        apply: thread_state::missing,
    },
    Rule {
        id: "gil-not-held",
        says: "Python's C interface was called without the GIL.",
        told_by: "a fault inside a C API function that foreign code called, on a thread that does not hold the GIL",
        explains: &["null-deref", "noncanonical"],
        apply: thread_state::gil_not_held,
    },
    Rule {
        id: "use-after-free",
        says: "Memory was used after it had been freed.",
        told_by: "a pointer made of the bytes 0xDD, with which `PYTHONMALLOC=debug` fills freed memory",
        explains: &["noncanonical", "wild-call"],
        apply: fill_bytes::freed,
    },
    Rule {
        id: "uninitialized",
        says: "Memory was used before anything was written to it.",
        told_by: "a pointer made of the bytes 0xCD, with which `PYTHONMALLOC=debug` fills new memory",
        explains: &["noncanonical", "wild-call"],
        apply: fill_bytes::uninitialized,
    },
    Rule {
        id: "stack-smash",
        says: "A buffer on the stack was overrun.",
        told_by: "the message of the stack protector, or a `ret` to an address that no memory can have",
        explains: &["noncanonical", "wild-call", "glibc-abort"],
        apply: stack_smash::apply,
    },
    Rule {
        id: "wild-call",
        says: "A call or jump went to where no code is.",
        told_by: "a fault whose address is the program counter, or a call to an address that no memory can have",
        explains: &["null-deref"],
        apply: wild_call::apply,
    },
    Rule {
        id: "null-deref",
        says: "A null pointer was dereferenced.",
        told_by: "a fault in the first page of memory; `likely` up to 64 KiB, and just below zero. Which variable or field it is: by debug information and the code before the instruction",
        explains: &[],
        apply: null_dereference::apply,
    },
    Rule {
        id: "noncanonical",
        says: "A pointer was garbage: no memory can have its address.",
        told_by: "a general protection fault, and the address that the instruction computes; `likely` by a register alone",
        explains: &[],
        apply: noncanonical::apply,
    },
    Rule {
        id: "read-only",
        says: "Memory that is read-only was written to.",
        told_by: "an access fault at an address that is mapped readable and not writable",
        explains: &[],
        apply: read_only::apply,
    },
    Rule {
        id: "bus-mmap",
        says: "A mapped file is shorter than its mapping.",
        told_by: "SIGBUS with BUS_ADRERR in the mapping of a file",
        explains: &[],
        apply: cut_file::apply,
    },
    Rule {
        id: "arithmetic",
        says: "An integer was divided by zero, or the quotient does not fit.",
        told_by: "SIGFPE with FPE_INTDIV",
        explains: &[],
        apply: arithmetic::apply,
    },
    Rule {
        id: "illegal-instruction",
        says: "The compiler's trap was reached, or the processor does not know an instruction.",
        told_by: "SIGILL, the instruction, and what the processor can do (/proc/cpuinfo); `likely` where that is not known",
        explains: &[],
        apply: illegal_instruction::apply,
    },
    Rule {
        id: "allocator-mismatch",
        says: "Memory of one allocator was given back to another.",
        told_by: "the debug allocator (`PYTHONMALLOC=debug`), which says so; without it, that the C library refused a block which lies in a pool of Python's allocator",
        explains: &["debug-allocator", "heap-corruption", "glibc-abort", "fatal-error"],
        apply: allocator_mismatch::apply,
    },
    Rule {
        id: "heap-corruption",
        says: "The C library found its heap damaged.",
        told_by: "the message that glibc keeps when it aborts",
        explains: &["glibc-abort"],
        apply: abort_message::heap_corruption,
    },
    Rule {
        id: "assertion",
        says: "An assertion in C failed.",
        told_by: "the message that glibc keeps when it aborts",
        explains: &["glibc-abort"],
        apply: abort_message::assertion,
    },
    Rule {
        id: "glibc-abort",
        says: "The C library aborted the program for another reason.",
        told_by: "the message that glibc keeps when it aborts",
        explains: &[],
        apply: abort_message::other,
    },
    Rule {
        id: "debug-allocator",
        says: "Python's debug allocator found a block damaged, or freed already.",
        told_by: "SIGABRT below the checks of `PYTHONMALLOC=debug`, by name or by what they say; with the block, where the stack leads to it",
        explains: &["fatal-error"],
        apply: debug_allocator::damaged,
    },
    Rule {
        id: "cxx-terminate",
        says: "Nothing caught a C++ exception.",
        told_by: "SIGABRT below `std::terminate`; type and `what()` from the exception itself (libstdc++)",
        explains: &[],
        apply: cxx_exception::apply,
    },
    Rule {
        id: "rust-panic",
        says: "A Rust panic ended the process.",
        told_by: "SIGABRT below the functions of a panic; its message from the exception that unwinds the stack, or from what is passed on to the end",
        explains: &[],
        apply: rust_panic::apply,
    },
    Rule {
        id: "fatal-error",
        says: "CPython gave up by itself.",
        told_by: "SIGABRT below `Py_FatalError` or one of its kind; its message by the code of the call",
        explains: &[],
        apply: fatal_error::apply,
    },
    Rule {
        id: "negative-refcount",
        says: "A reference was given back that nobody had: the count of an object is below zero.",
        told_by: "the check of debug builds; `likely` where a variable refers to such an object",
        explains: &["fatal-error", "freed-object"],
        apply: negative_refcount::apply,
    },
    Rule {
        id: "freed-object",
        says: "A variable refers to an object that has been freed.",
        told_by: "its reference count, in the three innermost Python frames",
        explains: &[],
        apply: freed_object::apply,
    },
    Rule {
        id: "abi-mismatch",
        says: "An extension module was built for another Python.",
        told_by: "the tag in its file name",
        explains: &[],
        apply: abi_mismatch::apply,
    },
    Rule {
        id: "out-of-memory",
        says: "Memory had run out.",
        told_by: "a MemoryError that the thread was raising or handling",
        explains: &[],
        apply: out_of_memory::apply,
    },
    Rule {
        id: "deadlock",
        says: "Threads wait for each other.",
        told_by: "a circle of threads, each waiting for the GIL, a mutex or an RLock that the next one holds; without a crash also a thread that holds the GIL and waits in the C library while others wait for the GIL, and, `possible`, that all threads wait for locks: a `threading.Lock` does not say who holds it",
        explains: &[],
        apply: deadlock::apply,
    },
    Rule {
        id: "lost-lock",
        says: "A lock will never be free: `fork` copied it without the thread that holds it.",
        told_by: "a thread that waits for a mutex or an RLock whose owner is no thread of the process",
        explains: &[],
        apply: lost_lock::apply,
    },
    Rule {
        id: "import-time",
        says: "It happened while an extension module was imported.",
        told_by: "native code of an extension below importlib, with no Python code inside",
        explains: &[],
        apply: import_time::apply,
    },
    Rule {
        id: "finalizing",
        says: "It happened while Python was shutting down.",
        told_by: "the runtime's own flag, or `Py_FinalizeEx` on the stack",
        explains: &[],
        apply: finalizing::apply,
    },
    Rule {
        id: "duplicate-libs",
        says: "Two copies of one runtime library are loaded.",
        told_by: "the list of images: OpenMP, OpenSSL, libstdc++, protobuf and others; `possible`, and `likely` where the crash lies in one",
        explains: &[],
        apply: duplicate_libraries::apply,
    },
];

#[cfg(test)]
mod tests {
    use super::RULES;

    #[test]
    fn ids_are_unique_and_explained_ones_exist() {
        for (index, rule) in RULES.iter().enumerate() {
            assert!(
                RULES[..index].iter().all(|other| other.id != rule.id),
                "{} twice",
                rule.id
            );
            for explained in rule.explains {
                assert!(RULES.iter().any(|other| other.id == *explained), "no {explained}");
            }
        }
    }
}
