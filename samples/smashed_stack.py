#: signal: SIGSEGV
#: code: SI_KERNEL
#: ends: signal SIGSEGV
#: thread: main
#: finding: stack-smash certain
#: build: cc -g -O0 -fPIC -shared -fno-stack-protector -I{include} -o {out}/crashext.so native/crashext.c
#: frame: parse @crash
#: frame: <module> @main
#: native: crashext_overrun in crashext.so
#: argument: parse text = 'AAAAAAAA'
"""A C extension overran a buffer on the stack, so the return address is garbage and unwinding has no next frame."""

import crashext
import oracle


def parse(text):
    oracle.record()
    crashext.smash()  #@crash


parse("AAAAAAAA")  #@main
