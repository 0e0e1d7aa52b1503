#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: python: >=3.9
#: build: cc -g -O0 -fPIC -shared -I{include} -o {out}/evalframe.so native/evalframe.c
#: frame: total @crash
#: frame: main @total
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: native: evalframe_run in evalframe.so
#: evaluator: evalframe_run in */evalframe.so
#: finding: null-deref certain
"""A crash while another function than CPython's own runs the frames."""

from ctypes import memset

import evalframe
import oracle


def total(rows):
    oracle.record()
    memset(0, 0, 1)  #@crash


def main():
    total([1, 2])  #@total


evalframe.install()
main()  #@main
