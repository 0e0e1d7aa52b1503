"""A minidump of the process, with the memory that the walk over Python's structures reads."""

import json
import os
import struct
import time

from .exceptions import describe, exceptions
from .frames import source_lines
from .layout import row_for
from .memory import Memory, Unreadable
from .runtime import Runtime
from .tasks import tasks

# src/source/streams.rs, `stream_type`.
CONTEXT_STREAM = 0x43460001
LAYOUT_STREAM = 0x43460002
SOURCES_STREAM = 0x43460004
# Streams that any minidump has (minidumpapiset.h, `MINIDUMP_STREAM_TYPE`).
THREAD_LIST = 3
MODULE_LIST = 4
MEMORY_LIST = 5
EXCEPTION = 6
SYSTEM_INFO = 7
THREAD_NAMES = 24
# PROCESSOR_ARCHITECTURE_AMD64 (winnt.h); Breakpad's number for Linux.
AMD64 = 9
LINUX = 0x8201
# A build id record: "BpEL" (minidump-common, `CvSignature::Elf`).
BUILD_ID = 0x4270454C
# CONTEXT_AMD64 with control, integer and segment registers; the length of a CONTEXT, and where its registers are (winnt.h).
CONTEXT_FLAGS = 0x100007
CONTEXT_SIZE = 1232
CONTEXT_REGISTERS = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi")
CONTEXT_REGISTERS += ("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip")
CONTEXT_FIRST = 0x78
# Signals that end a program: QUIT ILL ABRT BUS FPE SEGV SYS.
DEADLY = (3, 4, 6, 7, 8, 11, 31)
# Below its stack pointer a function may use as much (System V ABI, the red zone).
RED_ZONE = 128
# What is kept of a stack: this much at least, and at most; of all memory; of one structure of the runtime.
MIN_STACK = 16 << 10
MAX_STACK = 8 << 20
MAX_MEMORY = 512 << 20
MAX_STRUCTURE = 1 << 20
# How much of a code object is kept: more than its head, for its instructions.
CODE_HEAD = 4096
# How much of each file is kept: its headers, which tell what it is.
IMAGE_HEAD = 4096
# Lines around the current one of a frame that are kept.
SOURCE_LINES = 3


class Recording:
    """The memory that was read, by address."""

    def __init__(self, read):
        self._read = read
        self._pieces = {}
        self.size = 0

    def read(self, address, size):
        data = self._read(address, size)
        if len(self._pieces.get(address, b"")) < size and self.size + size <= MAX_MEMORY:
            self._pieces[address] = data
            self.size += size
        return data

    def ranges(self):
        """(address, bytes) of all that was read, in order; none overlap or touch."""
        start, parts, end = 0, [], 0
        for address in sorted(self._pieces):
            data = self._pieces[address]
            if parts and address <= end:
                if address + len(data) > end:
                    parts.append(data[end - address :])
                    end = address + len(data)
                continue
            if parts:
                yield start, b"".join(parts)
            start, parts, end = address, [data], address + len(data)
        if parts:
            yield start, b"".join(parts)


class File:
    """A minidump in the making: what is appended, and the directory of its streams."""

    HEADER = 32
    ROOM = 16

    def __init__(self):
        self.data = bytearray(self.HEADER + self.ROOM * 12)
        self.streams = []

    def append(self, data):
        """Where it lies in the file."""
        self.data += b"\0" * (-len(self.data) % 8)
        at = len(self.data)
        self.data += data
        return at

    def string(self, text):
        data = text.encode("utf-16-le", "replace")
        return self.append(struct.pack("<I", len(data)) + data + b"\0\0")

    def stream(self, kind, data):
        self.streams.append((kind, len(data), self.append(data)))

    def json(self, kind, value):
        self.stream(kind, json.dumps(value).encode("utf-8"))

    def finish(self):
        struct.pack_into("<4sIII", self.data, 0, b"MDMP", 0xA793, len(self.streams), self.HEADER)
        struct.pack_into("<I", self.data, 20, int(time.time()) & 0xFFFFFFFF)
        for index, entry in enumerate(self.streams):
            struct.pack_into("<III", self.data, self.HEADER + index * 12, *entry)
        return bytes(self.data)


class Captured:
    """One native thread: its registers by name, and the part of its stack that is kept."""

    def __init__(self, tid, name, registers, pointer, siginfo, stack):
        self.tid = tid
        self.name = name
        self.registers = registers
        self.pointer = pointer
        self.siginfo = siginfo
        self.stack = stack


def write_dump(debugger, known, path):
    """Writes a minidump to a file that must not exist; `known` is the runtime. Returns (threads, bytes of memory)."""
    recording = Recording(debugger.read)
    memory = Memory(recording.read)
    memory.is_pieces = known.memory.is_pieces
    runtime = Runtime(memory, known.layout)
    sources = _walk(runtime)
    threads = []
    for thread in debugger.threads():
        threads.append(debugger.on_thread(thread, lambda thread=thread: _captured(debugger, memory, thread)))
    for start, _, _, _ in debugger.modules():
        memory.prefix(start, IMAGE_HEAD)
    data = _file(debugger, runtime, recording, threads, sources)
    # Memory of a process may hold secrets: for the owner alone.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(data)
    return len(threads), recording.size


def _walk(runtime):
    """Reads all that the commands of this helper show; the source lines of the frames."""
    sources = {}
    memory = runtime.memory
    sizes = runtime.layout.offsets
    memory.prefix(runtime.layout.runtime, min(sizes.get("runtime.size", 0), MAX_STRUCTURE))
    for interpreter in runtime.interpreters():
        memory.prefix(interpreter.address, min(sizes.get("interpreter.size", 0), MAX_STRUCTURE))
        runtime.thread_names(interpreter)
        frames = []
        for state in interpreter.threads:
            memory.prefix(state.address, max(sizes.get("thread.size", 0), sizes.get("thread_impl.size", 0)))
            runtime.kernel_id(state)
            frames += [frame for run in runtime.runs(state.address) for frame in run]
            for _, obj in exceptions(runtime, state.address):
                for _ in describe(runtime, obj):
                    pass
        for task in tasks(runtime, interpreter)[0]:
            frames += task.frames
        for frame in frames:
            _walk_frame(runtime, frame, sources)
        try:
            runtime.gil(interpreter)
        except Unreadable:
            pass
    runtime.hexversion()
    for info in runtime.types():
        runtime.full_name(info)
    return sources


def _walk_frame(runtime, frame, sources):
    code, line = runtime.code(frame.code), runtime.line(frame)
    if code is None:
        return
    runtime.memory.prefix(code.address, CODE_HEAD)
    for _, value in runtime.locals(frame):
        runtime.text(value)
    runtime.value_stack(frame)
    lines = source_lines(code.filename) if line else []
    for number in range(max(1, (line or 0) - SOURCE_LINES), min(len(lines), (line or 0) + SOURCE_LINES) + 1):
        sources.setdefault(code.filename, {})[str(number)] = lines[number - 1].rstrip("\r\n")


def _captured(debugger, memory, thread):
    """The selected thread."""
    registers = debugger.general_registers()
    sp = registers.get("rsp", 0)
    frames = debugger.frames()
    outermost = max([frame.sp for frame in frames] + [sp])
    start = max(sp - RED_ZONE, 0)
    data = b""
    if sp:
        wanted = min(max(outermost - start, 0) + MIN_STACK, MAX_STACK)
        data = memory.prefix(start, wanted)
        for frame in frames[:1]:
            # The code at the fault, for who disassembles it.
            memory.prefix(max(frame.pc - 64, 0), 128)
    return Captured(thread.tid, thread.name, registers, debugger.thread_pointer(), debugger.siginfo(), (start, len(data)))


def _file(debugger, runtime, recording, threads, sources):
    out = File()
    out.stream(SYSTEM_INFO, struct.pack("<HHHBBIIIIIHH24x", AMD64, 0, 0, 0, 0, 0, 0, 0, LINUX, out.string("Linux x86_64"), 0, 0))
    contexts = {thread.tid: _context(out, thread) for thread in threads}
    crashed = next((thread for thread in threads if thread.siginfo and thread.siginfo[0] in DEADLY), None)
    if crashed is not None:
        number, code, address = crashed.siginfo
        record = struct.pack("<IIQQII120x", number, code & 0xFFFFFFFF, 0, address, 0, 0)
        out.stream(EXCEPTION, struct.pack("<II", crashed.tid, 0) + record + struct.pack("<II", *contexts[crashed.tid]))
    rows = [_module(out, module) for module in debugger.modules()]
    out.stream(MODULE_LIST, struct.pack("<I", len(rows)) + b"".join(rows))
    names = [struct.pack("<IQ", thread.tid, out.string(thread.name)) for thread in threads if thread.name]
    out.stream(THREAD_NAMES, struct.pack("<I", len(names)) + b"".join(names))
    out.json(CONTEXT_STREAM, _process(debugger, threads, crashed, recording))
    out.json(LAYOUT_STREAM, _recorded_layout(runtime, debugger))
    if sources:
        out.json(SOURCES_STREAM, sources)
    ranges = [(start, len(data), out.append(data)) for start, data in recording.ranges()]
    rows = []
    for thread in threads:
        start, size = thread.stack
        place = next((at + start - first for first, length, at in ranges if first <= start < first + length), 0)
        rows.append(struct.pack("<IIIIQQIIII", thread.tid, 0, 0, 0, 0, start, size, place, *contexts[thread.tid]))
    out.stream(THREAD_LIST, struct.pack("<I", len(rows)) + b"".join(rows))
    out.stream(MEMORY_LIST, struct.pack("<I", len(ranges)) + b"".join(struct.pack("<QII", *piece) for piece in ranges))
    return out.finish()


def _context(out, thread):
    """(length, place) of a thread's registers; zeros where they are not known."""
    if "rip" not in thread.registers:
        return 0, 0
    context = bytearray(CONTEXT_SIZE)
    struct.pack_into("<I", context, 0x30, CONTEXT_FLAGS)
    # Segment selectors of 64-bit user code on Linux.
    struct.pack_into("<HHHHHH", context, 0x38, 0x33, 0, 0, 0, 0, 0x2B)
    struct.pack_into("<I", context, 0x44, thread.registers.get("eflags", 0) & 0xFFFFFFFF)
    for index, name in enumerate(CONTEXT_REGISTERS):
        struct.pack_into("<Q", context, CONTEXT_FIRST + index * 8, thread.registers.get(name, 0))
    return CONTEXT_SIZE, out.append(context)


def _module(out, module):
    start, size, path, build_id = module
    name = out.string(path)
    record = struct.pack("<I", BUILD_ID) + build_id if build_id else b""
    place = out.append(record) if record else 0
    return struct.pack("<QIIII52xIIII16x", start, min(size, 0xFFFFFFFF), 0, 0, name, len(record), place, 0, 0)


def _process(debugger, threads, crashed, recording):
    """What src/source/streams.rs calls `Context`. Its version is 0: what is not in the dump may be in files."""
    context = {
        "version": 0,
        "trigger": "signal" if crashed is not None else "request",
        "process": {"pid": debugger.pid(), "executable": debugger.executable() or "", "arch": "x86_64"},
        "fs_base": {str(thread.tid): thread.pointer for thread in threads if thread.pointer},
        "capture": {"bytes": recording.size, "budget_exhausted": recording.size >= MAX_MEMORY},
    }
    if crashed is not None:
        number, code, address = crashed.siginfo
        context["signal"] = {"tid": crashed.tid, "number": number, "code": code, "address": address}
    return context


def _recorded_layout(runtime, debugger):
    """What src/source/streams.rs calls `RecordedLayout`."""
    layout = runtime.layout
    offsets = dict(layout.offsets)
    row = row_for(layout.version, layout.free_threaded, layout.is_debug)
    # Of structures that this walk has no use for only the built-in row tells, if it is right in all others.
    if row is not None and all(row.offsets.get(slot, offset) == offset for slot, offset in offsets.items()):
        offsets = dict(row.offsets, **offsets)
    images = [module[0] for module in debugger.modules() if module[0] <= layout.runtime < module[0] + module[1]]
    return {
        "version_hex": layout.version,
        "debug": layout.is_debug,
        "free_threaded": layout.free_threaded,
        "runtime": layout.runtime,
        "image": images[0] if images else 0,
        "offsets": offsets,
        "provider": "dump",
        "detail": layout.source,
    }
