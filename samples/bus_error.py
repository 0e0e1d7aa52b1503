#: signal: SIGBUS
#: code: BUS_ADRERR
#: ends: signal SIGBUS
#: thread: main
#: finding: bus-mmap certain
#: frame: first_byte @crash
#: frame: <module> @main
#: argument: first_byte size = 4096
"""A file shrinks while it is mapped: the mapping is there, but no page of the file is behind it."""

import mmap
import tempfile

import oracle


def first_byte(size):
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        view = mmap.mmap(file.fileno(), size)
        file.truncate(0)
        oracle.record()
        return view[0]  #@crash


first_byte(mmap.PAGESIZE)  #@main
