#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: build: cp {python} {out}/snake
#: command: env PYTHONHOME={prefix} {out}/snake {sample}
#: frame: work @crash
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: argument: work job = 'resize'
"""A copy of the Python executable under a name that does not tell what it is."""

from ctypes import memset

import oracle


def work(job):
    oracle.record()
    memset(0, 0, 1)  #@crash


work("resize")  #@main
