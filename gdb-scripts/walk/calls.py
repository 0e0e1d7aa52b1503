"""What native frames do for Python: built-in functions, waiting for the GIL, collecting garbage.

Functions are told by name, or, where a file has no symbols, by the addresses that objects have of them.
"""

from .bytecode import instructions
from .memory import Unreadable
from .objects import WORD

# Functions of the collector (Modules/gcmodule.c, since 3.13 Python/gc.c and Python/gc_free_threading.c).
COLLECTORS = (
    "collect",
    "gc_collect_main",
    "gc_collect_full",
    "gc_collect_young",
    "gc_collect_increment",
    "gc_collect_region",
    "gc_collect_internal",
)
# What they are in the words of CPython's own helper.
COLLECTING = "Garbage-collecting"
WAITING = "Waiting for the GIL"
# The longest stack range of one native frame that is searched for an object.
MAX_SEARCH = 4096
# How far into a C function a pc may be whose beginning is not known.
MAX_FUNCTION = 1 << 12
# Types of functions written in C, and what calls those: by tp_call, or by the `vectorcall` of each.
FUNCTIONS = ("builtin_function_or_method", "builtin_method")
METHOD_WRAPPERS = ("method-wrapper",)
CALL = "cfunction_call"
VECTORCALL = "cfunction_vectorcall_"
WRAPPER_CALL = "wrapper_call"
# What the eval loop calls objects by: it keeps the object, to check what that returns (Objects/call.c).
VECTORCALLS = ("PyObject_Vectorcall", "_PyObject_Vectorcall", "_PyObject_MakeTpCall")
# ml_flags (Include/methodobject.h) as they are in the names of these functions (Objects/methodobject.c).
CONVENTIONS = {0x04: "NOARGS", 0x08: "O", 0x80: "FASTCALL", 0x82: "FASTCALL_KEYWORDS", 0x282: "FASTCALL_KEYWORDS_METHOD"}
CONVENTION = 0x28E
# Of references in frames (Include/internal/pycore_stackref.h).
STACK_REF_TAGS = 3
# `syscall` on x86_64; its first argument stays in rdi.
SYSCALL = b"\x0f\x05"
# How far before `collecting` the state of the collector begins (`struct _gc_runtime_state`).
COLLECTOR_STATE = 512


class Calls:
    """The native frames of one thread with these thread states."""

    def __init__(self, debugger, runtime, tables, natives, states):
        self.debugger = debugger
        self.runtime = runtime
        self.natives = natives
        self.states = states
        self._tables = tables
        # Names of functions by their addresses.
        self._known = {}
        self._has_builtins = False
        self._collector = None

    # Functions.

    def start(self, native):
        """(address where the function of a native frame begins or 0, whether that is certain)."""
        pc = native.instruction()
        function = self._tables.function(pc)
        return (function.start, True) if function is not None else (self.debugger.function_start(pc), False)

    def name(self, native):
        """The name of a native frame's function; of those that matter here, also where there are no symbols."""
        if native.name is None and self.states:
            if not self._has_builtins:
                self._has_builtins = True
                self._know_builtins()
            start, is_certain = self.start(native)
            native.name = self._known.get(start) if is_certain else None
        return native.name or ""

    def _know_builtins(self):
        """Learns from the built-in functions what calls them."""
        runtime = self.runtime
        try:
            builtins = runtime.module_dict(self.states[0].interpreter, "builtins")
            for _, function in runtime.dict_items(builtins) if builtins else ():
                if self._is_one_of(function, FUNCTIONS):
                    self._know_function(function)
        except Unreadable:
            pass

    def _know_function(self, function):
        runtime = self.runtime
        self._known[runtime.type_call(runtime.type_address(function))] = CALL
        vectorcall = runtime.c_function_vectorcall(function)
        if vectorcall:
            convention = CONVENTIONS.get(runtime.c_function_flags(function) & CONVENTION)
            self._known[vectorcall] = VECTORCALL + (convention or "")

    def _know_those(self, values, natives):
        """Learns from the objects on a value stack what calls them."""
        for word in values if any(native.name is None for native in natives) else ():
            try:
                if self._is_one_of(word, METHOD_WRAPPERS):
                    self._known[self.runtime.type_call(self.runtime.type_address(word))] = WRAPPER_CALL
                elif self._is_one_of(word, FUNCTIONS):
                    self._know_function(word)
            except Unreadable:
                continue

    # Entries of a stack.

    def notes(self, natives, frame, function):
        """[(native frame, text)] of the native frames, innermost first, that a Python frame called, in the words of
        CPython's helper. `function` tells an object's text."""
        found, has_call = [], False
        values = self.runtime.value_stack(frame) if frame is not None else []
        self._know_those(values, natives)
        for index, native in enumerate(natives):
            name = self.name(native)
            if name == "take_gil":
                found.append((native, WAITING))
            elif name in COLLECTORS:
                found.append((native, COLLECTING))
            elif name.startswith(VECTORCALL) or name in (CALL, "cfunction_call_varargs"):
                called = self._object_in(native, "func", FUNCTIONS, natives[:index], values)
                found.append((native, function(called) if called else "(a built-in function, whose object was not found)"))
                has_call = True
            elif name == WRAPPER_CALL:
                called = self._object_in(native, "wp", METHOD_WRAPPERS, None, values)
                found.append((native, function(called) if called else "(a method-wrapper, whose object was not found)"))
                has_call = True
        texts = [text for _, text in found]
        if natives and natives[0] is self.natives[0] and WAITING not in texts and self._waits_for_gil():
            found.insert(0, (natives[0], WAITING))
        if not has_call:
            called, caller = self._direct_call(values, natives)
            if not called:
                called, caller = self._vanished_call(frame, values, natives)
            if called:
                found.append((caller, function(called)))
        if COLLECTING not in texts:
            collector = self._collects(natives)
            found += [(collector, COLLECTING)] if collector is not None else []
        return sorted(found, key=lambda pair: pair[0].level)

    def _waits_for_gil(self):
        """Whether the thread stands in a system call on an address in a GIL of its own."""
        registers = self.debugger.general_registers()
        try:
            if not self.states or self.runtime.memory.bytes(registers["rip"] - 2, 2) != SYSCALL:
                return False
            return any(
                start <= registers["rdi"] < end
                for start, end in (self.runtime.gil_range(state.interpreter) for state in self.states)
            )
        except (Unreadable, KeyError):
            return False

    def _collects(self, natives):
        """The innermost of these native frames that works on the state of the collector, while that collects; None where
        there is none, or another thread may be the one that does."""
        if self._collector is None:
            self._collector = self._collector_ranges()
        for native in natives if self._collector else ():
            words = self._words(native)
            if any(start <= word < end for word in words for start, end in self._collector):
                return native
        return None

    def _collector_ranges(self):
        """Where the collectors are that run in this thread."""
        found = []
        for state in self.states:
            try:
                locked, holder = self.runtime.gil(state.interpreter)
                place = self.runtime.collecting(state.interpreter)
                if locked and holder == state.address and self.runtime.memory.i32(place) == 1:
                    found.append((place - COLLECTOR_STATE, place))
            except Unreadable:
                continue
        return found

    def _object_in(self, native, argument, types, inner, values):
        """The object that a C function works for: its argument by debug information, else whatever of that type is on
        the value stack of the Python frame that called it, in registers, or on its part of the C stack."""
        known = self.debugger.argument(native, argument)
        if known and self._is_one_of(known, types):
            return known
        called = self._those_of(values, types)
        seen = self._those_of(values + self._words(native), types)
        if inner is None:
            return seen[0] if seen else 0
        # A function that ends with a call of another one may be gone from the stack.
        alone = called if len(called) == 1 else seen if len(seen) == 1 else [0]
        return self._called(seen, inner)[0] or alone[0]

    def _those_of(self, words, types):
        found = []
        for word in words:
            if word not in found and self._is_one_of(word, types):
                found.append(word)
        return found

    def _called(self, functions, inner):
        """The one of several built-in functions that one of these native frames is in, and that frame."""
        best = (0, None, -1)
        starts = [self.start(native) for native in inner] if functions else []
        for function in functions:
            try:
                address = self.runtime.c_function(function)
            except Unreadable:
                continue
            for native, (start, is_certain) in zip(inner, starts):
                # Where symbols were stripped, the nearest one may lie before the function.
                is_near = not is_certain and start < address <= native.pc < address + MAX_FUNCTION
                if (address == start or is_near) and address > best[2]:
                    best = (function, native, address)
        return best[0], best[1]

    def _direct_call(self, values, inner):
        """(object, native frame that called it) of the built-in function that the eval loop called itself; (0, None) where
        none of these native frames is in one of the functions on its value stack."""
        function, native = self._called(self._those_of(values, FUNCTIONS), inner)
        outer = native.level + 1 if native is not None else len(self.natives)
        return (function, self.natives[outer]) if outer < len(self.natives) else (0, None)

    def _vanished_call(self, frame, values, inner):
        """(object, native frame that called it) of a built-in function that ended with a call of another one, and so is gone
        from the stack; (0, None) where there is none."""
        inner = [native for native in inner if not native.is_inline]
        # What the eval loop calls keeps the object that it calls; since 3.15 it may be a function that has no name.
        names = [self.name(native) for native in inner[-2:]]
        if frame is None or not any(name in VECTORCALLS for name in names) or not self._is_at_call(frame):
            return 0, None
        words = {word & ~STACK_REF_TAGS for word in self._words(inner[-1])}
        functions = [word for word in self._those_of(values, FUNCTIONS) if word in words]
        return (functions[0], inner[-1]) if len(functions) == 1 else (0, None)

    def _is_at_call(self, frame):
        """Whether a Python frame is at an instruction that calls."""
        try:
            found = instructions(self.runtime, frame)
        except Unreadable:
            return False
        return any(one.name.startswith("CALL") for one, is_current in found if is_current)

    def _is_one_of(self, word, types):
        return any(self.runtime.is_type(word, name) for name in types)

    def _words(self, native):
        """What is in its registers, and on its part of the C stack."""
        # Inlined functions share the frame of what they are inlined into.
        outer = native.level + 1
        while outer < len(self.natives) and self.natives[outer].sp <= native.sp:
            outer += 1
        size = min(self.natives[outer].sp - native.sp if outer < len(self.natives) else 0, MAX_SEARCH)
        words = list(self.debugger.named_registers(native).values())
        try:
            words += self.runtime.memory.words(native.sp, size // WORD)
        except Unreadable:
            pass
        return words
