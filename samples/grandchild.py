#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: process: grandchild
#: ends: exit 3
#: thread: main
#: finding: null-deref certain
#: frame: work @crash
#: frame: run multiprocessing/process.py
#: frame: _bootstrap multiprocessing/process.py
#: frame: _main multiprocessing/spawn.py
#: frame: spawn_main multiprocessing/spawn.py
#: frame: <module> <string>
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: argument: work job = 'resize'
#: work: main process:spawn work('resize')
"""A multiprocessing worker, started afresh by a child that subprocess started, crashes; each parent exits with 3."""

import multiprocessing
import subprocess
import sys
from ctypes import memset

import oracle


def work(job):
    oracle.record()
    memset(0, 0, 1)  #@crash


def child():
    worker = multiprocessing.get_context("spawn").Process(target=work, args=("resize",))
    worker.start()
    worker.join()
    return 3 if worker.exitcode < 0 else 0


def main():
    return subprocess.run([sys.executable, __file__, "child"]).returncode


if __name__ == "__main__":
    sys.exit(child() if sys.argv[1:] == ["child"] else main())
