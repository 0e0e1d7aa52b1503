#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x8
#: access: write
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: build: cc -g -O2 -fPIC -shared -I{include} -DPyInit_varsext=PyInit_varsext2 -o {out}/varsext2.so native/varsext.c
#: frame: run @crash
#: frame: <module> @main
#: native: varsext_store in varsext2.so
#: native: varsext_fill in varsext2.so
#: native-argument: varsext_store target = 0x8
#: native-argument: varsext_store amount = 12
#: native-argument: varsext_store rate = 0.75
#: native-argument: varsext_fill items = ['a', {'k': 1.5}]
"""The same extension, compiled with optimisation: values are in registers, or what the caller passed tells them."""

import oracle
import varsext2

ITEMS = ["a", {"k": 1.5}]


def run():
    oracle.record()
    varsext2.run(ITEMS)  #@crash


run()  #@main

