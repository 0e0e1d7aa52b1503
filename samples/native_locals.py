#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x8
#: access: write
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: build: cc -g -O0 -fPIC -shared -I{include} -o {out}/varsext.so native/varsext.c
#: frame: run @crash
#: frame: <module> @main
#: native: varsext_store in varsext.so
#: native: inlined_store in varsext.so
#: native: varsext_fill in varsext.so
#: native: varsext_run in varsext.so
#: native-argument: varsext_store target = 0x8
#: native-argument: varsext_store amount = 12
#: native-argument: varsext_store rate = 0.75
#: native-argument: inlined_store place = 0x8
#: native-argument: inlined_store twice = 6
#: native-argument: varsext_fill items = ['a', {'k': 1.5}]
#: native-argument: varsext_fill target = 0x8
#: native-argument: varsext_fill label = "la\"bel\n"
#: native-local: varsext_fill count = 2
#: native-local: varsext_fill letter = 67 'C'
#: native-local: varsext_fill is_empty = false
#: native-local: varsext_fill bytes = {1, 2, 254, 255}
#: native-local: varsext_fill numbers = {-1, 0, 7}
#: native-local: varsext_fill ratio = 0.5
#: native-local: varsext_fill list = ['a', {'k': 1.5}]
#: native-local: varsext_fill origin = {x = 3, y = -1.25}
#: native-argument: varsext_run items = ['a', {'k': 1.5}]
#: native-local: varsext_run shape ~ {name = "triangle", colour = GREEN, corners = {{x = 1, y = 0.5}, {x = 2, y = 1e300}}, filled = 1, layer = -3, owner = [[]'a', {'k': 1.5}], next = 0x*}
"""A C extension crashes among variables of every kind, which its debug information describes."""

import oracle
import varsext

ITEMS = ["a", {"k": 1.5}]


def run():
    oracle.record()
    varsext.run(ITEMS)  #@crash


run()  #@main

