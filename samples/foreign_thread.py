#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: ends: signal SIGSEGV
#: thread: native
#: builds: release
#: finding: no-thread-state certain
#: build: cc -g -O0 -w -fPIC -shared -pthread -I{include} -o {out}/findext.so native/findext.c
#: other: main start @crash
#: native: *PyErr_SetString
#: native: findext_worker in findext.so
"""A thread that a C extension made calls a function of Python without PyGILState_Ensure."""

import findext
import oracle


def start(workers):
    oracle.record()
    findext.thread()  #@crash


start(1)  #@main
