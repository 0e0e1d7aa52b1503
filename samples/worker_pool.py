#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: process: child
#: ends: exit 3
#: thread: main
#: frame: resize @crash
#: frame: worker multiprocessing/pool.py
#: frame: run multiprocessing/process.py
#: frame: _bootstrap multiprocessing/process.py
#: frame: _launch multiprocessing/popen_fork.py
#: frame: __init__ multiprocessing/popen_fork.py
#: frame: _Popen multiprocessing/context.py
#: frame: start multiprocessing/process.py
#: frame: _repopulate_pool_static multiprocessing/pool.py
#: frame: _repopulate_pool multiprocessing/pool.py
#: frame: __init__ multiprocessing/pool.py
#: frame: Pool multiprocessing/context.py
#: frame: main @pool
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: finding: null-deref certain
#: argument: resize picture = 'photo'
#: work: main pool:fork resize('photo', quality=9)
"""A process of a pool, which was made by fork, crashes in its task."""

import sys
from ctypes import memset
from multiprocessing import connection, get_context

import oracle


def resize(picture, quality):
    oracle.record()
    memset(0, 0, 1)  #@crash


def main():
    pool = get_context("fork").Pool(1)  #@pool
    worker = pool._pool[0]
    pool.apply_async(resize, ("photo",), {"quality": 9})
    connection.wait([worker.sentinel])
    pool.terminate()
    return 3


if __name__ == "__main__":
    sys.exit(main())  #@main
