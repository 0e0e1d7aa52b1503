#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: frame: Settings @crash
#: frame: <module> @class
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: local: Settings port = 8080
"""A crash in a class body, whose locals are a dict and not slots of the frame."""

from ctypes import memset

import oracle


class Settings:  #@class
    port = 8080
    oracle.record()
    memset(0, 0, 1)  #@crash
