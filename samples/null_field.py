#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x8
#: access: read
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: title: null-deref *: `item->next` in findext_follow
#: build: cc -g -O0 -w -fPIC -shared -pthread -I{include} -o {out}/findext.so native/findext.c
#: frame: last @crash
#: frame: <module> @main
#: native: findext_follow in findext.so
#: native: findext_use_last in findext.so
#: argument: last count = 2
"""A C extension follows a field of a structure that is null."""

import findext
import oracle


def last(count):
    oracle.record()
    findext.use_last()  #@crash


last(2)  #@main
