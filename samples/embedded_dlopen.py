#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: build: cc -g -O0 -I{include} -DLIBPYTHON="{libpython}" -o {out}/embed-dlopen native/embed.c -ldl
#: command: {out}/embed-dlopen embedded_dlopen
#: frame: check @crash
#: frame: handle @check
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: native: embed_request in embed-dlopen
#: native: embed_run in embed-dlopen
#: native: main in embed-dlopen
#: argument: check number = 7
#: argument: handle order = 'order 7'
#: local: handle number = 7
"""The same where the program opens libpython by itself with dlopen."""

from ctypes import memset

import oracle


def check(number):
    oracle.record()
    memset(0, 0, 1)  #@crash


def handle(order):
    number = int(order.split()[1])
    check(number)  #@check
