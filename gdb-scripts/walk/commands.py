"""The commands, as functions from a Debugger and arguments to lines of text."""

import os
import re

from .bytecode import instructions, meaning
from .debugger import Problem, Thread
from .dump import write_dump
from .exceptions import describe, exceptions
from .frames import source_lines
from .memory import Unreadable
from .owners import Owners
from .runtime import open_runtime
from .stack import EVAL, Stack
from .tasks import tasks
from .values import printable

NO_STATE = "This thread has no Python state"
CUT = "  (the memory of further frames cannot be read; of a dump, `coldframe analyze` lists them)"


class Selection:
    """The selected Python frame: one native frame may run many. It lasts as long as the native frame that was selected
    with it stays so."""

    def __init__(self):
        self.key = None
        self.index = 0


SELECTION = Selection()


def selected_thread(debugger):
    """The selected native thread; one without an id where there is none."""
    selected = [thread for thread in debugger.threads() if thread.is_selected]
    return selected[0] if selected else Thread(0, 0, None, True)


class View:
    """What one command sees: the runtime, the stack of the selected thread, the selection."""

    def __init__(self, debugger):
        self.debugger = debugger
        self.runtime = open_runtime(debugger)
        self.thread = selected_thread(debugger)
        self.stack = Stack(debugger, self.runtime, self.thread)
        if not self.stack.has_python():
            raise Problem(NO_STATE)
        self.is_cut = self.runtime.is_cut
        # (entry, python frame or None) in the order of py-bt.
        self.positions = []
        for entry in self.stack.entries:
            self.positions += [(entry, frame) for frame in entry.frames] if entry.frames else [(entry, None)]

    def _key(self):
        """What tells the selected native frame from others; a Python selection is for it alone."""
        level = self.debugger.selected_level()
        native = next((native for native in self.stack.natives if native.level == level), None)
        place = (native.level, native.sp, native.pc) if native is not None else None
        return (self.debugger.process(), self.thread.tid, place)

    def position(self):
        """The index of the selected position; where none was selected, the first at or outside of the native frame."""
        if SELECTION.key == self._key() and SELECTION.index < len(self.positions):
            return SELECTION.index
        level = self.debugger.selected_level()
        for index, (entry, _) in enumerate(self.positions):
            if entry.native is None or entry.native.level >= level:
                return index
        raise Problem("Unable to locate python frame")

    def select(self, index):
        entry, _ = self.positions[index]
        # A frame that is not tied to a native one leaves that selection as it is.
        if entry.native is not None:
            self.debugger.select(entry.native)
        SELECTION.key = self._key()
        SELECTION.index = index

    def frame(self):
        """The selected Python frame: where a built-in function is selected, the frame that called it."""
        for entry, frame in self.positions[self.position() :]:
            if frame is not None:
                return entry, frame
        raise Problem("Unable to locate python frame")

    def less(self):
        """Why something may be missing, for the end of a message."""
        return "; a dump has only what its report shows" if self.runtime.layout.is_recorded else ""

    def summary(self, index):
        """The lines of py-bt-full for one position."""
        entry, frame = self.positions[index]
        if frame is None:
            return ["#%s %s" % (entry.level(), entry.note)]
        text = self.runtime.cut(lambda out: self.runtime.write_frame(out, frame))
        return ["#%s %s" % (entry.level(), text)] + self._source(frame)

    def traceback(self, index):
        """The lines of py-bt for one position."""
        entry, frame = self.positions[index]
        if frame is None:
            return ["  %s" % entry.note]
        return ["  %s" % place(self.runtime, frame)] + self._source(frame)

    def _source(self, frame):
        line = self.runtime.source_line(frame)
        return [] if line is None else ["    %s" % line]


def place(runtime, frame):
    """`File "a.py", line 3, in f`."""
    code, line = runtime.code(frame.code), runtime.line(frame)
    if code is None:
        return "(a frame that cannot be read, at 0x%x)" % frame.address
    return 'File "%s", line %s, in %s' % (code.filename, "?" if line is None else line, code.name)


def py_bt(debugger, argument):
    """Print the Python traceback of the selected thread, most recent call first: py-bt [all]

    Built-in functions, waiting for the GIL and garbage collection are shown among the Python frames. It begins at the
    selected frame. With `all` it is of every thread, as `thread apply all py-bt` is in gdb."""
    return _tracebacks(debugger) if argument.strip() == "all" else _traceback(debugger)


def _tracebacks(debugger):
    for thread in debugger.threads():
        yield "Thread %d (%d, %r):" % (thread.number, thread.tid, thread.name or "?")
        for line in debugger.on_thread(thread, lambda: list(attempt(lambda: _traceback(debugger)))):
            yield line


def _traceback(debugger):
    view = View(debugger)
    yield "Traceback (most recent call first):"
    for index in range(view.position(), len(view.positions)):
        for line in view.traceback(index):
            yield line
    if view.is_cut:
        yield CUT


def py_bt_full(debugger, argument):
    """Print the Python traceback of the selected thread with native frame numbers, addresses and variables."""
    view = View(debugger)
    for index in range(view.position(), len(view.positions)):
        for line in view.summary(index):
            yield line
    if view.is_cut:
        yield CUT


def _numbers(argument):
    if argument and not re.match(r"\s*\d+\s*(,\s*\d+\s*)?$", argument):
        raise Problem("Expected START or START,END: line numbers")
    return [int(part) for part in argument.split(",")] if argument.strip() else []


def py_list(debugger, argument):
    """List the Python source around the current line of the selected frame: py-list [START[,END]]

    START and END are line numbers; without END, eleven lines are listed."""
    numbers = _numbers(argument)
    view = View(debugger)
    _, frame = view.frame()
    code, current = view.runtime.code(frame.code), view.runtime.line(frame)
    if code is None or current is None and not numbers:
        raise Problem("Unable to read python frame line number")
    start, end = numbers if len(numbers) == 2 else (numbers[0], numbers[0] + 10) if numbers else (current - 5, current + 5)
    start = max(start, 1)
    lines = source_lines(code.filename)
    if not lines:
        raise Problem("Unable to open %s" % code.filename)
    for number, line in enumerate(lines[start - 1 : end], start):
        mark = ">%d" % number if number == current else str(number)
        yield "%4s    %s" % (mark, line.rstrip("\r\n"))


def _move(debugger, step, what):
    view = View(debugger)
    index = view.position() + step
    if not 0 <= index < len(view.positions):
        raise Problem("Unable to find %s python frame" % what)
    view.select(index)
    return view.summary(index)


def py_up(debugger, argument):
    """Select the Python frame that called the selected one, and print it."""
    return _move(debugger, 1, "an older")


def py_down(debugger, argument):
    """Select the Python frame that the selected one called, and print it."""
    return _move(debugger, -1, "a newer")


def py_frame(debugger, argument):
    """Select a Python frame by its number, and print it: py-frame [N]

    Python frames are numbered from 0, the innermost, as py-bt lists them; built-in functions do not count. Without N, the
    selected frame is printed."""
    view = View(debugger)
    if not argument.strip():
        return view.summary(view.position())
    if not argument.strip().isdigit():
        raise Problem("Expected the number of a Python frame")
    places = [index for index, (_, frame) in enumerate(view.positions) if frame is not None]
    number = int(argument)
    if number >= len(places):
        raise Problem("There are %d Python frames, from 0 on" % len(places))
    view.select(places[number])
    return view.summary(places[number])


def py_print(debugger, argument):
    """Print a variable of the selected Python frame: py-print NAME

    The name is looked for among locals, globals and builtins."""
    name = argument.strip()
    if not name:
        raise Problem("Expected the name of a variable")
    view = View(debugger)
    _, frame = view.frame()
    value, scope = view.runtime.variable(frame, name)
    yield "%s %r = %s" % (scope, name, view.runtime.text(value)) if value else "%r not found%s" % (name, view.less())


def py_locals(debugger, argument):
    """Print the variables of the selected Python frame, and of those further out in the same run of the eval loop."""
    view = View(debugger)
    entry, frame = view.frame()
    for outer in entry.frames[entry.frames.index(frame) :]:
        code = view.runtime.code(outer.code)
        yield "Locals for %s" % (code.name if code else "?")
        for name, value in view.runtime.locals(outer):
            yield "%s = %s" % (name, view.runtime.text(value))


def py_threads(debugger, argument):
    """List the Python threads of all interpreters: native thread, name, who holds the GIL, where it is."""
    runtime = open_runtime(debugger)
    natives = {thread.tid: thread for thread in debugger.threads()}
    owners = Owners(debugger, runtime, EVAL)
    known = set()
    for interpreter in reversed(runtime.interpreters()):
        try:
            locked, holder = runtime.gil(interpreter)
        except Unreadable:
            locked, holder = False, 0
        names = runtime.thread_names(interpreter)
        yield "Interpreter %d" % interpreter.number
        for state in reversed(interpreter.threads):
            tid = owners.of(state)
            native = natives.get(tid)
            known.add(tid)
            mark = "*" if native is not None and native.is_selected else " "
            number = str(native.number) if native is not None else "-"
            name = names.get(state.thread_id) or (native.name if native is not None else None) or "?"
            gil = ", holds the GIL" if locked and holder == state.address else ""
            yield "%s %-4s thread %d %r%s, %s" % (mark, number, tid, name, gil, _activity(runtime, state))
    for tid, native in sorted(natives.items()):
        if tid not in known:
            mark = "*" if native.is_selected else " "
            yield "%s %-4s thread %d %r, no Python state" % (mark, native.number, tid, native.name or "?")


def _activity(runtime, state):
    frames = [frame for run in runtime.runs(state.address) for frame in run]
    return place(runtime, frames[0]) if frames else "no Python frame"


def py_mixed_bt(debugger, argument):
    """Print native and Python frames of the selected thread as one stack, most recent call first."""
    view = View(debugger)
    entries = {entry.native.level: entry for entry in view.stack.entries if entry.native is not None}
    for native in view.stack.natives:
        entry = entries.get(native.level)
        yield "#%-3d 0x%016x in %s%s" % (native.level, native.pc, native.name or "??", " (inlined)" if native.is_inline else "")
        if entry is not None and entry.note:
            yield "     %s" % entry.note
        for frame in entry.frames if entry is not None else []:
            yield "     %s" % place(view.runtime, frame)
    for entry in view.stack.entries:
        for frame in entry.frames if entry.native is None else []:
            yield "     %s (native frame not known)" % place(view.runtime, frame)


def py_exc(debugger, argument):
    """Print the exceptions of the selected thread: the one that is being raised, and those that are being handled."""
    runtime = open_runtime(debugger)
    states = Owners(debugger, runtime, EVAL).states_of(selected_thread(debugger))
    if not states:
        raise Problem(NO_STATE)
    found = [pair for state in states for pair in exceptions(runtime, state.address)]
    for what, obj in found:
        yield "Being raised:" if what == "raising" else "Being handled:"
        for line in describe(runtime, obj):
            yield "  " + line
    if not found:
        yield "This thread neither raises nor handles an exception"


def py_tasks(debugger, argument):
    """List the asyncio tasks of all interpreters that are not done: name, coroutine, what each waits for, its frames."""
    runtime = open_runtime(debugger)
    natives = {thread.tid: thread for thread in debugger.threads()}
    owners = Owners(debugger, runtime, EVAL)
    count = 0
    for interpreter in reversed(runtime.interpreters()):
        threads = {}
        for state in interpreter.threads:
            threads[state.address] = threads[state.thread_id] = natives.get(owners.of(state))
        found, is_cut = tasks(runtime, interpreter)
        count += len(found)
        for task in found:
            yield _task_line(task, threads)
            for frame in task.frames:
                yield "  %s" % place(runtime, frame)
        if is_cut:
            yield "Interpreter %d may have more tasks than these" % interpreter.number
    if not count:
        yield "There are no asyncio tasks that are not done"


def _task_line(task, threads):
    text = "%s (%s)" % (task.name or "a task without a name", task.coroutine or "?")
    if task.runner:
        native = threads.get(task.runner)
        return text + (", running in thread %s" % native.number if native is not None else ", running")
    if not task.is_waiting and not task.awaiting:
        return text + ", ready to run"
    return text + (", waiting for %s" % ", ".join(task.awaiting) if task.awaiting else ", waiting")


def py_repr(debugger, argument):
    """Print the Python object at an address: py-repr ADDRESS

    For builds without debug information, where the debugger does not know that something is a PyObject *."""
    address = debugger.evaluate(argument)
    runtime = open_runtime(debugger)
    yield runtime.text(address)


def py_dis(debugger, argument):
    """Print the instructions of the selected Python frame around the current one, as they are executed.

    Specialised and instrumented forms have their own names."""
    view = View(debugger)
    _, frame = view.frame()
    try:
        found = instructions(view.runtime, frame)
    except Unreadable:
        raise Problem("The bytecode cannot be read" + view.less())
    if not found:
        raise Problem("The current instruction is not known")
    for one, is_current in found:
        number = "" if one.kind == "none" else str(one.argument)
        known = meaning(view.runtime, frame, one)
        text = "%s %5d %-30s %s" % (">" if is_current else " ", one.offset, one.name, number)
        yield text.rstrip() + (" (%s)" % known if known is not None else "")


def py_dump(debugger, argument):
    """Write a minidump of the process, which `coldframe analyze` reads: py-dump FILE

    It holds registers and stacks of all threads, and the memory that this helper's commands read; FILE must not exist."""
    path = argument.strip()
    if not path:
        raise Problem("Expected the name of a file")
    runtime = open_runtime(debugger)
    if runtime.layout.is_recorded:
        raise Problem("This comes from a dump already, which has more: copy that")
    try:
        threads, size = write_dump(debugger, runtime, os.path.expanduser(path))
    except OSError as error:
        raise Problem("Cannot write %s: %s" % (path, error.strerror))
    yield "Wrote %s: %d threads, %d KiB of memory; `coldframe analyze %s` reads it" % (path, threads, size >> 10, path)


def py_info(debugger, argument):
    """Print which CPython was found, and where the layout of its structures comes from."""
    runtime = open_runtime(debugger)
    layout = runtime.layout
    yield "CPython %s, _PyRuntime at 0x%x" % (layout.name(), layout.runtime)
    yield "layout: %s" % layout.source


# Every command, by its name.
COMMANDS = [
    ("py-bt", py_bt),
    ("py-bt-full", py_bt_full),
    ("py-list", py_list),
    ("py-up", py_up),
    ("py-down", py_down),
    ("py-frame", py_frame),
    ("py-print", py_print),
    ("py-locals", py_locals),
    ("py-threads", py_threads),
    ("py-mixed-bt", py_mixed_bt),
    ("py-exc", py_exc),
    ("py-tasks", py_tasks),
    ("py-dis", py_dis),
    ("py-repr", py_repr),
    ("py-dump", py_dump),
    ("py-info", py_info),
]


def attempt(command):
    """The lines of a command; whatever goes wrong becomes one line."""
    try:
        for line in command():
            yield line
    except Problem as problem:
        yield str(problem)
    except Unreadable as error:
        yield "Memory cannot be read: %s" % error


def run(command, debugger, argument, write):
    """Runs a command."""
    for line in attempt(lambda: command(debugger, argument or "")):
        write(printable(line) + "\n")
