#: signal: SIGABRT
#: code: SI_TKILL
#: ends: signal SIGABRT
#: thread: main
#: finding: stack-smash certain
#: stderr: stack smashing detected
#: build: cc -g -O0 -w -fPIC -shared -pthread -I{include} -o {out}/findext.so native/findext.c
#: frame: fill @crash
#: frame: <module> @main
#: native: *abort in libc.so.6
#: native: findext_fill in findext.so
#: native: findext_overrun in findext.so
#: argument: fill length = 32
"""A C extension overruns a buffer on the stack, and the stack protector notices."""

import findext
import oracle


def fill(length):
    oracle.record()
    findext.overrun()  #@crash


fill(32)  #@main
