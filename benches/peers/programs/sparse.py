"""A crash in a process with 10 GB of memory of which next to nothing was touched."""

import mmap

import crashext

memory = mmap.mmap(-1, 10 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory[0] = 1


def crash(amount):
    crashext.null_deref(amount)


crash(1)
