"""Where CPython's fields are in one build, and how that build behaves."""

import re

from .memory import Unreadable
from .tables import BEHAVIOUR, DEBUG_OFFSETS, DEBUG_OFFSETS_NAMES, OFFSETS, SCHEMA

# `_Py_Debug_Cookie` (Include/internal/pycore_debug_offsets.h), where `_PyRuntime` begins from 3.13 on.
COOKIE = b"xdebugpy"
# No structure is larger; a larger offset is corrupt input.
OFFSET_LIMIT = 1 << 24


class Layout:
    """The layout of one build: offsets by `structure.field`, behaviour by name."""

    def __init__(self, version, free_threaded, runtime, offsets, behaviour, source):
        self.version = version
        self.free_threaded = free_threaded
        self.runtime = runtime
        self.offsets = offsets
        self.behaviour = behaviour
        # `ShimOwner` of `ShimOwner(3)`.
        self._variants = {name: re.split("[ (]", text)[0] for name, text in behaviour.items()}
        # Where the offsets came from, for people.
        self.source = source
        # Whether it is of a --with-pydebug build.
        self.is_debug = False
        # Whether a dump came with it.
        self.is_recorded = False

    def is_(self, name, variant):
        """Whether this build behaves in that way."""
        return self._variants.get(name) == variant

    def argument(self, name):
        """The number that a behaviour carries: 3 of `ShimOwner(3)`."""
        return int(self.behaviour.get(name, "").partition("(")[2].rstrip(")") or 0)

    def numbers(self, name):
        """All numbers that a behaviour carries, in the order in which its variant declares them."""
        return [int(number) for number in re.findall(r"-?\d+", self.behaviour.get(name, ""))]

    def name(self):
        text = version_text(self.version)
        return text + "t" if self.free_threaded else text


class Row:
    """One column of the built-in table."""

    def __init__(self, title, offsets):
        self.title = title
        self.offsets = offsets
        match = re.match(r"(\d+)\.(\d+)\.(\d+)", title)
        self.release = tuple(int(part) for part in match.groups())
        # t free-threaded, d debug.
        self.kind = title[match.end() :]


def rows():
    """The built-in table."""
    lines = [line.split() for line in OFFSETS.strip().splitlines()]
    titles = lines[0][1:]
    columns = [{} for _ in titles]
    for cells in lines[1:]:
        for column, cell in zip(columns, cells[1:]):
            if cell != "-":
                column[cells[0]] = int(cell)
    return [Row(title, column) for title, column in zip(titles, columns)]


def release_of(version):
    """(3, 12, 1) of a PY_VERSION_HEX."""
    return (version >> 24 & 0xFF, version >> 16 & 0xFF, version >> 8 & 0xFF)


def version_text(version):
    text = "%d.%d.%d" % release_of(version)
    level = {0xA: "a", 0xB: "b", 0xC: "rc"}.get(version >> 4 & 0xF)
    return text if level is None else "%s%s%d" % (text, level, version & 0xF)


def row_for(version, free_threaded, debug):
    """The offsets for a build: those of the nearest micro release at or before it, else of the nearest after it.

    A debug build has nearly all fields where a release build has them: what its own row lacks, or all where it has none,
    is as in the release row.
    """
    kind = "t" if free_threaded else ""
    row = _nearest(version, kind)
    own = _nearest(version, kind + "d") if debug else None
    if row is None or own is None:
        return own or row
    return Row(own.title, dict(row.offsets, **own.offsets))


def _nearest(version, kind):
    release = release_of(version)
    same = [row for row in rows() if row.release[:2] == release[:2] and row.kind == kind]
    same.sort(key=lambda row: row.release)
    before = [row for row in same if row.release <= release]
    return before[-1] if before else same[0] if same else None


def behaviour_of(version, free_threaded):
    """How a build of a minor version behaves; None where it is not known."""
    return BEHAVIOUR.get("%d.%d%s" % (release_of(version)[:2] + ("t" if free_threaded else "",)))


def supported():
    """The minor versions in the tables, for people."""
    known = sorted({row.release[:2] for row in rows()})
    return "3.%d to 3.%d" % (known[0][1], known[-1][1]) if len(known) > 1 else "%d.%d" % known[0]


class DebugOffsets:
    """`_Py_DebugOffsets`, the table that CPython keeps for debuggers (3.13+)."""

    def __init__(self, version, free_threaded, offsets):
        self.version = version
        self.free_threaded = free_threaded
        self.offsets = offsets


def read_debug_offsets(memory, runtime):
    """The table at the start of `_PyRuntime`; None where there is none."""
    try:
        if memory.bytes(runtime, 8) != COOKIE:
            return None
        version, free_threaded = memory.words(runtime + 8, 2)
        words = DEBUG_OFFSETS.get("%d.%d" % release_of(version)[:2], "").split()
        # Prereleases change the order of the words.
        if version & 0xF0 != 0xF0:
            words = []
        values = memory.words(runtime + 24, len(words))
    except Unreadable:
        return None
    offsets = {}
    for word, value in zip(words, values):
        name = DEBUG_OFFSETS_NAMES.get(word)
        if name and value < OFFSET_LIMIT:
            offsets[name] = value
    return DebugOffsets(version, free_threaded != 0, offsets)


def completed(own, row):
    """The offsets that a build states, completed by those of a row of nearly the same version.

    What lies between two fields that moved by the same distance moved with them; where they moved differently, it is not
    known where it is (src/layout/schema.rs, `Offsets::moved_with`).
    """
    both = {}
    for slot, offset in own.items():
        if slot in row:
            both.setdefault(slot.partition(".")[0], []).append((row[slot], offset))
    offsets = dict(own)
    for slot, at in row.items():
        if slot in own:
            continue
        pairs = both.get(slot.partition(".")[0], [])
        below = max((pair for pair in pairs if pair[0] <= at), default=None)
        above = min((pair for pair in pairs if pair[0] >= at), default=None)
        moved = {pair[1] - pair[0] for pair in (below, above) if pair is not None}
        if below is None or above is None:
            moved.add(0)
        if len(moved) == 1:
            offsets[slot] = at + moved.pop()
    return offsets


def schema(row):
    """What debug information is asked for: (slot, names of the structure, paths of the member), newest names first.

    Structures that the row of that version lacks are left out: searching for what is not there takes longest.
    """
    known = {slot.partition(".")[0] for slot in row.offsets} if row is not None else None
    for line in SCHEMA.strip().splitlines():
        slot, structures, members = line.strip().split("\t")
        if known is None or slot.partition(".")[0] in known:
            yield slot, structures.split("|"), [] if members == "-" else members.split("|")
