#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: frame: work @crash
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: stderr: Fatal Python error: Segmentation fault
#: finding: null-deref certain
#: argument: work job = 'resize'
"""The program enabled faulthandler after its start, so a second handler wants the same signals."""

import faulthandler
from ctypes import memset

import oracle

faulthandler.enable()


def work(job):
    oracle.record()
    memset(0, 0, 1)  #@crash


work("resize")  #@main
