#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: finding: finalizing likely
#: frame: close @crash
#: frame: goodbye @close
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: argument: close name = 'log'
#: argument: goodbye names = ()
"""A function registered with atexit crashes: the program's own frames are gone, the interpreter is still whole."""

import atexit
from ctypes import memset

import oracle


def close(name):
    oracle.record()
    memset(0, 0, 1)  #@crash


@atexit.register
def goodbye(*names):
    close(*(names or ("log",)))  #@close
