#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: ends: signal SIGSEGV
#: thread: main
#: builds: release
#: finding: gil-not-held certain
#: build: cc -g -O0 -w -fPIC -shared -pthread -I{include} -o {out}/findext.so native/findext.c
#: frame: report @crash
#: frame: <module> @main
#: native: *PyErr_SetString
#: native: findext_without_gil in findext.so
#: argument: report problem = 'disk full'
"""A C extension lets go of the GIL and calls a function of Python all the same."""

import findext
import oracle


def report(problem):
    oracle.record()
    findext.without_gil()  #@crash


report("disk full")  #@main
