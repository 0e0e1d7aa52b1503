#: signal: SIGABRT
#: code: SI_TKILL
#: builds: release
#: ends: signal SIGABRT
#: thread: main
#: stderr: free(): invalid
#: finding: allocator-mismatch certain
#: build: cc -g -O0 -w -fPIC -shared -pthread -I{include} -o {out}/findext.so native/findext.c
#: frame: forget @crash
#: frame: <module> @main
#: native: *abort in libc.so.6
#: native: findext_free_by_libc in findext.so
#: argument: forget key = 'pear'
"""A C extension gives memory of Python's allocator to free() of the C library, which notices."""

import findext
import oracle


def forget(key):
    oracle.record()
    findext.free_by_libc()  #@crash


forget("pear")  #@main
