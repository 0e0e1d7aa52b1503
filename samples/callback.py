#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: frame: compare @crash
#: frame: sort @sort
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: native: * in libffi.so.*
#: native: *qsort* in libc.so.6
#: native: * in libffi.so.*
#: native: * in _ctypes.*
#: local: compare a ~ [31]
#: local: compare b ~ [31]
"""libc's qsort calls a Python comparison that crashes: C below Python below C below Python."""

import ctypes

import oracle

LIBC = ctypes.CDLL(None)
COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))


@COMPARE
def compare(left, right):
    a, b = left[0], right[0]
    oracle.record()
    ctypes.memset(0, 0, 1)  #@crash
    return a - b


def sort(*numbers):
    array = (ctypes.c_int * len(numbers))(*numbers)
    LIBC.qsort(array, len(numbers), ctypes.sizeof(ctypes.c_int), compare)  #@sort
    return list(array)


sort(3, 1)  #@main
