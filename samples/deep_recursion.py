#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: stack: 8388608
#: finding: null-deref certain
#: frame: recurse @crash
#: frame: recurse @recurse *9999
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: argument: recurse depth = 0
"""A crash below 10,000 Python frames; up to 3.10 each of them also has its own frames on the C stack,
5 MB in all, which the usual 8 MB hold."""

import sys
from ctypes import memset

import oracle

sys.setrecursionlimit(11000)


def recurse(depth):
    if depth == 0:
        oracle.record()
        memset(0, 0, 1)  #@crash
    return recurse(depth - 1) + 1  #@recurse


recurse(9999)  #@main
