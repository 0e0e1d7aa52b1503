#: signal: SIGILL
#: code: ILL_ILLOPN
#: ends: signal SIGILL
#: thread: main
#: finding: illegal-instruction certain
#: title: illegal-instruction * 3dnow
#: build: cc -g -O0 -w -fPIC -shared -pthread -I{include} -o {out}/findext.so native/findext.c
#: frame: scale @crash
#: frame: <module> @main
#: native: findext_use_old in findext.so
#: argument: scale factor = 1.5
"""A C extension was built for another processor: this one does not have an instruction of it."""

import findext
import oracle


def scale(factor):
    oracle.record()
    findext.use_old()  #@crash


scale(1.5)  #@main
