"""The merged stack of the selected thread: native frames, with the Python frames that each runs."""

from .memory import Unreadable
from .objects import WORD

# The function of the eval loop; compilers split off a `.cold` part.
EVAL = "_PyEval_EvalFrameDefault"
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
# The longest stack range of one native frame that is searched for an object.
MAX_SEARCH = 4096
# How far into a C function a pc may be that has no symbol.
MAX_FUNCTION = 1 << 12
# Types of functions written in C.
FUNCTIONS = ("builtin_function_or_method", "builtin_method")


class Entry:
    """One native frame that matters to a Python programmer.

    `frames` are the Python frames of its run, innermost first, or `note` says what it does. `native` is None where the
    frames could not be tied to a native frame.
    """

    def __init__(self, native, frames, note):
        self.native = native
        self.frames = frames
        self.note = note

    def level(self):
        return "?" if self.native is None else self.native.level


class Stack:
    """The stack of the selected thread."""

    def __init__(self, debugger, runtime, tid):
        self.debugger = debugger
        self.runtime = runtime
        self.natives = debugger.frames()
        self.states = runtime.states_of(tid, debugger.thread_pointer())
        if not self.states:
            self.states = self._states_by_stack()
        self.entries = self._merge()

    def has_python(self):
        return bool(self.states)

    def _states_by_stack(self):
        """Thread states whose records of runs lie on this stack: where neither ids nor registers tell."""
        if not self.natives:
            return []
        low, high = self.natives[0].sp, max(native.sp for native in self.natives)
        found = []
        for interpreter in self.runtime.interpreters():
            for state in interpreter.threads:
                runs = self.runtime.runs(state.address)
                if runs and runs[0] and low <= runs[0][0].anchor < high:
                    found.append(state)
        return found

    def _merge(self):
        runs = [run for state in self.states for run in self.runtime.runs(state.address)]
        ranges = self._ranges()
        by_level = {}
        loose = []
        anchored = [run for run in runs if run and run[0].anchor]
        for run in anchored:
            native = _containing(ranges, run[0].anchor)
            if native is None:
                loose.append(run)
            else:
                by_level.setdefault(native.level, []).extend(run)
        plain = [run for run in runs if run and not run[0].anchor]
        loops = [n for n in self.natives if n.name and n.name.startswith(EVAL) and not n.is_inline]
        loops = [native for native in loops if native.level not in by_level]
        for native, run in zip(loops, plain):
            by_level[native.level] = run
        loose += plain[len(loops) :]
        entries = []
        since = []
        has_call = False
        for native in self.natives:
            frames = by_level.get(native.level)
            if frames is not None:
                function, caller = (0, None) if has_call else self._direct_call(frames[0], since)
                if function:
                    entries.append(Entry(caller, [], self.runtime.text(function)))
                entries.append(Entry(native, frames, None))
                since = []
                has_call = False
                continue
            note = self._note(native, since, by_level)
            if note:
                entries.append(Entry(native, [], note))
                has_call = has_call or note.startswith(("<", "("))
            since.append(native)
        return entries + [Entry(None, run, None) for run in loose]

    def _ranges(self):
        """(start, end, native) of what each native frame has of the stack."""
        ranges = []
        for native, outer in zip(self.natives, self.natives[1:]):
            # An inlined function shares the frame of the one it is inlined into.
            if outer.sp > native.sp:
                ranges.append((native.sp, outer.sp, native))
        # Of the outermost frame the end is not known; it may be an eval loop, where the debugger could not go on.
        last = self.natives[-1] if self.natives else None
        if last is not None and (not last.name or last.name.startswith(EVAL)):
            ranges.append((last.sp, last.sp + MAX_SEARCH, last))
        return ranges

    def _note(self, native, inner, by_level):
        """What a native frame says to a Python programmer, in the words of CPython's helper; None for nothing."""
        name = native.name or ""
        if name == "take_gil":
            return "Waiting for the GIL"
        if name in COLLECTORS:
            return "Garbage-collecting"
        if name.startswith("cfunction_vectorcall_") or name in ("cfunction_call", "cfunction_call_varargs"):
            function = self._object_in(native, "func", FUNCTIONS, inner, by_level)
            return self.runtime.text(function) if function else "(a built-in function, whose object was not found)"
        if name == "wrapper_call":
            wrapper = self._object_in(native, "wp", ("method-wrapper",), None, by_level)
            return self.runtime.text(wrapper) if wrapper else "(a method-wrapper, whose object was not found)"
        return None

    def _object_in(self, native, argument, types, inner, by_level):
        """The object that a C function works for: its argument by debug information, else whatever of that type is on
        the value stack of the Python frame that called it, in registers, or on its part of the C stack."""
        runtime = self.runtime
        known = self.debugger.argument(native, argument)
        if known and self._is_one_of(known, types):
            return known
        outer = [n for n in self.natives if n.level > native.level and n.level in by_level]
        words = []
        if outer and by_level[outer[0].level]:
            words = runtime.value_stack(by_level[outer[0].level][0])
        called = self._those_of(words, types)
        seen = self._those_of(words + self.debugger.registers(native) + list(self._stack_words(native)), types)
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
        starts = [self.debugger.function_start(native.pc) for native in inner]
        for function in functions:
            try:
                address = self.runtime.c_function(function)
            except Unreadable:
                continue
            for native, start in zip(inner, starts):
                # Where symbols were stripped, the nearest one may lie before the function.
                is_exact = address == start
                is_near = start < address <= native.pc < address + MAX_FUNCTION
                if (is_exact or is_near) and address > best[2]:
                    best = (function, native, address)
        return best[0], best[1]

    def _direct_call(self, frame, inner):
        """(object, native frame that called it) of the built-in function that a Python frame called, where no name of a
        native frame tells; (0, None) where there is none."""
        functions = [word for word in self.runtime.value_stack(frame) if self._is_one_of(word, FUNCTIONS)]
        function, native = self._called(functions, inner)
        outer = [n for n in self.natives if native is not None and n.level > native.level and not n.is_inline]
        return (function, outer[0]) if outer else (0, None)

    def _is_one_of(self, word, types):
        return any(self.runtime.is_type(word, name) for name in types)

    def _stack_words(self, native):
        ends = [outer.sp for outer in self.natives if outer.level > native.level and outer.sp > native.sp]
        size = min(ends[0] - native.sp if ends else 0, MAX_SEARCH)
        try:
            return self.runtime.memory.words(native.sp, size // WORD)
        except Unreadable:
            return ()


def _containing(ranges, address):
    for start, end, native in ranges:
        if start <= address < end:
            return native
    return None
