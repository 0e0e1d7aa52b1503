#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: finding: out-of-memory likely
#: exception: MemoryError()
#: frame: load @crash
#: frame: <module> @main
#: native: * in libc.so.6
#: argument: load size = 4611686018427387904
"""Native code crashes while the program handles a MemoryError."""

from ctypes import memset

import oracle


def load(size):
    try:
        return bytearray(size)
    except MemoryError:
        oracle.record()
        memset(0, 0, 1)  #@crash


load(1 << 62)  #@main
