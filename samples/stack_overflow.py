#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: ends: signal SIGSEGV
#: thread: main
#: stack: 8388608
#: finding: stack-overflow certain
#: build: cc -g -O0 -fPIC -shared -fno-stack-protector -I{include} -o {out}/crashext.so native/crashext.c
#: frame: descend @crash
#: frame: <module> @main
#: native: crashext_recurse in crashext.so *>45000
#: native: crashext_overflow in crashext.so
#: argument: descend name = 'tree'
"""A recursive C function runs off the end of the main thread's stack, some 52,000 native frames deep."""

import crashext
import oracle


def descend(name):
    oracle.record()
    crashext.overflow()  #@crash


descend("tree")  #@main
