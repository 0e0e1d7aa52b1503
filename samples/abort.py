#: signal: SIGABRT
#: code: SI_TKILL
#: ends: signal SIGABRT
#: thread: main
#: frame: give_up @crash
#: frame: <module> @main
#: native: *abort in libc.so.6
#: argument: give_up reason = 'out of tea'
"""The program ends itself with abort()."""

import os

import oracle


def give_up(reason):
    oracle.record()
    os.abort()  #@crash


give_up("out of tea")  #@main
