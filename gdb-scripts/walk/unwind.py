"""Where functions begin, and how to leave them: the tables of unwinders, which stripped files have, too.

`.eh_frame_hdr` and `.eh_frame` (Linux Standard Base, Core, 10.6), and the instructions in there (DWARF 5, 6.4.2).
"""

import struct

from .debugger import MAX_NATIVE, NativeFrame
from .memory import Unreadable

# DW_EH_PE_…: how a pointer is written, and what it counts from.
FORMATS = {0x00: "<Q", 0x02: "<H", 0x03: "<I", 0x04: "<Q", 0x0A: "<h", 0x0B: "<i", 0x0C: "<q"}
FORMAT = 0x0F
FROM = 0x70
FROM_HERE = 0x10
# The table of `.eh_frame_hdr` as linkers write it: pairs of 4 bytes, from the section's start on.
SORTED_PAIRS = 0x3B
PAIR = 8
# Registers by their numbers in the tables (System V ABI, x86_64); the last one stands for the return address.
REGISTER_NUMBERS = {"rbx": 3, "rbp": 6, "rsp": 7, "r12": 12, "r13": 13, "r14": 14, "r15": 15, "rip": 16}
RSP, RIP = 7, 16
# DW_CFA_…: those with their first number in the upper two bits, and the others.
ADVANCE, SAVED_AT, RESTORE = 1, 2, 3
ADVANCE_1, ADVANCE_2, ADVANCE_4 = 2, 3, 4
SAVED_AT_EXTENDED, RESTORE_EXTENDED, UNDEFINED, SAME_VALUE = 5, 6, 7, 8
REMEMBER, RECALL = 0x0A, 0x0B
DEF_CFA, DEF_CFA_REGISTER, DEF_CFA_OFFSET = 0x0C, 0x0D, 0x0E
ARGUMENTS_SIZE = 0x2E
# The longest text that says what entries have.
MAX_AUGMENTATION = 16
# The most instructions of one function, and the deepest nesting of what they remember.
MAX_INSTRUCTIONS = 1 << 16
MAX_REMEMBERED = 64


class Cursor:
    """Values from memory, one behind the other."""

    def __init__(self, memory, at):
        self._memory = memory
        self.at = at

    def value(self, text):
        size = struct.calcsize(text)
        data = self._memory.bytes(self.at, size)
        self.at += size
        return struct.unpack(text, data)[0]

    def u8(self):
        return self.value("<B")

    def leb(self, is_signed=False):
        """A number in LEB128, of at most 64 bits."""
        number = shift = 0
        while shift < 64:
            byte = self.u8()
            number |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return number - (1 << shift) if is_signed and byte & 0x40 else number
        raise Unreadable("number at 0x%x" % self.at)

    def pointer(self, encoding):
        """An address, written as `encoding` says."""
        here = self.at
        text = FORMATS.get(encoding & FORMAT)
        if text is None or encoding & FROM not in (0, FROM_HERE):
            raise Unreadable("pointer at 0x%x" % here)
        number = self.value(text)
        return (number + here if encoding & FROM else number) & (1 << 64) - 1


class Tables:
    """The tables of all files of a process, each found when it is asked for."""

    def __init__(self, debugger, memory):
        self._debugger = debugger
        self._memory = memory
        self._headers = None
        self._functions = {}

    def function(self, pc):
        """The entry for `pc`; None where there is none."""
        if pc not in self._functions:
            if self._headers is None:
                self._headers = self._debugger.unwind_tables()
            header = self._headers.get(self._debugger.file_of(pc))
            self._functions[pc] = function_at(self._memory, header, pc) if header else None
        return self._functions[pc]

    def frames(self):
        """The native frames of the selected thread: those of the debugger, and those beyond, where its stack may end early, or
        goes on where there is no function."""
        found = self._debugger.frames()
        if not found or not self._debugger.ends_early:
            return found
        end = next((at for at, native in enumerate(found) if at and self.function(native.instruction()) is None), len(found))
        older = self._older_frames(found[end - 1], MAX_NATIVE - end)
        # Where a file is not at hand, the debugger may get further.
        return found[:end] + older if older and older[-1].sp > found[-1].sp else found

    def _older_frames(self, native, limit):
        """The native frames that called `native`, which is the last one that the debugger found."""
        found = []
        known = self._debugger.named_registers(native)
        registers = {number: known[name] for name, number in REGISTER_NUMBERS.items() if name in known}
        pc = native.instruction()
        while len(found) < limit:
            function = self.function(pc)
            try:
                caller = function.caller(self._memory, registers, pc) if function is not None else {}
            except (Unreadable, KeyError):
                break
            # Stacks grow downwards.
            if not caller or caller[RSP] <= registers.get(RSP, 0):
                break
            registers = caller
            pc = registers[RIP] if function.is_signal_frame else registers[RIP] - 1
            level = native.level + len(found) + 1
            name = self._debugger.function_name(registers[RIP])
            found.append(NativeFrame(level, registers[RIP], registers[RSP], name, False, None))
        return found


class Function:
    """An entry of the table: `start` and `end` of its code, and the instructions that tell how to leave it."""

    def __init__(self, start, end, alignments, programs, is_signal_frame):
        self.start = start
        self.end = end
        self._code_alignment, self._data_alignment = alignments
        # (address, end) of what all functions of its kind begin with, and of its own.
        self._programs = programs
        self.is_signal_frame = is_signal_frame

    def caller(self, memory, registers, pc):
        """The registers of the caller by number, as far as the table tells; {} at the end of the stack. `pc` is in the
        instruction that is executed."""
        (base, distance), rules = self._rules(memory, pc)
        frame = (registers[base] + distance) & (1 << 64) - 1
        found = dict(registers)
        found[RSP] = frame
        found.pop(RIP, None)
        for number, rule in rules.items():
            found.pop(number, None)
            if rule is not None:
                found[number] = memory.u64(frame + rule)
        return found if found.get(RIP) else {}

    def _rules(self, memory, pc):
        """((register, distance) of the frame's end, where there the caller's registers are); a register that is lost has
        None."""
        cfa, rules = (RSP, 8), {}
        initial, remembered = {}, []
        location = self.start
        for index, (at, end) in enumerate(self._programs):
            cursor = Cursor(memory, at)
            if index:
                initial = dict(rules)
            for _ in range(MAX_INSTRUCTIONS):
                if cursor.at >= end or location > pc:
                    break
                byte = cursor.u8()
                high, low = byte >> 6, byte & 0x3F
                if high == ADVANCE:
                    location += low * self._code_alignment
                elif high == SAVED_AT:
                    rules[low] = cursor.leb() * self._data_alignment
                elif high == RESTORE:
                    _restore(rules, initial, low)
                elif byte in (ADVANCE_1, ADVANCE_2, ADVANCE_4):
                    text = {ADVANCE_1: "<B", ADVANCE_2: "<H", ADVANCE_4: "<I"}[byte]
                    location += cursor.value(text) * self._code_alignment
                elif byte == SAVED_AT_EXTENDED:
                    rules[cursor.leb()] = cursor.leb() * self._data_alignment
                elif byte == RESTORE_EXTENDED:
                    _restore(rules, initial, cursor.leb())
                elif byte == UNDEFINED:
                    rules[cursor.leb()] = None
                elif byte == SAME_VALUE:
                    rules.pop(cursor.leb(), None)
                elif byte == REMEMBER and len(remembered) < MAX_REMEMBERED:
                    remembered.append((cfa, dict(rules)))
                elif byte == RECALL and remembered:
                    cfa, rules = remembered.pop()
                elif byte == DEF_CFA:
                    cfa = cursor.leb(), cursor.leb()
                elif byte == DEF_CFA_REGISTER:
                    cfa = cursor.leb(), cfa[1]
                elif byte == DEF_CFA_OFFSET:
                    cfa = cfa[0], cursor.leb()
                elif byte == ARGUMENTS_SIZE:
                    cursor.leb()
                elif byte:
                    # Expressions: of signal frames and linkers' own code.
                    raise Unreadable("unwind instruction 0x%x at 0x%x" % (byte, cursor.at - 1))
        return cfa, rules


def _restore(rules, initial, number):
    rules.pop(number, None)
    if number in initial:
        rules[number] = initial[number]


def function_at(memory, header, pc):
    """The entry for `pc` in the table of one file, whose `.eh_frame_hdr` is at `header`; None where there is none."""
    try:
        entry = _find_entry(memory, header, pc)
        function = _read_entry(memory, entry) if entry else None
    except (Unreadable, KeyError):
        return None
    return function if function is not None and function.start <= pc < function.end else None


def _find_entry(memory, header, pc):
    """The address of the table entry of the last function that begins at or before `pc`; 0 where there is none."""
    cursor = Cursor(memory, header)
    version, frames, counted, pairs = cursor.u8(), cursor.u8(), cursor.u8(), cursor.u8()
    if version != 1 or pairs != SORTED_PAIRS:
        return 0
    cursor.pointer(frames)
    count = cursor.pointer(counted)
    low, high = 0, min(count, 1 << 24)
    while low < high:
        middle = (low + high) // 2
        if header + memory.i32(cursor.at + middle * PAIR) <= pc:
            low = middle + 1
        else:
            high = middle
    return header + memory.i32(cursor.at + (low - 1) * PAIR + 4) if low else 0


def _read_entry(memory, entry):
    cursor = Cursor(memory, entry)
    size = cursor.value("<I")
    end = cursor.at + size
    common = cursor.at
    common -= cursor.value("<I")
    alignments, encoding, is_signal_frame, program = _read_common(memory, common)
    start = cursor.pointer(encoding)
    length = cursor.pointer(encoding & FORMAT)
    skipped = cursor.leb()
    cursor.at += skipped
    return Function(start, start + length, alignments, [program, (cursor.at, end)], is_signal_frame)


def _read_common(memory, at):
    """What functions share: alignments, how pointers are written, whether it is of signal frames, and where the
    instructions are that all begin with."""
    cursor = Cursor(memory, at)
    size = cursor.value("<I")
    end = cursor.at + size
    if cursor.value("<I") != 0:
        raise Unreadable("no common unwind information at 0x%x" % at)
    version = cursor.u8()
    text = memory.c_string(cursor.at, MAX_AUGMENTATION)
    cursor.at += len(text) + 1
    alignments = cursor.leb(), cursor.leb(True)
    column = cursor.u8() if version == 1 else cursor.leb()
    if not text.startswith("z") or column != RIP:
        raise Unreadable("common unwind information at 0x%x" % at)
    size = cursor.leb()
    program = cursor.at + size
    encoding = 0
    for letter in text[1:]:
        if letter == "R":
            encoding = cursor.u8()
        elif letter == "L":
            cursor.u8()
        elif letter == "P":
            # Its value is of no interest, its length is.
            cursor.at += struct.calcsize(FORMATS[cursor.u8() & FORMAT])
    return alignments, encoding, "S" in text, (program, end)
