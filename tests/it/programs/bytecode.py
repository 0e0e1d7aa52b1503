"""Crashes in a function that has run often enough to be specialised, and says just before what `dis` makes of it."""

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
    options = {"adaptive": True} if sys.version_info >= (3, 11) else {}
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
work(Point(), [1, 2, 3], 0, sys.argv[1])
