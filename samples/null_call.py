#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: access: execute
#: ends: signal SIGSEGV
#: thread: main
#: pc: 0x0
#: finding: wild-call certain
#: build: cc -g -O0 -fPIC -shared -fno-stack-protector -I{include} -o {out}/crashext.so native/crashext.c
#: frame: notify @crash
#: frame: <module> @main
#: native: crashext_null_call in crashext.so
#: argument: notify event = 'saved'
"""A C extension calls through a null function pointer: the pc is 0, in no module, and the caller is on the stack."""

import crashext
import oracle


def notify(event):
    oracle.record()
    crashext.null_call()  #@crash


notify("saved")  #@main
