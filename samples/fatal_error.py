#: signal: SIGABRT
#: code: SI_TKILL
#: ends: signal SIGABRT
#: thread: main
#: stderr: Fatal Python error
#: finding: fatal-error certain
#: title[>=3.10]: fatal-error *: plugin left the interpreter in disorder
#: frame: load @crash
#: frame: <module> @main
#: native: *abort in libc.so.6
#: native: * in _ctypes.*
#: argument: load name = 'plugin'
"""CPython gives up by itself: Py_FatalError prints its message and calls abort()."""

import ctypes

import oracle

FATAL_ERROR = ctypes.pythonapi.Py_FatalError


def load(name):
    oracle.record()
    FATAL_ERROR(b"plugin left the interpreter in disorder")  #@crash


load("plugin")  #@main
