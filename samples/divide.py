#: signal: SIGFPE
#: code: FPE_INTDIV
#: ends: signal SIGFPE
#: thread: main
#: finding: arithmetic certain
#: title: arithmetic an integer was divided by zero
#: build: cc -g -O0 -fPIC -shared -fno-stack-protector -I{include} -o {out}/crashext.so native/crashext.c
#: frame: average @crash
#: frame: <module> @main
#: native: crashext_divide in crashext.so
#: argument: average values = []
"""A C extension divides an integer by zero."""

import crashext
import oracle


def average(values):
    oracle.record()
    return crashext.divide(sum(values), len(values))  #@crash


average([])  #@main
