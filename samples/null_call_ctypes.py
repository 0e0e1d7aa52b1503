#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: access: execute
#: ends: signal SIGSEGV
#: thread: main
#: pc: 0x0
#: finding: wild-call certain
#: frame: notify @crash
#: frame: <module> @main
#: native: * in libffi.so.*
#: native: * in _ctypes.*
#: argument: notify event = 'saved'
"""ctypes calls a null function pointer: the pc is 0, and the caller is libffi's hand-written assembly."""

import ctypes

import oracle

CALLBACK = ctypes.CFUNCTYPE(None)(0)


def notify(event):
    oracle.record()
    CALLBACK()  #@crash


notify("saved")  #@main
