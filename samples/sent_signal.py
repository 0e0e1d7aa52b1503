#: signal: SIGSEGV
#: code: SI_USER
#: ends: signal SIGSEGV
#: thread: main
#: frame: stop @crash
#: frame: <module> @main
#: native: *kill in libc.so.6
#: argument: stop reason = 'test'
"""A SIGSEGV that another program could have sent as well: no address, but a sender, here the process itself."""

import os
import signal

import oracle


def stop(reason):
    oracle.record()
    os.kill(os.getpid(), signal.SIGSEGV)  #@crash


stop("test")  #@main
