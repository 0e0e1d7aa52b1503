"""What the walk asks of a debugger. gdb-scripts/adapter.py and lldb-scripts/adapter.py answer."""

# The most native frames that are looked at: debuggers take a while for each.
MAX_NATIVE = 50000
# Registers that a function keeps for its caller, and those arguments come in.
REGISTERS = ("rip", "rsp", "rbx", "rbp", "r12", "r13", "r14", "r15", "rdi", "rsi", "x19", "x20", "x21", "x22", "x23", "x24", "x0")
GENERAL_REGISTERS = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "rip", "eflags")
GENERAL_REGISTERS += ("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15")
# Files are mapped in pages.
PAGE = 4096
# C types that are shown as Python values, by the names that debuggers have for them.
TYPES = (
    "PyObject",
    "_object",
    "PyVarObject",
    "PyFrameObject",
    "PyUnicodeObject",
    "wrapperobject",
    "PyLongObject",
    "PyFloatObject",
    "PyBytesObject",
    "PyByteArrayObject",
    "PyListObject",
    "PyTupleObject",
    "PyDictObject",
    "PySetObject",
    "PyTypeObject",
    "_typeobject",
    "PyCodeObject",
    "PyFunctionObject",
    "PyMethodObject",
    "PyCFunctionObject",
    "PyModuleObject",
    "PyCellObject",
    "PyGenObject",
    "PyBaseExceptionObject",
)


class NativeFrame:
    """One native frame of the selected thread.

    `level` is the debugger's own number, `name` the function or None, `is_inline` true of a function inlined into the
    next frame, `handle` whatever the debugger needs, None where it does not know the frame.
    """

    def __init__(self, level, pc, sp, name, is_inline, handle):
        self.level = level
        self.pc = pc
        self.sp = sp
        self.name = name
        self.is_inline = is_inline
        self.handle = handle

    def instruction(self):
        """The address of the instruction that is executed, or in it: a call may be the last one of its function. Of a damaged
        stack the pc may be 0."""
        return self.pc - 1 if self.level and self.pc else self.pc


class Thread:
    """One native thread: its number for the debugger, its kernel id, its name or None."""

    def __init__(self, number, tid, name, is_selected):
        self.number = number
        self.tid = tid
        self.name = name
        self.is_selected = is_selected


class Problem(Exception):
    """Something the user is told in one line."""


class Debugger:
    """The questions, with the answers of one that knows nothing."""

    # Whether its stacks may end before the thread's own end.
    ends_early = False

    def process(self):
        """What tells this process (and its start) from others; None where there is none."""
        return None

    def read(self, address, size):
        """Memory; raises Unreadable."""
        raise NotImplementedError

    def symbol(self, name):
        """The address of a symbol, or 0."""
        return 0

    def sections(self, name):
        """The addresses of all sections of that name."""
        return []

    def writable_ranges(self):
        """(start, end) of writable memory of files, for a search."""
        return []

    def file_of(self, address):
        """The file that is mapped there, or None."""
        return None

    def dwarf_offsets(self, schema):
        """Offsets by slot from debug information; {} where there is none."""
        return {}

    def frames(self):
        """The native frames of the selected thread, innermost first."""
        return []

    def selected_level(self):
        """The number of the selected frame."""
        return 0

    def select(self, native):
        """Selects a native frame."""

    def named_registers(self, native):
        """Registers in that frame by name, as far as they are known."""
        return {}

    def argument(self, native, name):
        """The value of an argument by debug information, or 0."""
        return 0

    def unwind_tables(self):
        """Where the sections `.eh_frame_hdr` are, by the files that `file_of` tells."""
        return {}

    def function_name(self, pc):
        """The function that holds `pc`, by symbols; None where that is not known."""
        return None

    def function_start(self, pc):
        """Where the function that holds `pc` begins, by symbols; 0 where that is not known."""
        return 0

    def evaluate(self, expression):
        """The value of an expression in the debugger's language, as an address; raises Problem."""
        raise Problem("Expected an address")

    def recorded_layout(self):
        """A Layout that came with the file that is debugged; None where there is none."""
        return None

    def thread_pointer(self):
        """`pthread_self()` of the selected thread, by its registers; 0 where that is not known."""
        return 0

    def threads(self):
        """All native threads."""
        return []

    def on_thread(self, thread, function):
        """What the function returns while that thread is the selected one."""
        return function()

    def general_registers(self):
        """The registers of the selected thread, by their names on x86_64."""
        return {}

    def siginfo(self):
        """(number, code, address) of the signal that stopped the selected thread; None where it is not known."""
        return None

    def modules(self):
        """(start, size, path, build id) of the files that are mapped; the build id as bytes, empty where not known."""
        return []

    def pid(self):
        """The id of the process; 0 where it is not known."""
        return 0

    def executable(self):
        """The path of the program, or None."""
        return None
