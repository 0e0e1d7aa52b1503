#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: finding: finalizing likely
#: frame: __del__ @crash
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: qualname: __del__ Handle.__del__
#: argument: __del__ crash ~ <*CFunctionType object at 0x*>
"""A finaliser runs while the interpreter takes its modules apart, and crashes there."""

from ctypes import memset

import oracle


class Handle:
    # Defaults, because at that time the names of this module may be None already.
    def __del__(self, crash=memset, record=oracle.record):
        record()
        crash(0, 0, 1)  #@crash


HANDLE = Handle()
