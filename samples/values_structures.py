#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: build: cc -g -O2 -w -fPIC -shared -I{include} -o {out}/structext.so native/structext.c
#: frame: show @crash
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: local: show counter ~ <structext.Counter object at 0x*>
#: local: show matrix ~ <structext.Matrix object at 0x*>
#: part: show counter.count = -3
#: part: show counter.rate = 0.25
#: part: show counter.label = "rows"
#: part: show counter.owner = ['a', 1]
#: part: show counter.nobody = 0x0
#: part: show counter.corner = {x = 1, y = 2}
#: part: show counter.colour = GREEN
#: part: show counter.bytes = {1, 2, 3, 4}
#: part: show counter.password = <redacted>
#: part: show matrix.rows = 2
#: part: show matrix.columns = 3
#: part: show matrix.cells = 0x0
"""Instances of types written in C, whose fields debug information tells."""

from ctypes import memset

import oracle
import structext


def show():
    counter = structext.counter(["a", 1])
    matrix = structext.matrix()
    oracle.record()
    memset(0, 0, 1)  #@crash


show()  #@main
