#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: build: {python} -m venv --without-pip {out}/venv
#: command: {out}/venv/bin/python {sample}
#: frame: work @crash
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: argument: work job = 'resize'
"""The Python of a virtual environment."""

from ctypes import memset

import oracle


def work(job):
    oracle.record()
    memset(0, 0, 1)  #@crash


work("resize")  #@main
