#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: build: {python} native/make_script.py {python} script.py {out}/script.py
#: command: {out}/script.py
#: frame: work @crash
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: argument: work job = 'resize'
"""An executable script, started by its own name through its first line."""

from ctypes import memset

import oracle


def work(job):
    oracle.record()
    memset(0, 0, 1)  #@crash


work("resize")  #@main
