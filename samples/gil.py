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
#: other: counter count @count
#: state: counter waiting for the GIL
"""A crash in C code that holds the GIL, for which another thread waits."""

import ctypes
import sys
import threading
import time

import oracle

COUNTING = threading.Event()
HAS_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()


def count():
    COUNTING.set()
    while HAS_GIL or time.sleep(600) is None: pass  #@count


def main():
    library = ctypes.PyDLL(None)  # keeps the GIL
    threading.Thread(target=count, name="counter", daemon=True).start()
    COUNTING.wait()
    oracle.record()
    library.usleep(300000)
    library.memset(0, 0, 1)  #@crash


main()  #@main
