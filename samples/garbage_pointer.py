#: signal: SIGSEGV
#: code: SI_KERNEL
#: ends: signal SIGSEGV
#: thread: main
#: finding: noncanonical certain
#: build: cc -g -O0 -w -fPIC -shared -pthread -I{include} -o {out}/findext.so native/findext.c
#: frame: look_up @crash
#: frame: <module> @main
#: native: findext_follow in findext.so
#: native: findext_use_text in findext.so
#: argument: look_up name = 'abc'
"""A C extension follows a pointer that was overwritten with text: no memory can have such an address."""

import findext
import oracle


def look_up(name):
    oracle.record()
    return findext.use_text()  #@crash


look_up("abc")  #@main
