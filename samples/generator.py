#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: frame: read_lines @crash
#: frame: read_files @delegate
#: frame: <genexpr> @genexpr
#: frame: count_words @count
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: argument: read_lines name = 'b.txt'
#: local: read_lines line = 'two words'
#: argument: read_files names = ['a.txt', 'b.txt']
#: local: read_files name = 'b.txt'
#: argument: count_words names = ['a.txt', 'b.txt']
"""A crash in a generator that another generator delegates to, driven by a generator expression."""

from ctypes import memset

import oracle


def read_lines(name):
    line = "two words"
    if name == "b.txt":
        oracle.record()
        memset(0, 0, 1)  #@crash
    yield line


def read_files(names):
    for name in names:
        yield from read_lines(name)  #@delegate


def count_words(names):
    return sum(len(line.split()) for line in read_files(names))  #@genexpr #@count


count_words(["a.txt", "b.txt"])  #@main
