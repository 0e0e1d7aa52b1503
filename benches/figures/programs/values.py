"""A crash in a frame that holds one very large value: `values.py list|str|dict|nested|cycle`."""

import ctypes
import mmap
import os
import sys
import time

GIGABYTE = 1 << 30
KEPT = []


def large_list():
    """Five gigabytes of references, of which the first ones lead to an object: the others take no memory."""
    items = mmap.mmap(-1, 5 * GIGABYTE)
    items[:8192] = id(None).to_bytes(8, "little") * 1024
    value = []
    fields = (ctypes.c_ssize_t * 3).from_address(id(value) + object.__basicsize__)
    # ob_size, ob_item, allocated (Include/cpython/listobject.h)
    address = ctypes.addressof(ctypes.c_char.from_buffer(items))
    fields[:] = [5 * GIGABYTE // 8, address, 5 * GIGABYTE // 8]
    KEPT.append(items)
    return value


def large_str():
    return "x" * (2 * GIGABYTE)


def large_dict():
    return {number: str(number) for number in range(1_000_000)}


def nested():
    value = []
    for _ in range(100_000):
        value = [value]
    return value


class Node:
    pass


def cycle():
    """A thousand objects that all know each other, and `__dict__`s that hold themselves."""
    nodes = [Node() for _ in range(1000)]
    for number, node in enumerate(nodes):
        node.next = nodes[(number + 1) % len(nodes)]
        node.all = nodes
        node.own = node.__dict__
    return nodes[0]


MAKERS = {"list": large_list, "str": large_str, "dict": large_dict, "nested": nested, "cycle": cycle}


def hold(value):
    os.write(1, b"%d\n" % time.clock_gettime_ns(time.CLOCK_MONOTONIC))
    ctypes.string_at(0)


hold(MAKERS[sys.argv[1]]())
