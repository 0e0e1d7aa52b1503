"""What the file that is debugged says of the process, and lldb does not: streams of coldframe's own dumps, and the signal
of a core."""

import json
import struct

from walk.recorded import layout_of

# src/source/streams.rs, `stream_type`.
CONTEXT = 0x43460001
LAYOUT = 0x43460002
# Of program headers and notes of a core (elf(5)).
PT_NOTE = 4
NT_PRSTATUS = 1
NT_SIGINFO = 0x53494749
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


def core_signal(path):
    """(thread, (number, code, address)) of the signal that ended the process of an ELF core; (0, None) where it is none or
    does not say."""
    thread = 0
    try:
        with open(path, "rb") as core:
            head = core.read(64)
            if head[:6] != b"\x7fELF\x02\x01":
                return 0, None
            # Elf64_Ehdr: e_phoff, e_phnum; Elf64_Phdr: p_type, p_offset, p_filesz (elf(5)).
            table, count = struct.unpack_from("<Q", head, 32)[0], struct.unpack_from("<H", head, 56)[0]
            core.seek(table)
            headers = [struct.unpack("<II6Q", core.read(56)) for _ in range(count)]
            for kind, _, offset, _, _, size, _, _ in headers:
                if kind == PT_NOTE:
                    core.seek(offset)
                    notes = core.read(min(size, MAX_STREAM))
                    for kind, note in _notes(notes):
                        if kind == NT_PRSTATUS:
                            # pr_pid of struct elf_prstatus.
                            thread = struct.unpack_from("<i", note, 32)[0]
                        elif kind == NT_SIGINFO:
                            # si_signo, si_errno, si_code, padding, si_addr (siginfo_t).
                            number, _, code, _, address = struct.unpack_from("<iiiiQ", note)
                            return thread, (number, code, address)
    except (OSError, struct.error):
        pass
    return 0, None


def _notes(data):
    """(type, description) of notes (Elf64_Nhdr: lengths of name and description, type)."""
    at = 0
    while at + 12 <= len(data):
        name, size, kind = struct.unpack_from("<III", data, at)
        start = at + 12 + (name + 3 & ~3)
        yield kind, data[start : start + size]
        at = start + (size + 3 & ~3)


class Recorded:
    """The layout that capture used, and `pthread_self()` by thread, where the dump is coldframe's; the signal of a core."""

    def __init__(self, path):
        self.layout = None
        self.thread_pointers = {}
        # The thread that got the signal, and (number, code, address).
        self.signal = core_signal(path)
        known = streams(path, (CONTEXT, LAYOUT))
        try:
            self.layout = layout_of(known[LAYOUT]) if LAYOUT in known else None
            for tid, pointer in known.get(CONTEXT, {}).get("fs_base", {}).items():
                self.thread_pointers[int(tid)] = int(pointer)
            signal = known.get(CONTEXT, {}).get("signal")
            if signal:
                numbers = (int(signal["number"]), int(signal["code"]), int(signal["address"]))
                self.signal = (int(signal["tid"]), numbers)
        except (KeyError, TypeError, ValueError, AttributeError):
            # A dump of another version of coldframe; the process itself is asked then.
            pass
