#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x10
#: ends: signal SIGSEGV
#: thread: main
#: stack: 134217728
#: finding: null-deref certain
#: build: cc -g -O0 -fPIC -shared -fno-stack-protector -I{include} -o {out}/crashext.so native/crashext.c
#: frame: descend @crash
#: frame: descend @descend *4999
#: frame: <module> @main
#: native: crashext_add in crashext.so
#: native: crashext_null_deref in crashext.so
#: native: crashext_call in crashext.so
#: native: crashext_call in crashext.so
#: argument: descend number = 7
"""A crash below 5,000 Python frames each of which was called by C code that Python called: a run of the interpreter
loop for each of them, whatever the version."""

import sys

import crashext
import oracle

sys.setrecursionlimit(11000)
crashext.allow_depth()
LEFT = 5000


def descend(number):
    global LEFT
    LEFT -= 1
    if LEFT == 0:
        oracle.record()
        crashext.null_deref(1)  #@crash
    crashext.call(descend)  #@descend


descend(7)  #@main
