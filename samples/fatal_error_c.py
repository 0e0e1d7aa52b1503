#: signal: SIGABRT
#: code: SI_TKILL
#: ends: signal SIGABRT
#: thread: main
#: stderr: row 7 of table.csv is broken
#: finding: fatal-error certain
#: title: fatal-error *: row 7 of table.csv is broken
#: build: cc -g -O0 -w -fPIC -shared -pthread -I{include} -o {out}/findext.so native/findext.c
#: frame: read @crash
#: frame: <module> @main
#: native: *abort in libc.so.6
#: native: findext_give_up in findext.so
#: argument: read row = 7
"""A C extension calls CPython's fatal error, with a format where it can."""

import findext
import oracle


def read(row):
    oracle.record()
    findext.give_up()  #@crash


read(7)  #@main
