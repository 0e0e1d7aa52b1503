"""The instructions of a frame's code around the current one, as they are executed."""

from .frames import CODE_UNIT
from .frames import FAST_CELL, FAST_FREE
from .layout import release_of
from .tables import OPCODES

# The most bytes of code that are decoded to find where instructions begin.
MAX_BYTECODE = 16 * 1024
# The most constants and names of one code object.
MAX_CONSTANTS = 4096
# How many instructions before and after the current one.
INSTRUCTIONS_BEFORE = 8
INSTRUCTIONS_AFTER = 4


class Instruction:
    """One instruction; `kind` tells what its argument is (src/layout/opcodes.rs)."""

    def __init__(self, offset, end, name, argument, kind):
        self.offset = offset
        self.end = end
        self.name = name
        self.argument = argument
        self.kind = kind


def instructions(runtime, frame):
    """Pairs of instruction and whether it is the current one; none where that is not in the code."""
    code = runtime.code(frame.code)
    found = list(_decode(runtime, code)) if code is not None else []
    # From a call that runs in the same loop, 3.11 and 3.12 go on at the last of its caches.
    current = [index for index, one in enumerate(found) if one.offset <= frame.lasti < one.end]
    if not current:
        return []
    first = max(current[0] - INSTRUCTIONS_BEFORE, 0)
    shown = found[first : current[0] + 1 + INSTRUCTIONS_AFTER]
    return [(one, one is found[current[0]]) for one in shown]


def _opcodes(minor):
    """The instructions of one minor version by number: name, caches behind it, what its argument is."""
    # Indented where the helper is one function.
    rows = [line.strip().split("\t") for line in OPCODES.strip().splitlines()]
    return {int(row[1]): (row[2], int(row[3]), row[4]) for row in rows if row[0] == str(minor)}


def _decode(runtime, code):
    if runtime.has("code.code_adaptive"):
        # The size counts code units.
        size = runtime.size_of(code.address) * CODE_UNIT
    else:
        size = runtime.size_of(runtime.ptr(code.address, "code.bytecode"))
    data = runtime.memory.bytes(code.instructions, min(max(size, 0), MAX_BYTECODE))
    opcodes = _opcodes(release_of(runtime.layout.version)[1])
    at = 0
    extended = 0
    while at + CODE_UNIT <= len(data):
        number = data[at]
        name, caches, kind = opcodes.get(number, ("<%d>" % number, 0, "number"))
        argument = extended << 8 | data[at + 1]
        extended = argument & 0xFFFFFF if name == "EXTENDED_ARG" else 0
        end = at + CODE_UNIT * (1 + caches)
        yield Instruction(at, end, name, argument, kind)
        at = end


def meaning(runtime, frame, one):
    """What an argument stands for: a name, a constant, the target of a jump; None where it is but a number."""
    code = runtime.code(frame.code)
    kind, _, number = one.kind.replace(">>", "*").partition("*")
    number = int(number or 0)
    if kind == "const":
        return _item(runtime, code, "code.consts", one.argument, runtime.text)
    if kind == "name":
        return _item(runtime, code, "code.names", one.argument >> number, lambda name: runtime.name_or(name, "?"))
    names = [name for name, _ in code.slots]
    if kind == "local":
        return names[one.argument] if one.argument < len(names) else None
    if kind == "local-pair":
        pair = (one.argument >> 4, one.argument & 15)
        return ", ".join(names[index] for index in pair) if max(pair) < len(names) else None
    if kind == "cell":
        cells = [name for name, slot in code.slots if slot & (FAST_CELL | FAST_FREE)]
        return cells[one.argument] if one.argument < len(cells) else None
    distance = one.argument * number
    targets = {"forward": one.end + distance, "back": one.end - distance, "absolute": distance}
    return "to %d" % targets[kind] if kind in targets else None


def _item(runtime, code, field, index, show):
    items = list(runtime.tuple_items(runtime.ptr(code.address, field), MAX_CONSTANTS))
    return show(items[index]) if index < len(items) else None
