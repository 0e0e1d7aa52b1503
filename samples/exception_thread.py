#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: frame: main @crash
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: other: worker retry @sleep
"""A crash in one thread while another waits in a handler, and a generator of it is suspended in its own."""

import threading
import time
from ctypes import memset

import oracle

READY = threading.Event()


def rows():
    try:
        raise LookupError("in the generator")
    except LookupError:
        yield 1


def retry(attempt):
    suspended = rows()
    next(suspended)
    try:
        raise ConnectionError("attempt %d" % attempt)
    except ConnectionError:
        READY.set()
        time.sleep(600)  #@sleep


def main():
    threading.Thread(target=retry, args=(3,), name="worker", daemon=True).start()
    READY.wait()
    time.sleep(0.1)  # until it sleeps
    oracle.record()
    memset(0, 0, 1)  #@crash


main()  #@main
