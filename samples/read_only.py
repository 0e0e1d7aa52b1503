#: signal: SIGSEGV
#: code: SEGV_ACCERR
#: ends: signal SIGSEGV
#: thread: main
#: finding: read-only certain
#: build: cc -g -O0 -w -fPIC -shared -pthread -I{include} -o {out}/findext.so native/findext.c
#: frame: capitalize @crash
#: frame: <module> @main
#: native: findext_write_constant in findext.so
#: argument: capitalize text = 'constant'
"""A C extension writes to a string literal, which lies in memory that may only be read."""

import findext
import oracle


def capitalize(text):
    oracle.record()
    findext.write_constant()  #@crash


capitalize("constant")  #@main
