#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: python: <3.14
#: builds: release
#: finding: null-deref certain
#: finding: negative-refcount likely
#: title: negative-refcount the variable ROW of <module> *
#: frame: <module> @crash
#: native: * in libc.so.6
#: native: * in _ctypes.*
"""A reference is given back that nobody had; without the checks of a debug build the program goes on for a while."""

import ctypes
from ctypes import memset

import oracle

DECREF = ctypes.pythonapi.Py_DecRef
ROW = [1, 2]
ADDRESS = id(ROW)
oracle.record()
# A use of the variable would count up and down again, and free the object.
ctypes.c_ssize_t.from_address(ADDRESS).value = 0
DECREF(ctypes.c_void_p(ADDRESS))
memset(0, 0, 1)  #@crash
