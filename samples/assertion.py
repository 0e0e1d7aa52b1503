#: signal: SIGABRT
#: code: SI_TKILL
#: ends: signal SIGABRT
#: thread: main
#: finding: assertion certain
#: stderr: Assertion `count > 0' failed
#: build: cc -g -O0 -w -fPIC -shared -pthread -I{include} -o {out}/findext.so native/findext.c
#: frame: reserve @crash
#: frame: <module> @main
#: native: *abort in libc.so.6
#: native: findext_check in findext.so
#: argument: reserve count = 0
"""An assertion in a C extension fails."""

import findext
import oracle


def reserve(count):
    oracle.record()
    return findext.check(count)  #@crash


reserve(0)  #@main
