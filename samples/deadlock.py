#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x8000
#: ends: signal SIGSEGV
#: thread: main
#: finding: deadlock certain
#: finding: null-deref likely
#: frame: watch @crash
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: other: first take_both @inner
#: other: second take_both @inner
#: state: first waiting for a lock
#: state: second waiting for a lock
#: argument: watch names = ['first', 'second']
"""Two threads take two locks in different order, and block each other; another one crashes."""

import threading
import time
from ctypes import memset

import oracle

LOCKS = [threading.RLock(), threading.RLock()]
HELD = threading.Barrier(2)


def take_both(outer, inner):
    with outer:
        HELD.wait()
        inner.acquire()  #@inner


def sleeps(thread):
    with open("/proc/self/task/%d/stat" % thread.native_id) as stat:
        return stat.read().rpartition(")")[2].split()[0] == "S"


def watch(names):
    threads = []
    for name, locks in zip(names, (LOCKS, LOCKS[::-1])):
        threads.append(threading.Thread(target=take_both, args=locks, name=name, daemon=True))
        threads[-1].start()
    calm = 0
    while calm < 20:  # until both have slept for a second
        time.sleep(0.05)
        calm = calm + 1 if all(map(sleeps, threads)) else 0
    oracle.record()
    memset(0x8000, 0, 1)  #@crash


watch(["first", "second"])  #@main
