#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: build: cc -g -O0 -I{include} -o {out}/embed-linked native/embed.c {embed}
#: command: {out}/embed-linked embedded_linked
#: frame: check @crash
#: frame: handle @check
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: native: embed_request in embed-linked
#: native: embed_run in embed-linked
#: native: main in embed-linked
#: argument: check number = 7
#: argument: handle order = 'order 7'
#: local: handle number = 7
"""A program with Python linked into it crashes in a Python function that it called; no file of it is called python."""

from ctypes import memset

import oracle


def check(number):
    oracle.record()
    memset(0, 0, 1)  #@crash


def handle(order):
    number = int(order.split()[1])
    check(number)  #@check
