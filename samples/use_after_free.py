#: signal: SIGSEGV
#: code: SI_KERNEL
#: ends: signal SIGSEGV
#: thread: main
#: finding: use-after-free certain
#: command: env PYTHONMALLOC=debug {python} {sample}
#: build: cc -g -O0 -w -fPIC -shared -pthread -I{include} -o {out}/findext.so native/findext.c
#: frame: read_item @crash
#: frame: <module> @main
#: native: findext_follow in findext.so
#: native: findext_use_freed in findext.so
#: argument: read_item index = 3
"""A C extension follows a pointer out of memory that it has freed; Python's debug allocator has filled that."""

import findext
import oracle


def read_item(index):
    oracle.record()
    return findext.use_freed()  #@crash


read_item(3)  #@main
