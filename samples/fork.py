#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: process: child
#: ends: exit 3
#: thread: main
#: finding: null-deref certain
#: frame: work @crash
#: frame: spawn @work
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: argument: work job = 'resize'
#: local: spawn pid = 0
"""A child made by os.fork crashes; the parent notices and exits with 3."""

import os
import sys
from ctypes import memset

import oracle


def work(job):
    oracle.record()
    memset(0, 0, 1)  #@crash


def spawn(job):
    pid = os.fork()
    if pid == 0:
        work(job)  #@work
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


sys.exit(3 if spawn("resize") else 0)  #@main
