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
import sys
from ctypes import memset

import oracle

DECREF = ctypes.pythonapi.Py_DecRef
ROW = [1, 2]
ADDRESS = id(ROW)
oracle.record()
# A use of the variable would count up and down again, and free the object. Free-threaded builds have the owner there,
# its count, and the one that is shared, with a mark that there is no owner any more.
COUNTS = [0, 0, 3] if "t" in sys.abiflags else [0]
ctypes.memmove(ADDRESS, (ctypes.c_ssize_t * len(COUNTS))(*COUNTS), 8 * len(COUNTS))
DECREF(ctypes.c_void_p(ADDRESS))
memset(0, 0, 1)  #@crash
