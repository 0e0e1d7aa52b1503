#: signal: SIGABRT
#: code: SI_TKILL
#: ends: signal SIGABRT
#: thread: main
#: stderr: bad ID
#: finding: debug-allocator certain
#: title[>=3.9]: debug-allocator memory was given back that had been freed already
#: command: env PYTHONMALLOC=debug {python} {sample}
#: build: cc -g -O0 -w -fPIC -shared -pthread -I{include} -o {out}/findext.so native/findext.c
#: frame: drop @crash
#: frame: <module> @main
#: native: *abort in libc.so.6
#: native: findext_free_twice in findext.so
#: argument: drop key = 7
"""A C extension gives memory back twice; Python's debug allocator notices."""

import findext
import oracle


def drop(key):
    oracle.record()
    findext.free_twice()  #@crash


drop(7)  #@main
