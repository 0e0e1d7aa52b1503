#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: frame: zażółć @crash
#: frame: 名前 @outer
#: frame: <module> żółw.py
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: argument: zażółć gęślą = 'jaźń'
#: local: zażółć größe = 1
#: local: 名前 値 = '🐢'
"""Functions, variables and a source file whose names are not ASCII: latin-1, further BMP and beyond."""

from ctypes import memset

import oracle


def zażółć(gęślą):
    größe = 1
    oracle.record()
    memset(0, 0, 1)  #@crash
    return größe


def 名前():
    値 = "🐢"
    zażółć("jaźń")  #@outer
    return 値


exec(compile("名前()", "żółw.py", "exec"))  #@main
