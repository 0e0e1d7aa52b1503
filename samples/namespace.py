#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: frame[<3.12]: <listcomp> @crash
#: frame: <module> @crash
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: local: <module> count = 3
#: local: <module> _private = 'last'
#: local: <module> title = 'after the private one'
#: local: <module> (definitions) = modules: oracle; functions: helper; classes: Thing
#: local[>=3.12]: <module> number = 0
"""A crash in a module body, in a comprehension: from 3.12 on that has no frame, and its variable is none of the module."""

from ctypes import memset

import oracle


def helper():
    """Folded."""


class Thing:
    """Folded."""


count = 3
_private = "last"
title = "after the private one"
oracle.record()
[memset(number, 0, 1) for number in range(count)]  #@crash
