#: signal: SIGABRT
#: code: SI_TKILL
#: ends: signal SIGABRT
#: thread: main
#: stderr: bad ID
#: finding: allocator-mismatch certain
#: title: allocator-mismatch memory was given back to another allocator*
#: command: env PYTHONMALLOC=debug {python} {sample}
#: build: cc -g -O0 -w -fPIC -shared -pthread -I{include} -o {out}/findext.so native/findext.c
#: frame: forget @crash
#: frame: <module> @main
#: native: *abort in libc.so.6
#: native: findext_free_elsewhere in findext.so
#: argument: forget key = 'pear'
"""A C extension gives memory back to another allocator than the one it came from; Python's debug allocator notices."""

import findext
import oracle


def forget(key):
    oracle.record()
    findext.free_elsewhere()  #@crash


forget("pear")  #@main
