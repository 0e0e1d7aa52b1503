"""The merged stack of the selected thread: native frames, with the Python frames that each runs."""

from bisect import bisect_right

from .calls import MAX_SEARCH, Calls
from .nesting import innermost_first
from .owners import Owners
from .unwind import Tables

# The function of the eval loop; compilers split off a `.cold` part.
EVAL = "_PyEval_EvalFrameDefault"


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

    def __init__(self, debugger, runtime, thread):
        self.debugger = debugger
        self.runtime = runtime
        tables = Tables(debugger, runtime.memory)
        self.natives = tables.frames()
        self.states = Owners(debugger, runtime, EVAL).states_of(thread)
        if not self.states:
            self.states = self._states_by_stack()
        if len(self.states) > 1:
            self.states = innermost_first(runtime.memory, self.states, runtime.runs, self._loop_ranges())
        self.calls = Calls(debugger, runtime, tables, self.natives, self.states)
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
        starts = [start for start, _, _ in ranges]
        by_level = {}
        loose = []
        anchored = [run for run in runs if run and run[0].anchor]
        for run in anchored:
            native = _containing(starts, ranges, run[0].anchor)
            if native is None:
                loose.append(run)
            else:
                by_level.setdefault(native.level, []).extend(run)
        plain = [run for run in runs if run and not run[0].anchor]
        loops = [native for native in self.natives if _is_loop(native) and native.level not in by_level]
        for native, run in zip(loops, plain):
            by_level[native.level] = run
        loose += plain[len(loops) :]
        entries = []
        segment = []
        for native in self.natives:
            frames = by_level.get(native.level)
            if frames is None:
                segment.append(native)
                continue
            entries += self._notes(segment, frames[0])
            entries.append(Entry(native, frames, None))
            segment = []
        return entries + self._notes(segment, None) + [Entry(None, run, None) for run in loose]

    def _notes(self, natives, frame):
        return [Entry(native, [], text) for native, text in self.calls.notes(natives, frame, self.runtime.text)]

    def _loop_ranges(self):
        """(start, end) of each eval loop's part of the stack, with that of what it calls, innermost first."""
        natives = [native for native in self.natives if not native.is_inline]
        around = zip([None] + natives, natives, natives[1:])
        return [((inner or own).sp, outer.sp) for inner, own, outer in around if _is_loop(own)]

    def _ranges(self):
        """(start, end, native) of what each native frame has of the stack, by address."""
        ranges = []
        for native, outer in zip(self.natives, self.natives[1:]):
            # An inlined function shares the frame of the one it is inlined into.
            if outer.sp > native.sp:
                ranges.append((native.sp, outer.sp, native))
        # Of the outermost frame the end is not known; it may be an eval loop, where the debugger could not go on.
        last = self.natives[-1] if self.natives else None
        if last is not None and (not last.name or last.name.startswith(EVAL)):
            ranges.append((last.sp, last.sp + MAX_SEARCH, last))
        # A thread on another stack, as in a signal handler, goes on at any address.
        return sorted(ranges, key=lambda each: each[0])


def _is_loop(native):
    return bool(native.name) and native.name.startswith(EVAL) and not native.is_inline


def _containing(starts, ranges, address):
    index = bisect_right(starts, address) - 1
    return ranges[index][2] if index >= 0 and address < ranges[index][1] else None
