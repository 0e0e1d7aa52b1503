#: signal: SIGSEGV
#: code: SI_KERNEL
#: ends: signal SIGSEGV
#: thread: main
#: finding: uninitialized certain
#: command: env PYTHONMALLOC=debug {python} {sample}
#: build: cc -g -O0 -w -fPIC -shared -pthread -I{include} -o {out}/findext.so native/findext.c
#: frame: first_item @crash
#: frame: <module> @main
#: native: findext_follow in findext.so
#: native: findext_use_unset in findext.so
#: argument: first_item name = 'pear'
"""A C extension follows a pointer that was never set; Python's debug allocator has filled the memory."""

import findext
import oracle


def first_item(name):
    oracle.record()
    return findext.use_unset()  #@crash


first_item("pear")  #@main
