#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: build: cc -g -O0 -fPIC -shared -fno-stack-protector -I{include} -o {out}/crashext.so native/crashext.c
#: frame: on_event @crash
#: frame: dispatch @inner
#: frame: dispatch @outer
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: native: crashext_call in crashext.so
#: native: crashext_call in crashext.so
#: argument: on_event number = 7
#: argument: dispatch level = 7
"""A C extension calls back into Python twice over before the crash: each stretch of Python has its own run of the
interpreter loop between the extension's frames."""

from ctypes import memset

import crashext
import oracle


def on_event(number):
    oracle.record()
    memset(0, 0, 1)  #@crash


def dispatch(level):
    if level == 7:
        crashext.call(on_event)  #@inner
    else:
        crashext.call(dispatch)  #@outer


dispatch(0)  #@main
