"""The layout that comes with a core that `coldframe export-core` made."""

import json

from .layout import Layout, behaviour_of
from .memory import Unreadable

# src/export/mod.rs, LAYOUT_AT and LAYOUT_MAGIC: no process has anything there.
LAYOUT_AT = 0x434600000000
LAYOUT_MAGIC = b"coldframe-layout"
# The longest layout that is read.
MAX_LAYOUT = 1 << 20


def layout_of(recorded):
    """The layout that a dump keeps (src/source/streams.rs, `RecordedLayout`); None where it is not understood."""
    try:
        version, free_threaded = recorded["version_hex"], recorded["free_threaded"]
        runtime = recorded["runtime"]
        runtime = int(runtime, 16) if isinstance(runtime, str) else runtime
        behaviour = behaviour_of(version, free_threaded)
        source = "the dump (%s)" % recorded["provider"]
        if behaviour is None:
            return None
        layout = Layout(version, free_threaded, runtime, recorded["offsets"], behaviour, source)
    except (KeyError, TypeError, ValueError):
        # A dump of another version of coldframe.
        return None
    layout.is_debug = bool(recorded.get("debug"))
    # What the walk of the capture had no use for is not in the dump, so that probing it means nothing.
    layout.is_recorded = True
    return layout


def exported_layout(memory):
    """The layout in the memory of an exported core; None in any other process."""
    try:
        if memory.bytes(LAYOUT_AT, len(LAYOUT_MAGIC)) != LAYOUT_MAGIC:
            return None
        size = memory.u32(LAYOUT_AT + len(LAYOUT_MAGIC))
        text = memory.bytes(LAYOUT_AT + len(LAYOUT_MAGIC) + 4, min(size, MAX_LAYOUT))
        return layout_of(json.loads(text.decode("utf-8")))
    except (Unreadable, ValueError):
        return None
