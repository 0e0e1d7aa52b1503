"""Frames of one thread, their code and their variables."""

import os

from .lines import line_of
from .memory import Unreadable
from .objects import HEAP_TYPE, TYPE, WORD
from .values import Values

# The most frames of one thread that are followed.
MAX_FRAMES = 200000
# The most locals of one function.
MAX_NAMES = 2000

# Include/cpython/code.h.
CO_OPTIMIZED = 1
# Bits of co_localspluskinds (Include/internal/pycore_code.h).
FAST_HIDDEN = 0x10
FAST_CELL = 0x40
FAST_FREE = 0x80
# FRAME_OWNED_BY_GENERATOR (Include/internal/pycore_frame.h).
OWNED_BY_GENERATOR = 1
# What a module consists of; its variables are the rest.
DEFINITIONS = ("module", "function", "builtin_function_or_method")
# What links the frames of a thread.
FRAME_LINKS = ("frame.previous", "frame_object.f_back")
# Bytes in a unit of bytecode.
CODE_UNIT = 2


class Code:
    """What is known of a code object (`PyCodeObject`)."""

    def __init__(self, address, name, filename, first_line, table):
        self.address = address
        self.name = name
        self.filename = filename
        self.first_line = first_line
        self.table = table
        self.flags = 0
        # Address of the first instruction, and how many run before the function's own begin.
        self.instructions = 0
        self.first_traceable = 0
        self.stacksize = 0
        # (name, kind) of each slot behind localsplus.
        self.slots = []

    def has_fast_locals(self):
        """Whether locals live in slots; those of modules and class bodies live in a namespace."""
        return self.flags & CO_OPTIMIZED != 0


class PythonFrame:
    """One frame. `anchor` is the record on the C stack of the run of the eval loop it belongs to, 0 where there is none;
    `starts_run` tells the outermost frame of a run."""

    def __init__(self, address, code, lasti, anchor, starts_run):
        self.address = address
        self.code = code
        self.lasti = lasti
        self.anchor = anchor
        self.starts_run = starts_run


class Frames(Values):
    """Frames, through the fields of the thread state."""

    def __init__(self, memory, layout):
        Values.__init__(self, memory, layout)
        self._codes = {}
        # Whether a list of frames ended where memory could not be read.
        self.is_cut = False

    # Code.

    def code(self, address):
        """The code object at `address`, read once; None where there is none."""
        if address not in self._codes:
            try:
                self._codes[address] = self._read_code(address)
            except Unreadable:
                self._codes[address] = None
        return self._codes[address]

    def _read_code(self, address):
        # What a frame executes may be another object (3.13+), or garbage.
        if not self.is_type(address, "code"):
            return None
        code = Code(
            address,
            self.name_or(self.ptr_or_null(address, "code.name"), "<unreadable>"),
            self.name_or(self.ptr_or_null(address, "code.filename"), "<unreadable>"),
            self.i32(address, "code.firstlineno"),
            self._bytes_or_none(self.ptr_or_null(address, "code.linetable")),
        )
        code.flags = self.i32(address, "code.flags")
        # Dumps of coldframe may lack it, because the analysis has no use for it.
        code.stacksize = self._i32_or(address, "code.stacksize", 0)
        if self.has("code.code_adaptive"):
            code.instructions = self.at(address, "code.code_adaptive")
        else:
            code.instructions = self.at(self.ptr(address, "code.bytecode"), "bytes.data")
        code.first_traceable = self._i32_or(address, "code.firsttraceable", 0)
        code.slots = list(self._slots(address))
        return code

    def _slots(self, address):
        if self.layout.is_("local_slots", "NamesCellsFree"):
            for field, kind in (("varnames", 0), ("cellvars", FAST_CELL), ("freevars", FAST_FREE)):
                for name in self.tuple_items(self.ptr(address, "code." + field), MAX_NAMES):
                    yield self.name_or(name, "?"), kind
        else:
            kinds = self.bytes_value(self.ptr(address, "code.localspluskinds"), MAX_NAMES)
            names = self.tuple_items(self.ptr(address, "code.localsplusnames"), MAX_NAMES)
            for index, name in enumerate(names):
                yield self.name_or(name, "?"), kinds[index] if index < len(kinds) else 0

    def _i32_or(self, base, slot, otherwise):
        try:
            return self.i32(base, slot)
        except Unreadable:
            return otherwise

    def name_or(self, obj, otherwise):
        """A str that names something, or what is to stand for one that cannot be read."""
        try:
            return self.name(obj)
        except Unreadable:
            return otherwise

    def _bytes_or_none(self, obj):
        try:
            return self.bytes_value(obj)
        except Unreadable:
            return b""

    def line(self, frame):
        """The current line of a frame; None where its instruction has none."""
        code = self.code(frame.code)
        return code and line_of(self.layout, code.table, code.first_line, frame.lasti)

    def source_line(self, frame):
        """The text of that line, where its file is at hand, without the white space around it."""
        return self.source_text(self.code(frame.code), self.line(frame))

    def source_text(self, code, number):
        lines = source_lines(code.filename) if code and number else []
        return lines[number - 1].strip() if number and 0 < number <= len(lines) else None

    # Frames.

    def runs(self, thread):
        """The runs of the eval loop of a thread state, innermost first: each a list of frames, innermost first.

        Frames that a traceback hides are left out; a run may be empty then.
        """
        if self.layout.is_("frame_root", "FrameObject"):
            return self._frame_object_runs(thread)
        return self._interpreter_frame_runs(thread)

    def _chain(self, head, slot):
        """A linked list, until null, a repetition, or what cannot be read."""
        seen = set()
        while head and head not in seen and len(seen) < MAX_FRAMES:
            seen.add(head)
            yield head
            try:
                head = self.ptr(head, slot)
            except Unreadable:
                self.is_cut = self.is_cut or slot in FRAME_LINKS
                break

    def _cframes(self, thread):
        """The records of runs on the C stack, with the frame each runs, where this build has them."""
        if not (self.layout.is_("anchors", "CFrames") or self.layout.is_("frame_root", "CFrame")):
            return []
        head = self.ptr_or_null(thread, "thread.cframe")
        has_frame = self.has("cframe.current_frame")
        return [
            (record, self.ptr_or_null(record, "cframe.current_frame") if has_frame else 0)
            for record in self._chain(head, "cframe.previous")
        ]

    def _frame_object_runs(self, thread):
        """`PyFrameObject`, linked by f_back: each is a run of its own (3.8 to 3.10)."""
        anchors = [record for record, _ in self._cframes(thread)]
        runs = []
        for index, address in enumerate(self._chain(self.ptr_or_null(thread, "thread.frame"), "frame_object.f_back")):
            anchor = anchors[index] if index < len(anchors) else 0
            runs.append([self._object_frame(address, anchor)])
        return runs

    def _object_frame(self, address, anchor):
        try:
            lasti = self.i32(address, "frame_object.f_lasti")
        except Unreadable:
            lasti = -1
        if lasti >= 0 and self.layout.is_("instruction", "UnitOffset"):
            lasti *= CODE_UNIT
        return PythonFrame(address, self.ptr_or_null(address, "frame_object.f_code"), lasti, anchor, True)

    def _interpreter_frame_runs(self, thread):
        """`_PyInterpreterFrame`, linked by `previous` (3.11+)."""
        cframes = self._cframes(thread)
        if self.layout.is_("frame_root", "CFrame"):
            head = cframes[0][1] if cframes else 0
        else:
            head = self.ptr_or_null(thread, "thread.current_frame")
        anchors = [record for record, _ in cframes] if self.layout.is_("anchors", "CFrames") else []
        shim = self.layout.argument("run_start") if self.layout.is_("run_start", "ShimOwner") else None
        runs = []
        run = []
        for address in self._chain(head, "frame.previous"):
            anchor = anchors[len(runs)] if len(runs) < len(anchors) else 0
            try:
                owner = self.u8(address, "frame.owner")
                if shim is not None and owner >= shim:
                    # The shim lies on the C stack, in the frame of the run that it starts.
                    for frame in run:
                        frame.anchor = address
                    if run:
                        run[-1].starts_run = True
                    runs.append(run)
                    run = []
                    continue
                is_entry = shim is None and self.u8(address, "frame.is_entry") != 0
            except Unreadable:
                self.is_cut = True
                break
            try:
                frame, is_hidden = self._interpreter_frame(address, anchor, owner)
            except Unreadable:
                frame, is_hidden = PythonFrame(address, 0, -1, anchor, False), True
            frame.starts_run = is_entry
            if not is_hidden:
                run.append(frame)
            if is_entry:
                runs.append(run)
                run = []
        if run:
            runs.append(run)
        return runs

    def _interpreter_frame(self, address, anchor, owner):
        """The frame, and whether tracebacks hide it (`_PyFrame_IsIncomplete`, Include/internal/pycore_frame.h)."""
        executable = self.stack_ref(self.at(address, "frame.executable"))
        code = self.code(executable)
        if code is None:
            return PythonFrame(address, executable, -1, anchor, False), True
        first = code.instructions
        if self.layout.is_("bytecode", "PerThread"):
            first = self._thread_bytecode(address, code)
        lasti = self.ptr(address, "frame.instruction") - first
        is_hidden = owner != OWNED_BY_GENERATOR and lasti < code.first_traceable * CODE_UNIT
        return PythonFrame(address, executable, lasti if abs(lasti) < 1 << 31 else -1, anchor, False), is_hidden

    def _thread_bytecode(self, address, code):
        """The copy of the instructions that a frame runs (`_PyFrame_GetBytecode`, Include/internal/pycore_interpframe.h)."""
        index = self.i32(address, "frame.tlbc_index")
        copies = self.ptr(code.address, "code.tlbc")
        if not 0 <= index < self.i64(copies, "code_array.count"):
            raise Unreadable("bytecode %d of 0x%x" % (index, code.address))
        return self.memory.u64(self.at(copies, "code_array.entries") + index * WORD)

    def stack_ref(self, at):
        """What a frame refers to at that address; 0 where it is no object.

        Tags (Include/internal/pycore_stackref.h, 3.14+): 0 owned, 1 borrowed or immortal (1 alone is null), 2 an
        error, 3 an integer.
        """
        word = self.memory.u64(at)
        if self.layout.is_("stack_refs", "Pointers"):
            return word
        return word & ~3 if word & 3 < 2 else 0

    # Variables.

    def locals(self, frame):
        """(name, address of the object) of the variables that have a value, in the order of the code object."""
        code = self.code(frame.code)
        if code is None:
            return []
        if not code.has_fast_locals():
            # Those of a comprehension that was inlined live in slots there, too (3.12+).
            return self._slot_values(frame, code) + self.namespace(frame)
        return self._slot_values(frame, code)

    def _slot_values(self, frame, code):
        found = {}
        for index, (name, kind) in enumerate(code.slots):
            try:
                value = self.stack_ref(self._slots_of(frame) + index * WORD)
                if kind & (FAST_CELL | FAST_FREE) and self.is_type(value, "cell"):
                    value = self.ptr(value, "cell.contents")
            except Unreadable:
                continue
            # Up to 3.10 an argument that an inner function uses has two slots: first an empty one, then the cell.
            if value:
                found[name] = value
            elif name not in found and not kind & FAST_HIDDEN:
                found[name] = 0
        return [(name, value) for name, value in found.items() if value]

    def _slots_of(self, frame):
        slot = "frame_object.f_localsplus" if self.layout.is_("frame_root", "FrameObject") else "frame.localsplus"
        return self.at(frame.address, slot)

    def _namespace_address(self, frame, name):
        kind = "frame_object.f_" if self.layout.is_("frame_root", "FrameObject") else "frame."
        return self.ptr(frame.address, kind + name)

    def is_module(self, frame):
        """Whether the frame runs the code of a module, whose variables are its globals."""
        code = self.code(frame.code)
        try:
            return code is not None and not code.has_fast_locals() and (
                self._namespace_address(frame, "locals") == self._namespace_address(frame, "globals")
            )
        except Unreadable:
            return False

    def namespace(self, frame):
        """(name, address of the object) of what the code of a module or a class made, save what these are made of."""
        found = []
        try:
            for key, value in self.dict_items(self._namespace_address(frame, "locals"), MAX_NAMES):
                name = self.name_or(key, "?")
                # A dump has nothing of what is not shown: it is not looked at.
                if not (name.startswith("__") and name.endswith("__")) and not self._is_definition(value):
                    found.append((name, value))
        except Unreadable:
            pass
        return found

    def _is_definition(self, value):
        try:
            info = self.type_of(value)
        except Unreadable:
            return False
        return info.has(TYPE) or not info.has(HEAP_TYPE) and info.name in DEFINITIONS

    def variable(self, frame, name):
        """(address, scope) of a variable as the function sees it; (0, None) where there is none."""
        code = self.code(frame.code)
        if code is not None and code.has_fast_locals():
            for known, value in self.locals(frame):
                if known == name:
                    return value, "local"
            scopes = ("globals", "builtins")
        else:
            scopes = ("globals", "builtins") if self.is_module(frame) else ("locals", "globals", "builtins")
        for scope in scopes:
            try:
                value = self.dict_get(self._namespace_address(frame, scope), name)
            except Unreadable:
                continue
            if value:
                return value, scope[:-1]
        return 0, None

    def value_stack(self, frame):
        """The words behind a frame's locals, topmost first: what is being computed, and what was."""
        code = self.code(frame.code)
        if code is None:
            return []
        count = min(max(code.stacksize, 0), MAX_NAMES)
        first = self._slots_of(frame) + len(code.slots) * WORD
        words = []
        for index in range(count):
            try:
                words.append(self.stack_ref(first + index * WORD))
            except Unreadable:
                break
        return words[::-1]

    # Frames as text.

    def write_frame(self, out, frame, above=()):
        """`Frame 0x…, for file a.py, line 3, in f (x=1)`."""
        code = self.code(frame.code)
        if code is None:
            out.write("Frame 0x%x (unreadable)" % frame.address)
            return
        line = self.line(frame)
        where = (frame.address, code.filename, "?" if line is None else line, code.name)
        out.write("Frame 0x%x, for file %s, line %s, in %s (" % where)
        # Those of a module are its globals, too many for one line.
        variables = [] if self.is_module(frame) else self.locals(frame)
        self._write_pairs(out, variables, "=", lambda out, name: out.write(name), above)
        out.write(")")

    def frame_of_object(self, obj):
        """The frame of a `frame` object."""
        if self.layout.is_("frame_root", "FrameObject"):
            return self._object_frame(obj, 0)
        return self.frame_at(self.ptr(obj, "frame_object.f_frame"))

    def frame_at(self, address):
        """The frame of a `_PyInterpreterFrame`; not by its owner, which a dump lacks of frames that are suspended."""
        return self._interpreter_frame(address, 0, OWNED_BY_GENERATOR)[0]

    def write_frame_object(self, out, obj, above):
        try:
            frame = self.frame_of_object(obj)
        except Unreadable:
            out.write("<frame at remote 0x%x>" % obj)
            return
        self._inside(out, obj, above, "<frame ...>", lambda out, obj, above: self.write_frame(out, frame, above))


_SOURCES = {}


def source_lines(filename):
    """The lines of a source file, with their ends; none where it is not at hand. Files of one size are read once."""
    try:
        status = os.stat(filename)
        key = (filename, status.st_mtime, status.st_size)
        if key not in _SOURCES:
            # A pipe or a terminal would block.
            if not os.path.isfile(filename) or status.st_size > 64 << 20:
                return []
            with open(filename, encoding="utf-8", errors="replace") as source:
                _SOURCES[key] = source.readlines()
        return _SOURCES[key]
    except (OSError, ValueError):
        return []
