#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: process: child
#: ends: exit 3
#: thread: main
#: frame: resize @crash
#: frame: run multiprocessing/process.py
#: frame: _bootstrap multiprocessing/process.py
#: frame: _main multiprocessing/spawn.py
#: frame: _serve_one multiprocessing/forkserver.py
#: frame: main multiprocessing/forkserver.py
#: frame: <module> <string>
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: finding: null-deref certain
#: argument: resize picture = 'photo'
#: work: main process:forkserver resize('photo', quality=9)
"""A process, which was made by a fork server, crashes."""

import sys
from ctypes import memset
from multiprocessing import get_context

import oracle


def resize(picture, quality):
    oracle.record()
    memset(0, 0, 1)  #@crash


if __name__ == "__main__":
    process = get_context("forkserver").Process(target=resize, args=("photo",), kwargs={"quality": 9})
    process.start()
    process.join()
    sys.exit(3 if process.exitcode < 0 else 0)
