"""Crashes in a function that has run often enough to be specialised, and says just before what `dis` makes of it. With
names of events, these are monitored then, and `dis` says what the instructions were."""

import ctypes
import dis
import json
import sys


class Point:
    def __init__(self):
        self.x = 1


def report(code, path):
    if path is None:
        return
    options = {"adaptive": True} if sys.version_info >= (3, 11) and not sys.argv[2:] else {}
    rows = [
        (i.offset, i.opname, i.argval if isinstance(i.argval, (str, int)) else None)
        for i in dis.get_instructions(code, **options)
        if i.opname != "CACHE"
    ]
    with open(path, "w") as file:
        json.dump(rows, file)


def work(point, items, address, path):
    total = 0
    for item in items:
        total += item + point.x
        if total > 10:
            total -= len(items)
    report(work.__code__, path)
    ctypes.string_at(address)
    return total


BUFFER = ctypes.create_string_buffer(b"x")
for _ in range(200):
    work(Point(), [1, 2, 3, 4, 5, 6], ctypes.addressof(BUFFER), None)
for event in sys.argv[2:]:
    number = getattr(sys.monitoring.events, event)
    sys.monitoring.use_tool_id(1, "test") if event == sys.argv[2] else None
    sys.monitoring.register_callback(1, number, lambda *_: None)
    sys.monitoring.set_local_events(1, work.__code__, sys.monitoring.get_local_events(1, work.__code__) | number)
work(Point(), [1, 2, 3], 0, sys.argv[1])
