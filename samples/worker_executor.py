#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: process: child
#: ends: exit 3
#: thread: main
#: frame: resize @crash
#: frame: _process_worker concurrent/futures/process.py
#: frame: run multiprocessing/process.py
#: frame: _bootstrap multiprocessing/process.py
#: frame: _main multiprocessing/spawn.py
#: frame: spawn_main multiprocessing/spawn.py
#: frame: <module> <string>
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: finding: null-deref certain
#: argument: resize picture = 'photo'
#: work: main executor-process:spawn resize('photo', quality=9)
"""A process of an executor, which was made by spawn, crashes in its task."""

import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from ctypes import memset
from multiprocessing import get_context

import oracle


def resize(picture, quality):
    oracle.record()
    memset(0, 0, 1)  #@crash


if __name__ == "__main__":
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as executor:
        try:
            executor.submit(resize, "photo", quality=9).result()
        except BrokenProcessPool:
            sys.exit(3)
