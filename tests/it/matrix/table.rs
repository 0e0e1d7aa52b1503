// table
//! The situations, as data. What is not true of a row on some machine makes the test fail there.

use super::{Left, Left::*, Program, Program::*, Row, Setting, Setting::*, Status, Status::*};

const SEGV: Status = Signal(libc::SIGSEGV);
const ABRT: Status = Signal(libc::SIGABRT);
const NO_DEBUG_INFO: &str = "no debug information was read";
const HANDED_OUT: &str = "the thread that crashed handed out its memory";

/// A row that needs nothing special.
const fn row(situation: &'static str, program: Program, status: Status, left: Left) -> Row {
    row_in(Here, situation, program, status, left)
}

const fn row_in(setting: Setting, situation: &'static str, program: Program, status: Status, left: Left) -> Row {
    Row {
        situation,
        program,
        setting,
        status,
        left,
    }
}

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    // Signals, and what raises them.
    row("write to address 0", C("null"), SEGV, Dump("null")),
    row("write to an unmapped address", C("wild"), SEGV, Dump("wild")),
    row("write to a non-canonical address", C("non_canonical"), SEGV, Dump("non_canonical")),
    row("call of address 0", C("call_of_null"), SEGV, Dump("call_of_null")),
    row("call of data", C("call_of_data"), SEGV, Dump("call_of_data")),
    row("write to code", C("write_to_code"), SEGV, Dump("write_to_code")),
    row("abort", C("aborts"), ABRT, Dump("aborts")),
    row("abort with all signals blocked", C("raised_after_unblocking"), ABRT, Dump("raised_after_unblocking")),
    row("page past the end of a mapped file", C("past_the_file"), Signal(libc::SIGBUS), Dump("past_the_file")),
    row("division by zero", C("divides"), Signal(libc::SIGFPE), Dump("divides")),
    row("SIGFPE sent to itself", C("sent"), Signal(libc::SIGFPE), Dump("sent")),
    row("illegal instruction", C("illegal"), Signal(libc::SIGILL), Dump("illegal")),
    row("breakpoint instruction", C("trap"), Signal(libc::SIGTRAP), Dump("trap")),
    row("system call trapped by seccomp", C("trapped_call"), Signal(libc::SIGSYS), Dump("trapped_call")),
    row("fault while its signal is blocked", C("fault_while_blocked"), SEGV,
        Nothing("the kernel runs no handler for a fault whose signal is blocked")),

    // Stacks, heap, locks.
    row("stack overflow in the main thread", C("overflow"), SEGV, Dump("recurse")),
    row("stack overflow in a thread", C("overflow_in_a_thread"), SEGV, Dump("recurse")),
    row("stack overflow in Python's main thread", Python("overflow"), SEGV, Dump("stack_overflow")),
    row("stack overflow in a Python thread", Python("overflow_in_a_thread"), SEGV, Dump("stack_overflow")),
    row("free of a bad pointer", C("bad_free"), ABRT, Dump("bad_free")),
    row("heap corruption found with malloc's lock held", C("bad_top"), ABRT, Dump("bad_top")),
    row("fault with the locks of stdio held", C("inside_stdio"), SEGV, Dump("inside_stdio")),

    // Moments in a Python program.
    row("fault in Python", Python("null"), SEGV, Dump("null")),
    row("fault without the GIL", Python("without_the_gil"), SEGV, Dump("crash_without_the_gil")),
    row("fault with the GIL", Python("with_the_gil"), SEGV, Dump("crash_with_the_gil")),
    row("os.abort", Python("aborts"), ABRT, Dump("aborts")),
    row("Py_FatalError", Python("fatal_error"), ABRT, Dump("fatal_error")),
    row("during an import", Python("during_import"), SEGV, Dump("during_import")),
    row("in a finaliser run by the collector", Python("during_collection"), SEGV, Dump("__del__")),
    row("in a callback of the collector", Python("in_a_collection_callback"), SEGV, Dump("<lambda>")),
    row("while the interpreter ends", Python("during_finalisation"), SEGV, Dump("__del__")),
    row("in an atexit function", Python("at_exit"), SEGV, Dump("crash")),
    row("in a Python signal handler", Python("in_a_signal_handler"), SEGV, Dump("<lambda>")),
    row("in a C signal handler", C("in_a_signal_handler"), SEGV, Dump("on_usr1")),
    row("in a handler on a stack of its own", C("on_altstack"), SEGV, Dump("on_usr1")),
    row("with the alternate stack taken away", C("without_an_altstack"), SEGV, Dump("without_an_altstack")),

    // Threads.
    row("in a thread", C("in_a_thread"), SEGV, Dump("crashing_thread")),
    row("in a Python thread", Python("in_a_thread"), SEGV, Dump("crash")),
    row("after the main thread has ended", C("after_the_main_thread"), SEGV, Dump("crashing_thread")),
    row("in 8 threads at once", C("eight_at_once"), SEGV, Dump("crashing_together")),
    row("in 8 Python threads at once", Python("eight_at_once"), SEGV, Dump("body")),
    row("while other Python threads run", Python("while_threads_run"), SEGV, Dump("while_threads_run")),
    row("with 1,000 threads", C("a_thousand_threads"), SEGV, Dump("a_thousand_threads")),
    row("with a thread that cannot be interrupted", C("with_a_thread_in_vfork"), SEGV,
        DumpBut("with_a_thread_in_vfork", "1 of 2 threads did not stop in time")),
    row("while a thread waits for any child", C("someone_reaps_every_child"), SEGV, Dump("someone_reaps_every_child")),

    // Processes.
    row("in a child right after fork", C("fork_then_crash"), Exit(0), Dump("fork_then_crash")),
    row("in a vfork child", C("vfork_then_crash"), Exit(0), Dump("vfork_then_crash")),
    row("in a child forked by a thread", C("fork_in_a_thread"), Exit(0), Dump("forking_thread")),
    row("in a grandchild with another working folder", C("grandchild_elsewhere"), Exit(0), Dump("grandchild_elsewhere")),
    row("in a child, then in its parent", C("child_and_parent"), SEGV, Dumps(2, "child_and_parent")),
    row("in a child of Python right after fork", Python("right_after_fork"), Exit(0), Dump("right_after_fork")),
    row("in a multiprocessing worker (fork)", Python("multiprocessing_by_fork"), Exit(0), Dump("crash")),
    row("in a multiprocessing worker (spawn)", Python("multiprocessing_by_spawn"), Exit(0), Dump("crash")),
    row("in a Python grandchild elsewhere", Python("grandchild_elsewhere"), Exit(0), Dump("<module>")),
    row("in a child, whose parent ends by the same signal", C("ends_as_its_child"), SEGV, Dump("ends_as_its_child")),
    row_in(WithNamespaces, "fault as pid 1", C("as_pid_1"), Exit(0), Dump("as_pid_1")),
    row_in(WithNamespaces, "fault as pid 1, with another's /proc", C("as_pid_1_with_another_proc"), Exit(0), Record("could not read the process")),
    row_in(InteractiveShell, "as a job of an interactive shell", C("null"), Exit(0), Dump("null")),

    // Neighbours: others with a handler.
    row_in(Environment("PYTHONFAULTHANDLER", "1"), "faulthandler from the start", Python("faulthandler_before"), SEGV, Dump("faulthandler_before")),
    row("faulthandler enabled later", Python("faulthandler_after"), SEGV, Dump("faulthandler_after")),
    row("faulthandler enabled later, abort", Python("faulthandler_after_and_abort"), ABRT, Dump("faulthandler_after_and_abort")),
    row("faulthandler enabled and disabled", Python("faulthandler_disabled_again"), SEGV, Dump("faulthandler_disabled_again")),
    row("SIGABRT sent to a Python handler that ends in order", Python("handler_of_abort"), Exit(1), Dump("handler_of_abort")),
    row("abort with a Python handler for it", Python("handler_of_abort_and_abort"), ABRT, Dump("handler_of_abort_and_abort")),
    row("a Python handler for SIGSEGV set and taken back", Python("handler_of_segv_restored"), SEGV, Dump("handler_of_segv_restored")),
    row("SIGSEGV set to its default in Python", Python("default_restored"), SEGV, Dump("default_restored")),
    row("SIGSEGV sent to a Python handler", Python("handler_of_segv_sent"), Exit(0),
        Nothing("nothing died")),
    row("SIGABRT ignored in Python", Python("ignored_abort"), Exit(0), Nothing("nothing died")),
    row("subprocess beside faulthandler", Python("child_of_a_handler"), SEGV, Dump("child_of_a_handler")),
    row("a handler that mends the fault", C("mended"), Exit(0), Nothing("nothing died")),
    row("a handler that goes on elsewhere", C("resumed"), Exit(0), Nothing("nothing died")),
    row("a handler that restores the default", C("handed_back"), SEGV, Dump("handed_back")),
    row("a handler that returns to the fault for ever", C("hopeless"), Signal(libc::SIGALRM), Dump("hopeless")),
    row("a handler that calls exit", C("ends_in_its_handler"), Exit(7), Dump("ends_in_its_handler")),
    row("a handler that calls _exit", C("ends_at_once_in_its_handler"), Exit(7), Dump("ends_at_once_in_its_handler")),
    row("exit long after a handler that went on elsewhere", C("ends_after_a_handler"), Exit(7), Nothing("nothing died")),
    row("a handler installed by a raw system call", C("raw_handler"), SEGV, Dump("raw_handler")),
    row("what sigaction and signal answer", C("queries"), Exit(0), Nothing("nothing died")),
    row("a handler for one time", C("one_time"), SEGV, Dump("one_time")),

    // Dispositions and limits.
    row("SIGCHLD ignored", C("child_signal_ignored"), SEGV, Dump("child_signal_ignored")),
    row("children leave no zombies", C("child_signal_without_zombies"), SEGV, Dump("child_signal_without_zombies")),
    row("no SIGCHLD and no child after a capture", C("survivor"), Exit(0), Dump("survivor")),
    row("RLIMIT_AS used up", C("limited_address_space"), SEGV, Dump("limited_address_space")),
    row("RLIMIT_FSIZE 0", C("limited_file_size"), SEGV, Dump("limited_file_size")),
    row("all descriptors used up", C("no_more_descriptors"), SEGV, Dump("no_more_descriptors")),
    row("RLIMIT_NOFILE 0", C("no_descriptor_at_all"), SEGV, Dump("no_descriptor_at_all")),
    row("RLIMIT_NPROC used up", C("no_more_processes"), SEGV, Record("could not be started: Resource temporarily unavailable")),
    row("standard streams closed", C("closed_streams"), SEGV, Dump("closed_streams")),
    row("every descriptor closed", C("every_descriptor_closed"), SEGV, Dump("every_descriptor_closed")),
    row_in(LittleMemory(60), "60 MB left in the memory cgroup", Python("little_memory_left"), SEGV, Dump("little_memory_left")),
    row_in(LittleMemory(30), "30 MB left in the memory cgroup", Python("little_memory_left"), SEGV, DumpBut("little_memory_left", NO_DEBUG_INFO)),
    row_in(LittleMemory(10), "10 MB left in the memory cgroup", Python("little_memory_left"), SEGV, DumpBut("little_memory_left", NO_DEBUG_INFO)),
    row_in(LittleMemory(2), "2 MB left in the memory cgroup", Python("little_memory_left"), SEGV, DumpOrRecord),
    row("16 GB resident", C("sixteen_gigabytes"), SEGV, Dump("sixteen_gigabytes")),

    // Users, sandboxes, files.
    row("uid dropped", C("dropped_uid"), SEGV, DumpBut("dropped_uid", HANDED_OUT)),
    row("uid dropped, ptrace and process_vm_readv denied", C("dropped_and_denied"), SEGV, DumpBut("dropped_uid", HANDED_OUT)),
    row("uid dropped, killed for calling either", C("dropped_and_fatal"), SEGV, DumpBut("dropped_uid", HANDED_OUT)),
    row("uid dropped before the program", C("dropped_before_exec"), SEGV, Dump("dropped_before_exec")),
    row("not dumpable by its own choice", C("not_dumpable"), SEGV, Record("may not read the process")),
    row_in(AsNobody, "uid 65534 without HOME", C("null"), SEGV, Dump("null")),
    row("clone denied", C("denied_clone"), SEGV, Record("could not be started: Operation not permitted")),
    row("execve denied", C("denied_execve"), SEGV, Record("could not be executed: Operation not permitted")),
    row("ptrace denied", C("denied_ptrace"), SEGV, DumpBut("denied_ptrace", "2 of 2 threads could not be stopped: Operation not permitted")),
    row("process_vm_readv denied", C("denied_readv"), SEGV, Dump("denied_readv")),
    row("ptrace and process_vm_readv denied", C("denied_both"), SEGV, DumpBut("denied_both", "could not be stopped")),
    row("all of these denied", C("denied_all"), SEGV, Record("could not be started")),
    row("killed for calling ptrace", C("fatal_ptrace"), SEGV, DumpBut("fatal_ptrace", "could not be stopped")),
    row("killed for calling ptrace or process_vm_readv", C("fatal_both"), SEGV, DumpBut("fatal_both", "could not be stopped")),
    row_in(FullDisk, "disk full", C("null"), SEGV, ReportOnly("null")),
    row_in(ReadOnlyFolder, "output folder read-only", C("null"), SEGV, ReportOnly("null")),
    row("output folder removed", C("folder_removed"), SEGV, Dump("folder_removed")),

    // The helper and the handler themselves.
    row("helper deleted", C("helper_deleted"), SEGV, Record("could not be executed: No such file")),
    row("helper hangs", C("helper_hangs"), SEGV, Record("did not finish in time")),
    row("helper crashes", C("helper_crashes"), SEGV, Record("was killed by signal 11")),
    row("helper killed", C("helper_killed"), SEGV, Record("was killed by signal 9")),
    row("handler faults too", C("our_handler_faults"), SEGV, Nothing("a fault with all signals blocked ends the process")),
];
