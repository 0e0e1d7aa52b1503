#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x10
#: access: read
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: title: null-deref *: the argument `counter` of crashext_add
#: build: cc -g -O0 -fPIC -shared -fno-stack-protector -I{include} -o {out}/crashext.so native/crashext.c
#: frame: count @crash
#: frame: <module> @main
#: native: crashext_add in crashext.so
#: native: crashext_null_deref in crashext.so
#: argument: count words = ['one', 'two']
#: local: count total = 2
"""A C extension writes to a field of a null struct pointer, at offset 0x10."""

import crashext
import oracle


def count(words):
    total = len(words)
    oracle.record()
    crashext.null_deref(total)  #@crash
    return total


count(["one", "two"])  #@main
