"""What coldframe's own dumps say of the process they were made of, beside what any minidump says."""

import json
import struct

from walk.recorded import layout_of

# src/source/streams.rs, `stream_type`.
CONTEXT = 0x43460001
LAYOUT = 0x43460002
# The most streams, and the longest one, that are read: a dump may be damaged.
MAX_STREAMS = 4096
MAX_STREAM = 64 << 20


def streams(path, wanted):
    """The JSON of some streams of a minidump, by number; {} where the file is none."""
    found = {}
    try:
        with open(path, "rb") as dump:
            # MINIDUMP_HEADER: signature, version, number of streams, where their directory is.
            signature, _, count, directory = struct.unpack("<4sIII", dump.read(16))
            if signature != b"MDMP":
                return found
            dump.seek(directory)
            entries = [struct.unpack("<III", dump.read(12)) for _ in range(min(count, MAX_STREAMS))]
            for kind, size, place in entries:
                if kind in wanted and size <= MAX_STREAM:
                    dump.seek(place)
                    found[kind] = json.loads(dump.read(size).decode("utf-8"))
    except (OSError, ValueError, struct.error):
        pass
    return found


class Recorded:
    """The layout that capture used, and `pthread_self()` by thread, where the dump is coldframe's."""

    def __init__(self, path):
        self.layout = None
        self.thread_pointers = {}
        known = streams(path, (CONTEXT, LAYOUT))
        try:
            self.layout = layout_of(known[LAYOUT]) if LAYOUT in known else None
            for tid, pointer in known.get(CONTEXT, {}).get("fs_base", {}).items():
                self.thread_pointers[int(tid)] = int(pointer)
        except (KeyError, TypeError, ValueError, AttributeError):
            # A dump of another version of coldframe; the process itself is asked then.
            pass
