"""What gdb answers to the walk: memory, frames, symbols; its commands and pretty printers."""

import inspect
import locale
import re

import gdb

from walk.commands import COMMANDS, run
from walk.debugger import GENERAL_REGISTERS, MAX_NATIVE, PAGE, REGISTERS, TYPES, Debugger, NativeFrame, Problem, Thread
from walk.memory import Unreadable
from walk.runtime import open_runtime

# What CPython's own helper calls its pretty printer, and where it keeps it.
FOREIGN_PRINTER = "pretty_printer_lookup"
NAME = "coldframe"


class Gdb(Debugger):
    """The selected inferior of gdb."""

    def __init__(self):
        # The native frames of a thread, while the process stands still: gdb takes a minute for 50,000.
        self._frames = {}
        # By process: where the unwind tables of files are.
        self._tables = {}
        gdb.events.cont.connect(self._forget)
        gdb.events.new_objfile.connect(self._forget)

    def _forget(self, event):
        self._frames.clear()
        self._tables.clear()

    def process(self):
        inferior = gdb.selected_inferior()
        return (inferior.num, inferior.pid) if inferior.pid else None

    def read(self, address, size):
        try:
            return bytes(gdb.selected_inferior().read_memory(address, size))
        except (gdb.error, OverflowError, ValueError):
            raise Unreadable("%d bytes at 0x%x" % (size, address))

    def symbol(self, name):
        try:
            return int(gdb.parse_and_eval("(unsigned long)&%s" % name))
        except gdb.error:
            return 0

    def _sections(self):
        """(start, end, name, file) of the sections of all files; None for what is of no file."""
        try:
            listing = gdb.execute("info files", to_string=True)
        except gdb.error:
            return
        program = gdb.current_progspace().filename
        for match in re.finditer(r"(0x[0-9a-f]+) - (0x[0-9a-f]+) is (\S+)(?: in (.+))?", listing):
            start, end, name, path = match.groups()
            # Segments of a core are in the list, too, as load1 and so on.
            path = path or (program if name.startswith(".") else None)
            yield int(start, 16), int(end, 16), name, path

    def sections(self, name):
        return [start for start, _, section, _ in self._sections() if section == name]

    def writable_ranges(self):
        return [(start, end) for start, end, section, _ in self._sections() if section in (".data", ".bss", ".PyRuntime")]

    def unwind_tables(self):
        process = self.process()
        if process not in self._tables:
            found = self._sections()
            self._tables[process] = {path: start for start, _, section, path in found if section == ".eh_frame_hdr"}
        return self._tables[process]

    def file_of(self, address):
        space = gdb.current_progspace()
        return gdb.solib_name(address) or space.filename

    def dwarf_offsets(self, schema):
        types = {}
        offsets = {}
        for slot, structures, members in schema:
            key = structures[0]
            if key not in types:
                types[key] = next((kind for kind in map(_structure, structures) if kind is not None), None)
            kind = types[key]
            if kind is None:
                continue
            if not members:
                offsets[slot] = kind.sizeof
            for member in members:
                offset = _member(kind, member.split("."))
                if offset is not None:
                    offsets[slot] = offset
                    break
        return offsets

    def frames(self):
        frames = []
        try:
            frame = gdb.newest_frame()
            key = (self.process(), gdb.selected_thread().ptid, frame.pc(), int(frame.read_register("sp")))
            if key in self._frames:
                return list(self._frames[key])
            while frame is not None and len(frames) < MAX_NATIVE:
                is_inline = frame.type() == gdb.INLINE_FRAME
                sp = int(frame.read_register("sp")) & (1 << 64) - 1
                frames.append(NativeFrame(len(frames), frame.pc(), sp, frame.name(), is_inline, frame))
                frame = frame.older()
        except gdb.error:
            # The stack ends where gdb cannot unwind it.
            pass
        if frames:
            self._frames[key] = frames
        return list(frames)

    def selected_level(self):
        level = 0
        try:
            frame = gdb.selected_frame().newer()
        except gdb.error:
            return 0
        while frame is not None:
            level += 1
            frame = frame.newer()
        return level

    def select(self, native):
        native.handle.select()

    def named_registers(self, native):
        return _registers(native.handle, REGISTERS)

    def argument(self, native, name):
        try:
            value = native.handle.read_var(name)
            return 0 if value.is_optimized_out else int(value)
        except (gdb.error, ValueError, RuntimeError):
            return 0

    def function_start(self, pc):
        try:
            text = gdb.execute("info symbol 0x%x" % pc, to_string=True)
        except gdb.error:
            return 0
        match = re.match(r"\S+(?: \+ (\d+))? in section", text)
        return pc - int(match.group(1) or 0) if match else 0

    def evaluate(self, expression):
        try:
            return int(gdb.parse_and_eval(expression)) & (1 << 64) - 1
        except (gdb.error, ValueError, RuntimeError) as error:
            raise Problem("Expected an address: %s" % error)

    def thread_pointer(self):
        try:
            return int(gdb.parse_and_eval("$fs_base"))
        except (gdb.error, ValueError, RuntimeError):
            return 0

    def threads(self):
        selected = gdb.selected_thread()
        number = selected.num if selected is not None else 0
        threads = sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num)
        return [Thread(t.num, t.ptid[1] or t.ptid[2], t.name, t.num == number) for t in threads]

    def on_thread(self, thread, function):
        selected, frame = gdb.selected_thread(), _selected_frame()
        wanted = [known for known in gdb.selected_inferior().threads() if known.num == thread.number]
        try:
            for known in wanted:
                known.switch()
            return function()
        finally:
            if selected is not None:
                selected.switch()
            if frame is not None and frame.is_valid():
                frame.select()

    def general_registers(self):
        try:
            return _registers(gdb.newest_frame(), GENERAL_REGISTERS)
        except gdb.error:
            return {}

    def siginfo(self):
        try:
            info = gdb.parse_and_eval("$_siginfo")
            address = int(info["_sifields"]["_sigfault"]["si_addr"]) & (1 << 64) - 1
            return int(info["si_signo"]), int(info["si_code"]), address
        except (gdb.error, ValueError, RuntimeError):
            return None

    def modules(self):
        known = [objfile for objfile in gdb.objfiles() if objfile.is_valid() and objfile.owner is None]
        build_ids = {objfile.filename: objfile.build_id for objfile in known}
        spans = {}
        for start, end, _, path in self._sections():
            if path is not None and start:
                low, high = spans.get(path, (start, end))
                spans[path] = (min(low, start), max(high, end))
        for path, (low, high) in sorted(spans.items(), key=lambda item: item[1]):
            start = self._header(low)
            if start:
                build_id = bytes.fromhex(build_ids.get(path) or "")
                yield start, (high + PAGE - 1 & -PAGE) - start, path, build_id

    def _header(self, address):
        """Where the file begins whose first section is there: its headers come before."""
        for start in (address & -PAGE, (address & -PAGE) - PAGE):
            try:
                if self.read(start, 4) == b"\x7fELF":
                    return start
            except Unreadable:
                continue
        return 0

    def pid(self):
        return gdb.selected_inferior().pid

    def executable(self):
        return gdb.current_progspace().filename


def _registers(frame, names):
    values = {}
    for name in names:
        try:
            values[name] = int(frame.read_register(name)) & (1 << 64) - 1
        except (gdb.error, ValueError):
            continue
    return values


def _selected_frame():
    try:
        return gdb.selected_frame()
    except gdb.error:
        return None


def _structure(name):
    """A structure by its tag or typedef; None where debug information has none."""
    # A name that is not there is searched for in all files.
    spellings = (name, "struct " + name) if name.startswith("Py") else ("struct " + name, name)
    for spelled in spellings:
        try:
            kind = gdb.lookup_type(spelled).strip_typedefs()
            if kind.code == gdb.TYPE_CODE_STRUCT and kind.fields():
                return kind
        except (gdb.error, RuntimeError):
            continue
    return None


def _member(kind, path):
    """The offset of a member in bytes; None where there is none."""
    for field in kind.fields():
        if not hasattr(field, "bitpos"):
            continue
        inner = field.type.strip_typedefs()
        rest = path[1:] if field.name == path[0] else path if not field.name else None
        if rest is None:
            continue
        if not rest:
            return field.bitpos // 8
        if inner.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
            offset = _member(inner, rest)
            if offset is not None:
                return field.bitpos // 8 + offset
    return None


DEBUGGER = Gdb()
# What a command is made of, without the guard of this helper when it was loaded before.
ORIGINAL = getattr(gdb.Command, "coldframe_original", gdb.Command)


def _write(text):
    """To gdb's output; characters that the terminal lacks, escaped."""
    encoding = locale.getpreferredencoding()
    gdb.write(text.encode(encoding, "backslashreplace").decode(encoding))


class Printer:
    """Shows a pointer to a Python object as its value."""

    def __init__(self, runtime, address):
        self.runtime = runtime
        self.address = address

    def to_string(self):
        return self.runtime.text(self.address)


class Printers:
    """Finds the printer of a value."""

    name = NAME
    enabled = True
    subprinters = None

    def __call__(self, value):
        kind = value.type.unqualified()
        if kind.code == gdb.TYPE_CODE_TYPEDEF:
            kind = kind.strip_typedefs()
        if kind.code != gdb.TYPE_CODE_PTR or str(kind.target().unqualified()) not in TYPES:
            return None
        try:
            address = int(value) & (1 << 64) - 1
            runtime = open_runtime(DEBUGGER)
            runtime.encoding = locale.getpreferredencoding()
            return Printer(runtime, address)
        except (Problem, Unreadable, gdb.error):
            return None


class Command(ORIGINAL):
    """One command of the helper."""

    coldframe = True

    def __init__(self, name, function):
        self.function = function
        self.__doc__ = inspect.cleandoc(function.__doc__)
        kind = gdb.COMMAND_DATA if name in ("py-print", "py-locals", "py-repr") else gdb.COMMAND_STACK
        super().__init__(name, kind, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        remove_foreign_printers()
        try:
            run(self.function, DEBUGGER, argument, _write)
        except gdb.error as error:
            _write("%s\n" % error)


class Guard(ORIGINAL):
    """What other scripts make their commands of: CPython's own helper may be loaded after this one, and registers commands
    of the same names."""

    coldframe_original = ORIGINAL

    def __init__(self, name, *arguments, **options):
        if name in dict(COMMANDS) and not getattr(self, "coldframe", False):
            remove_foreign_printers()
            say_once()
        else:
            super().__init__(name, *arguments, **options)


def remove_foreign_printers(event=None):
    """Takes the pretty printers of CPython's own helper out; whether there were any."""
    found = False
    for place in [gdb] + list(gdb.objfiles()) + list(gdb.progspaces()):
        ours = [printer for printer in place.pretty_printers if getattr(printer, "__name__", "") != FOREIGN_PRINTER]
        if len(ours) < len(place.pretty_printers):
            place.pretty_printers = ours
            found = True
    return found


_SAID = []


def say_once():
    if not _SAID:
        _SAID.append(True)
        _write("coldframe's Python helper is used instead of the one that came with CPython\n")


PRINTERS = Printers()
if remove_foreign_printers():
    say_once()
for _name, _function in COMMANDS:
    Command(_name, _function)
gdb.pretty_printers[:] = [PRINTERS] + [p for p in gdb.pretty_printers if getattr(p, "name", None) != NAME]
gdb.Command = Guard
