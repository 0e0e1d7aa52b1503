#: signal: SIGABRT
#: code: SI_TKILL
#: ends: signal SIGABRT
#: thread: main
#: stderr: bad trailing pad byte
#: finding: debug-allocator certain
#: command: env PYTHONMALLOC=debug {python} {sample}
#: build: cc -g -O0 -w -fPIC -shared -pthread -I{include} -o {out}/findext.so native/findext.c
#: frame: append @crash
#: frame: <module> @main
#: native: *abort in libc.so.6
#: native: findext_write_behind in findext.so
#: argument: append byte = 7
"""A C extension writes one byte behind a block of memory; Python's debug allocator notices when it is freed."""

import findext
import oracle


def append(byte):
    oracle.record()
    findext.write_behind(byte)  #@crash


append(7)  #@main
