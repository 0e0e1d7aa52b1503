"""What lldb answers to the walk: memory, frames, symbols; its commands and summaries."""

import inspect

import lldb

from minidump import Recorded
from walk.children import children
from walk.commands import COMMANDS, run
from walk.debugger import GENERAL_REGISTERS, MAX_NATIVE, PAGE, REGISTERS, TYPES, Debugger, NativeFrame, Problem, Thread
from walk.memory import Unreadable
from walk.runtime import open_runtime

# What lldb calls functions that have no symbol.
UNNAMED = "___lldb_unnamed_symbol"
CATEGORY = "coldframe"


class Lldb(Debugger):
    """One target of lldb."""

    ends_early = True

    def __init__(self, target):
        self.target = target
        self.live = target.GetProcess()
        self._recorded = None
        # The native frames of each thread and the unwind tables of files, and of which stop they are.
        self._frames = {}
        self._tables = None
        self._stop = None

    def process(self):
        if not self.live.IsValid() or self.live.GetState() in (lldb.eStateExited, lldb.eStateDetached):
            return None
        return (self.live.GetUniqueID(), self.live.GetProcessID())

    def recorded(self):
        """What a dump of coldframe says of the process."""
        if self._recorded is None:
            # Since lldb 18; before, the process itself has to do.
            path = self.live.GetCoreFile().fullpath if hasattr(self.live, "GetCoreFile") else None
            self._recorded = Recorded(path) if path else Recorded("/dev/null")
        return self._recorded

    def recorded_layout(self):
        return self.recorded().layout

    def read(self, address, size):
        error = lldb.SBError()
        data = self.live.ReadMemory(address, size, error)
        if not error.Success() or data is None or len(data) != size:
            # Cores leave out what is in files and cannot be written; unlike gdb, lldb does not add it by itself.
            place = self.target.ResolveLoadAddress(address)
            if not place.GetSection().IsValid() or place.GetSection().GetPermissions() & lldb.ePermissionsWritable:
                raise Unreadable("%d bytes at 0x%x" % (size, address))
            error = lldb.SBError()
            data = self.target.ReadMemory(place, size, error)
        if not error.Success() or data is None or len(data) != size:
            raise Unreadable("%d bytes at 0x%x" % (size, address))
        return data

    def symbol(self, name):
        for context in self.target.FindSymbols(name):
            address = context.GetSymbol().GetStartAddress().GetLoadAddress(self.target)
            if address != lldb.LLDB_INVALID_ADDRESS:
                return address
        return 0

    def _sections(self, names):
        for module in self.target.module_iter():
            for name in names:
                section = module.FindSection(name)
                address = section.GetLoadAddress(self.target) if section.IsValid() else lldb.LLDB_INVALID_ADDRESS
                if address != lldb.LLDB_INVALID_ADDRESS:
                    yield address, address + section.GetByteSize()

    def sections(self, name):
        return [start for start, _ in self._sections((name,))]

    def writable_ranges(self):
        return list(self._sections((".data", ".bss")))

    def unwind_tables(self):
        self._forget_other_stops()
        if self._tables is None:
            self._tables = self._unwind_tables()
        return self._tables

    def _unwind_tables(self):
        tables = {}
        for module in self.target.module_iter():
            section = module.FindSection(".eh_frame_hdr")
            address = section.GetLoadAddress(self.target) if section.IsValid() else lldb.LLDB_INVALID_ADDRESS
            if address != lldb.LLDB_INVALID_ADDRESS:
                tables[module.GetFileSpec().fullpath] = address
        return tables

    def file_of(self, address):
        return self.target.ResolveLoadAddress(address).GetModule().GetFileSpec().fullpath

    def dwarf_offsets(self, schema):
        types = {}
        offsets = {}
        for slot, structures, members in schema:
            key = structures[0]
            if key not in types:
                types[key] = next((kind for kind in map(self._structure, structures) if kind is not None), None)
            kind = types[key]
            if kind is None:
                # Debug information that lacks these is none, and the rest need not be asked for.
                if key in ("pyruntimestate", "_is"):
                    return {}
                continue
            if not members:
                offsets[slot] = kind.GetByteSize()
            for member in members:
                offset = _member(kind, member.split("."))
                if offset is not None:
                    offsets[slot] = offset
                    break
        return offsets

    def _structure(self, name):
        for kind in self.target.FindTypes(name):
            kind = kind.GetCanonicalType()
            if kind.GetNumberOfFields():
                return kind
        return None

    def _thread(self):
        return self.live.GetSelectedThread()

    def frames(self):
        thread = self._thread()
        self._forget_other_stops()
        if thread.GetThreadID() not in self._frames:
            self._frames[thread.GetThreadID()] = self._unwound(thread)
        return list(self._frames[thread.GetThreadID()])

    def _forget_other_stops(self):
        if self._stop != self.live.GetStopID():
            self._stop = self.live.GetStopID()
            self._frames.clear()
            self._tables = None

    def _unwound(self, thread):
        frames = []
        for level in range(min(thread.GetNumFrames(), MAX_NATIVE)):
            frame = thread.GetFrameAtIndex(level)
            name = _named(frame.GetFunctionName())
            frames.append(NativeFrame(level, frame.GetPC(), frame.GetSP(), name, frame.IsInlined(), frame))
        # lldb 19 leaves out the function itself where its code is in several places, as that of the eval loop: then
        # what was inlined into it stands for it.
        for native, outer in zip(frames, frames[1:] + [None]):
            if native.is_inline and (outer is None or outer.sp != native.sp):
                native.is_inline = False
                native.name = self.function_name(native.pc)
        return frames

    def selected_level(self):
        return self._thread().GetSelectedFrame().GetFrameID()

    def select(self, native):
        # Frames that lldb does not know leave its selection as it is.
        if native.handle is not None:
            self._thread().SetSelectedFrame(native.level)

    def named_registers(self, native):
        values = {name: self._register(native.handle, name) for name in REGISTERS if native.handle is not None}
        return {name: value for name, value in values.items() if value is not None}

    def _register(self, frame, name):
        error = lldb.SBError()
        value = frame.FindRegister(name)
        number = value.GetValueAsUnsigned(error) if value.IsValid() else None
        return number if number is not None and error.Success() else None

    def argument(self, native, name):
        if native.handle is None:
            return 0
        value = native.handle.FindVariable(name)
        error = lldb.SBError()
        number = value.GetValueAsUnsigned(error) if value.IsValid() else 0
        return number if error.Success() else 0

    def function_name(self, pc):
        return _named(self.target.ResolveLoadAddress(pc).GetSymbol().GetName())

    def function_start(self, pc):
        symbol = self.target.ResolveLoadAddress(pc).GetSymbol()
        address = symbol.GetStartAddress().GetLoadAddress(self.target) if symbol.IsValid() else 0
        return 0 if address == lldb.LLDB_INVALID_ADDRESS else address

    def evaluate(self, expression):
        try:
            return int(expression.strip(), 0)
        except ValueError:
            pass
        frame = self._thread().GetSelectedFrame()
        value = frame.EvaluateExpression(expression) if frame.IsValid() else None
        if value is None or not value.GetError().Success():
            raise Problem("Expected an address")
        return value.GetValueAsUnsigned()

    def thread_pointer(self):
        thread = self._thread()
        known = self.recorded().thread_pointers.get(thread.GetThreadID())
        if known:
            return known
        return self._register(thread.GetFrameAtIndex(0), "fs_base") or 0

    def threads(self):
        selected = self._thread().GetThreadID()
        threads = [self.live.GetThreadAtIndex(index) for index in range(self.live.GetNumThreads())]
        return [Thread(t.GetIndexID(), t.GetThreadID(), t.GetName(), t.GetThreadID() == selected) for t in threads]

    def on_thread(self, thread, function):
        selected = self._thread()
        try:
            self.live.SetSelectedThreadByID(thread.tid)
            return function()
        finally:
            self.live.SetSelectedThread(selected)

    def general_registers(self):
        frame = self._thread().GetFrameAtIndex(0)
        values = ((name.replace("eflags", "rflags"), name) for name in GENERAL_REGISTERS)
        values = ((name, self._register(frame, spelled)) for spelled, name in values)
        return {name: value for name, value in values if value is not None}

    def siginfo(self):
        thread = self._thread()
        if thread.GetStopReason() != lldb.eStopReasonSignal:
            return None
        number = thread.GetStopReasonDataAtIndex(0)
        tid, known = self.recorded().signal
        if known is not None:
            return known if tid == thread.GetThreadID() else None
        # Since lldb 15, of a live process.
        info = thread.GetSiginfo() if hasattr(thread, "GetSiginfo") else None
        if info is None or not info.IsValid() or info.GetChildMemberWithName("si_signo").GetValueAsSigned() != number:
            return None
        code = info.GetChildMemberWithName("si_code").GetValueAsSigned()
        address = info.GetValueForExpressionPath("._sifields._sigfault.si_addr").GetValueAsUnsigned()
        return number, code, address

    def modules(self):
        for module in self.target.module_iter():
            ends = []
            for index in range(module.GetNumSections()):
                section = module.GetSectionAtIndex(index)
                start = section.GetLoadAddress(self.target)
                if start != lldb.LLDB_INVALID_ADDRESS:
                    ends.append(start + section.GetByteSize())
            start = module.GetObjectFileHeaderAddress().GetLoadAddress(self.target)
            if ends and start != lldb.LLDB_INVALID_ADDRESS and max(ends) > start:
                digits = (module.GetUUIDString() or "").replace("-", "")
                path = module.GetFileSpec().fullpath or "?"
                yield start, (max(ends) + PAGE - 1 & -PAGE) - start, path, bytes.fromhex(digits)

    def pid(self):
        return self.live.GetProcessID()

    def executable(self):
        return self.target.GetExecutable().fullpath


def _named(name):
    """The name of a function; None where lldb made it up."""
    return None if not name or name.startswith(UNNAMED) else name


def _member(kind, path):
    """The offset of a member in bytes; None where there is none."""
    for index in range(kind.GetNumberOfFields()):
        field = kind.GetFieldAtIndex(index)
        name, inner = field.GetName(), field.GetType().GetCanonicalType()
        rest = path[1:] if name == path[0] else path if not name else None
        if rest is None:
            continue
        if not rest:
            return field.GetOffsetInBytes()
        offset = _member(inner, rest)
        if offset is not None:
            return field.GetOffsetInBytes() + offset
    return None


# One for each process, because finding its layout takes a while.
_DEBUGGERS = {}


def _debugger(target):
    key = target.GetProcess().GetUniqueID()
    if key not in _DEBUGGERS:
        _DEBUGGERS.clear()
        _DEBUGGERS[key] = Lldb(target)
    return _DEBUGGERS[key]


def _command(function):
    """A command as lldb calls it."""

    def invoke(debugger, argument, context, result, internal):
        lines = []
        run(function, _debugger(debugger.GetSelectedTarget()), argument, lines.append)
        result.AppendMessage("".join(lines).rstrip("\n"))

    invoke.__doc__ = inspect.cleandoc(function.__doc__)
    return invoke


def summarize(value, internal):
    """The summary of a pointer to a Python object."""
    try:
        target = value.GetTarget()
        is_pointer = value.GetType().IsPointerType()
        if is_pointer and value.GetType().GetPointeeType().IsPointerType():
            return ""
        address = value.GetValueAsUnsigned() if is_pointer else value.GetLoadAddress()
        return open_runtime(_debugger(target)).text(address)
    except (Problem, Unreadable):
        return ""


class Children:
    """The synthetic children of a pointer to a Python object: items and attributes."""

    def __init__(self, value, internal):
        self.value = value
        self.parts = []

    def update(self):
        self.parts = []
        try:
            kind = self.value.GetType()
            # A pointer to a pointer is no object.
            if not (kind.IsPointerType() and kind.GetPointeeType().IsPointerType()):
                address = self.value.GetValueAsUnsigned() if kind.IsPointerType() else self.value.GetLoadAddress()
                self.parts = children(open_runtime(_debugger(self.value.GetTarget())), address)
        except (Problem, Unreadable):
            pass
        return False

    def num_children(self, limit=None):
        return len(self.parts)

    def has_children(self):
        return bool(self.parts)

    def get_child_index(self, name):
        return next((index for index, (known, _) in enumerate(self.parts) if known == name), -1)

    def get_child_at_index(self, index):
        if not 0 <= index < len(self.parts):
            return None
        name, address = self.parts[index]
        target = self.value.GetTarget()
        kind = target.FindFirstType("PyObject")
        kind = kind.GetPointerType() if kind.IsValid() else self.value.GetType()
        data = lldb.SBData.CreateDataFromUInt64Array(target.GetByteOrder(), target.GetAddressByteSize(), [address])
        return self.value.CreateValueFromData(name, data, kind)


def __lldb_init_module(debugger, internal):
    for name, function in COMMANDS:
        spelled = "command_" + name.replace("-", "_")
        globals()[spelled] = _command(function)
        debugger.HandleCommand("command script add -o -f %s.%s %s" % (__name__, spelled, name))
    debugger.HandleCommand("type category define %s" % CATEGORY)
    for name in TYPES:
        debugger.HandleCommand('type summary add -w %s -F %s.summarize "%s"' % (CATEGORY, __name__, name))
        debugger.HandleCommand('type synthetic add -w %s -l %s.Children "%s"' % (CATEGORY, __name__, name))
    debugger.HandleCommand("type category enable %s" % CATEGORY)
