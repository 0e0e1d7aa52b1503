"""From `_PyRuntime` to interpreters and thread states; finding the layout that fits."""

import re

from .debugger import Problem
from .frames import Frames
from .layout import COOKIE, Layout, behaviour_of, completed, read_debug_offsets, release_of, row_for, schema, supported
from .layout import version_text
from .memory import Memory, Unreadable
from .recorded import exported_layout

# The most interpreters, and thread states of one, that are followed.
MAX_INTERPRETERS = 1000
MAX_THREADS = 20000
# Offset of `tid` in glibc's `struct pthread` (nptl/descr.h): behind the 704 bytes of tcbhead_t on x86_64.
PTHREAD_TID = 720
# Structures of `_asyncio` (src/layout/schema.rs, `EXTENSION_STRUCTURES`), a part of the interpreter or a module.
EXTENSION_STRUCTURES = ("task", "future", "future_iterator")
# What only debug builds export, all of them (Objects/object.c).
DEBUG_COUNTER = "_Py_RefTotal"
# Structures whose sizes tell whether a built-in row is that of a build: all fields need not be looked up then.
TELLING_SIZES = ("interpreter", "thread", "runtime", "frame", "frame_object", "code", "object")


class ThreadState:
    """One `PyThreadState`."""

    def __init__(self, address, interpreter, thread_id, native_thread_id):
        self.address = address
        self.interpreter = interpreter
        # pthread_self() of the thread.
        self.thread_id = thread_id
        # The kernel's id; 0 where CPython does not keep it.
        self.native_thread_id = native_thread_id


class Interpreter:
    """One `PyInterpreterState`."""

    def __init__(self, address, number):
        self.address = address
        self.number = number
        self.threads = []


class Runtime(Frames):
    """The Python runtime of a process."""

    def interpreters(self):
        """All interpreters, newest first."""
        found = []
        head = self.ptr(self.layout.runtime, "runtime.interpreters_head")
        for address in self.linked(head, "interpreter.next", MAX_INTERPRETERS):
            interpreter = Interpreter(address, self._i64_or(address, "interpreter.id", -1))
            first = self.ptr_or_null(address, "interpreter.threads_head")
            for thread in self.linked(first, "thread.next", MAX_THREADS):
                native = self._i64_or(thread, "thread.native_thread_id", 0)
                state = ThreadState(thread, interpreter, self.ptr_or_null(thread, "thread.thread_id"), native)
                interpreter.threads.append(state)
            found.append(interpreter)
        return found

    def linked(self, head, slot, limit):
        """The addresses of a linked list, at most `limit`."""
        for count, address in enumerate(self._chain(head, slot)):
            if count >= limit:
                break
            yield address

    def _i64_or(self, base, slot, otherwise):
        try:
            return self.i64(base, slot)
        except Unreadable:
            return otherwise

    def probe(self):
        """Why the layout does not fit the process; None where it does."""
        try:
            interpreters = self.interpreters()
            if not interpreters:
                return "there is no interpreter (Python has not started, or has ended)"
            main = interpreters[-1]
            if not 0 <= main.number <= 1000000:
                return "the interpreter at 0x%x has the number %d" % (main.address, main.number)
            if not main.threads:
                return "the interpreter has no thread state"
            owner = self.ptr(main.threads[0].address, "thread.interp")
            if owner != main.address:
                return "the thread state at 0x%x belongs to 0x%x" % (main.threads[0].address, owner)
            kind = self.type_address(self.ptr(main.address, "interpreter.modules"))
            if self.type_at(kind).name != "dict":
                return "sys.modules is not a dict"
            metatype = self.type_address(kind)
            if metatype != self.type_address(metatype):
                return "the type of type is not type"
        except Unreadable as error:
            return "memory cannot be read: %s" % error
        return None

    def hexversion(self):
        """sys.hexversion of the main interpreter; 0 where it cannot be found."""
        try:
            main = self.interpreters()[-1]
            value = self.dict_get(self.ptr(main.address, "interpreter.sysdict"), "hexversion")
            return self.int_value(value) or 0 if value else 0
        except (Unreadable, IndexError):
            return 0

    def gil(self, interpreter):
        """(locked, thread state that has it, or had it last) of an interpreter's GIL."""
        if self.has("interpreter.gil"):
            gil = self.ptr(interpreter.address, "interpreter.gil")
            # A free-threaded build may run without.
            if self.has("gil.enabled") and self.i32(gil, "gil.enabled") == 0:
                return False, 0
            locked, holder = self.i32(gil, "gil.locked"), self.ptr(gil, "gil.last_holder")
        else:
            runtime = self.layout.runtime
            locked, holder = self.i32(runtime, "runtime.gil_locked"), self.ptr(runtime, "runtime.gil_last_holder")
        # -1 means not created yet (Python/ceval_gil.h).
        return locked == 1, holder

    def gil_range(self, interpreter):
        """(start, end) of an interpreter's GIL: a thread that waits for an address in there waits for the GIL."""
        if self.has("interpreter.gil"):
            start = self.ptr(interpreter.address, "interpreter.gil")
        else:
            start = self.at(self.layout.runtime, "runtime.gil_locked") - self.layout.offsets["gil.locked"]
        return start, start + self.layout.offsets.get("gil.size", 0)

    def collecting(self, interpreter):
        """The address of what tells that garbage is being collected."""
        if self.has("interpreter.gc_collecting"):
            return self.at(interpreter.address, "interpreter.gc_collecting")
        return self.at(self.layout.runtime, "runtime.gc_collecting")

    def module_dict(self, interpreter, name):
        """The namespace of an imported module; 0 where it was not imported."""
        try:
            module = self.dict_get(self.ptr(interpreter.address, "interpreter.modules"), name)
            return self.ptr(module, "module.dict") if module and self.is_type(module, "module") else 0
        except Unreadable:
            return 0

    def thread_names(self, interpreter):
        """Names by pthread_self(), as the module `threading` knows them."""
        names = {}
        try:
            threading = self.module_dict(interpreter, "threading")
            active = threading and self.dict_get(threading, "_active")
            for ident, thread in self.dict_items(active) if active else ():
                for key, value in self.instance_items(thread) or ():
                    if self.name_or(key, "") == "_name":
                        names[self.int_value(ident)] = self.name_or(value, "?")
        except Unreadable:
            # Names are a courtesy.
            pass
        return names

    def kernel_id(self, state):
        """The kernel's id of a thread state's thread; 0 where it is not known."""
        if state.native_thread_id:
            return state.native_thread_id
        try:
            return self.memory.i32(state.thread_id + PTHREAD_TID) if state.thread_id else 0
        except Unreadable:
            return 0

    def states_of(self, tid, thread_pointer):
        """The thread states of one native thread; that of the interpreter it is in comes first."""
        states = [state for interpreter in self.interpreters() for state in interpreter.threads]
        # The thread pointer first: within a container the kernel's ids differ from those outside.
        if thread_pointer:
            found = [state for state in states if state.thread_id == thread_pointer]
            if found:
                return found
        return [state for state in states if tid and self.kernel_id(state) == tid]


# Layouts by process: finding one costs more than a command should.
_LAYOUTS = {}


def open_runtime(debugger):
    """The runtime of the debugger's process; raises Problem where there is none."""
    memory = Memory(debugger.read)
    process = debugger.process()
    if process is None:
        raise Problem("There is no process or core file")
    layout = _LAYOUTS.get(process)
    # A process that was started again has its runtime elsewhere, or not yet.
    if layout is None or not layout.is_recorded and Runtime(memory, layout).probe() is not None:
        layout = find_layout(debugger, memory)
        if layout is None:
            raise Problem("No Python runtime was found in this process")
        _LAYOUTS[process] = layout
    memory.is_pieces = layout.is_recorded
    return Runtime(memory, layout)


def find_layout(debugger, memory):
    """The layout of the process; None where there is no runtime. Raises Problem where nothing fits."""
    recorded = debugger.recorded_layout() or exported_layout(memory)
    if recorded is not None:
        return recorded
    reasons = []
    for runtime in _places(debugger, memory):
        for layout in _candidates(debugger, memory, runtime):
            reason = layout if isinstance(layout, str) else Runtime(memory, layout).probe()
            if reason is None:
                return layout
            reasons.append(reason)
    if reasons:
        raise Problem("No layout fits this Python: %s" % reasons[-1])
    return None


def _places(debugger, memory):
    """Where `_PyRuntime` may be: its symbol, its section (3.10+), or what its cookie tells (3.13+)."""
    seen = set()
    for ask in (lambda: [debugger.symbol("_PyRuntime")], lambda: debugger.sections(".PyRuntime")):
        for place in ask():
            if place and place not in seen:
                seen.add(place)
                yield place
    if not seen:
        for place in _cookies(debugger, memory):
            yield place


def _cookies(debugger, memory):
    for start, end in debugger.writable_ranges():
        at = start
        while at < end:
            size = min(1 << 20, end - at)
            try:
                data = memory.bytes(at, size)
            except Unreadable:
                data = b""
            found = data.find(COOKIE)
            while found >= 0:
                if (at + found) % 8 == 0:
                    yield at + found
                found = data.find(COOKIE, found + 1)
            at += size


def _version(debugger, memory, runtime):
    """`Py_Version` (3.11+), else what the name of the file states."""
    address = debugger.symbol("Py_Version")
    if address:
        try:
            version = memory.u32(address)
            if version >> 24 == 3:
                return version
        except Unreadable:
            pass
    match = re.search(r"python(\d+)\.(\d+)", (debugger.file_of(runtime) or "").rpartition("/")[2])
    return int(match.group(1)) << 24 | int(match.group(2)) << 16 | 0xF0 if match else 0


def _candidates(debugger, memory, runtime):
    """Layouts for a runtime at that address, best first; a text where there is none."""
    stated = read_debug_offsets(memory, runtime)
    version = stated.version if stated else _version(debugger, memory, runtime)
    if not version:
        yield "the version of the Python at 0x%x cannot be told" % runtime
        return
    free_threaded = stated is not None and stated.free_threaded
    behaviour = behaviour_of(version, free_threaded)
    if behaviour is None:
        yield "this is CPython %d.%d; the helper knows %s" % (release_of(version)[:2] + (supported(),))
        return
    own = stated.offsets if stated else {}
    is_debug = debugger.symbol(DEBUG_COUNTER) != 0
    row = row_for(version, free_threaded, is_debug)

    def made_of(offsets, source):
        layout = Layout(version, free_threaded, runtime, offsets, behaviour, source)
        layout.is_debug = is_debug
        return _with_exact_version(memory, layout)

    source = "_Py_DebugOffsets, completed by built-in row %s" if own else "built-in row %s"
    sizes = debugger.dwarf_offsets(_sizes(row))
    # Debug information of extension modules alone has none of these.
    if "interpreter.size" in sizes:
        # Before its final release a version still moves its fields.
        is_final = version & 0xF0 == 0xF0
        exact = made_of(completed(own, row.offsets), source) if row is not None and is_final else None
        better = row_for(exact.version, free_threaded, is_debug) if exact is not None else None
        if better is not None and better.release == release_of(exact.version) and _has_sizes(better, sizes):
            exact.offsets = completed(own, better.offsets)
            exact.source = (source + ", which the debug information confirms") % better.title
            yield exact
        dwarf = debugger.dwarf_offsets(schema(row))
        yield made_of(dict(_of_extensions(row, dwarf), **dict(dwarf, **own)), "debug information")
    if row is None:
        yield "there is no built-in layout of CPython %s" % version_text(version)
        return
    if version & 0xF0 != 0xF0:
        yield "CPython %s is a prerelease, whose layout only its debug information tells" % version_text(version)
        return
    exact = made_of(completed(own, row.offsets), source % row.title)
    better = row_for(exact.version, free_threaded, is_debug)
    exact.offsets = completed(own, better.offsets)
    exact.source = source % better.title
    yield exact


def _sizes(row):
    """What debug information is asked for first: the sizes of a few structures."""
    for slot, structures, members in schema(row):
        structure, _, field = slot.partition(".")
        if field == "size" and structure in TELLING_SIZES:
            yield slot, structures, members


def _has_sizes(row, sizes):
    """Whether a row has these sizes, and all that tell."""
    known = [name + ".size" for name in TELLING_SIZES if name + ".size" in row.offsets]
    return all(row.offsets[slot] == sizes.get(slot) for slot in known)


def _of_extensions(row, dwarf):
    """What a row says of structures of extension modules, whose debug information may be missing while CPython's is
    there. Objects of a build with --with-trace-refs begin with two more pointers."""
    known = {slot.partition(".")[0] for slot in dwarf}
    structures = set(EXTENSION_STRUCTURES) - known
    offsets = row.offsets if row is not None else {}
    head = dwarf.get("object.ob_type", 0) - offsets.get("object.ob_type", 0) if "object.ob_type" in dwarf else 0
    return {slot: offset + head for slot, offset in offsets.items() if slot.partition(".")[0] in structures}


def _with_exact_version(memory, layout):
    """Up to 3.10 only the interpreter itself knows its micro release."""
    exact = Runtime(memory, layout).hexversion()
    if release_of(exact)[:2] == release_of(layout.version)[:2]:
        layout.version = exact
    return layout
