#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: finding: duplicate-libs likely
#: build: cc -g -O0 -fPIC -shared -o {out}/libgomp.so.1 native/gomp.c
#: build: cc -g -O0 -fPIC -shared -o {out}/libgomp-1a2b3c4d.so.1 native/gomp.c
#: frame: start @crash
#: frame: <module> @main
#: native: gomp_start in libgomp-1a2b3c4d.so.1
#: argument: start team = None
"""Two copies of one runtime library are loaded, as wheels bring them, and one of them crashes."""

import ctypes
import os
import sys

import oracle


def load(name):
    paths = [os.path.join(folder, name) for folder in sys.path]
    return ctypes.CDLL(next(path for path in paths if os.path.exists(path)))


SYSTEM, WHEEL = load("libgomp.so.1"), load("libgomp-1a2b3c4d.so.1")


def start(team):
    oracle.record()
    return WHEEL.gomp_start(team)  #@crash


start(None)  #@main
