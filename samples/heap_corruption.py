#: signal: SIGABRT
#: code: SI_TKILL
#: ends: signal SIGABRT
#: thread: main
#: stderr: free(): invalid pointer
#: finding: heap-corruption certain
#: frame: release @crash
#: frame: <module> @main
#: native: *abort in libc.so.6
#: native: * in libffi.so.*
#: native: * in _ctypes.*
#: argument: release count = 2
"""A pointer into the middle of a block is freed: glibc notices and calls abort(), with its reason on stderr."""

import ctypes

import oracle

LIBC = ctypes.CDLL(None)
LIBC.malloc.restype = ctypes.c_void_p
LIBC.free.argtypes = [ctypes.c_void_p]


def release(count):
    block = LIBC.malloc(64)
    oracle.record()
    LIBC.free(block + count)  #@crash


release(2)  #@main
