#: signal: SIGILL
#: code: ILL_ILLOPN
#: ends: signal SIGILL
#: thread: main
#: finding: illegal-instruction certain
#: build: cc -g -O0 -fPIC -shared -fno-stack-protector -I{include} -o {out}/crashext.so native/crashext.c
#: frame: choose @crash
#: frame: <module> @main
#: native: crashext_trap in crashext.so
#: argument: choose colour = 'red'
"""A C extension runs into the trap that the compiler put where code must not be reached."""

import crashext
import oracle


def choose(colour):
    oracle.record()
    crashext.trap()  #@crash


choose("red")  #@main
