#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: frame: length @crash
#: frame: <lambda> @lambda
#: frame: longest @sorted
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: argument: length word = 'pear'
#: argument: longest words = ['apple', 'pear']
#: argument: <lambda> word = 'pear'
"""The key function of sorted() crashes: Python called from C code of the interpreter itself."""

from ctypes import memset

import oracle


def length(word):
    if word == "pear":
        oracle.record()
        memset(0, 0, 1)  #@crash
    return len(word)


def longest(words):
    return sorted(words, key=lambda word: -length(word))[0]  #@sorted #@lambda


longest(["apple", "pear"])  #@main
