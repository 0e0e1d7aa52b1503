#: signal: SIGABRT
#: code: SI_TKILL
#: ends: signal SIGABRT
#: thread: main
#: python: <3.14
#: builds: debug
#: stderr: negative ref count
#: finding: negative-refcount certain
#: frame: <module> @crash
#: native: *abort in libc.so.6
#: native: * in _ctypes.*
"""A debug build of Python notices that a reference is given back that nobody had."""

import ctypes

import oracle

DECREF = ctypes.pythonapi.Py_DecRef
ROW = [1, 2]
ADDRESS = id(ROW)
COUNT = ADDRESS + object.__basicsize__ - 16  # behind two pointers, where references are traced
oracle.record()
# A use of the variable would count up and down again, and free the object.
ctypes.c_ssize_t.from_address(COUNT).value = 0
DECREF(ctypes.c_void_p(ADDRESS))  #@crash
