#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x10
#: ends: signal SIGSEGV
#: thread: main
#: build: cc -g -O0 -fPIC -shared -fno-stack-protector -I{include} -o {out}/crashext.so native/crashext.c
#: frame: parse @crash
#: frame: <module> @main
#: native: crashext_add in crashext.so
#: native: crashext_raise in crashext.so
#: raised: ValueError('no digits in row 7')
#: finding: null-deref certain
#: argument: parse row = 7
"""A C extension raises an exception and crashes before it returns."""

import crashext
import oracle


def parse(row):
    oracle.record()
    crashext.raise_("no digits in row %d" % row)  #@crash


parse(7)  #@main
