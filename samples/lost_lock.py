#: signal: SIGABRT
#: code: SI_USER
#: process: child
#: ends: exit 3
#: thread: main
#: finding: lost-lock likely
#: frame: work @crash
#: frame: spawn @work
#: frame: <module> @main
#: native: * in libc.so.6
#: argument: work job = 'resize'
#: local: spawn pid = 0
"""A child made by os.fork waits for a lock that a thread of its parent held: the child has no such thread, and the parent
loses its patience."""

import os
import signal
import sys
import threading
import time

import oracle

LOCK = threading.RLock()
IS_HELD = threading.Event()


def hold():
    with LOCK:
        IS_HELD.set()
        time.sleep(600)


def work(job):
    oracle.record()
    LOCK.acquire()  #@crash


def sleeps(pid):
    with open("/proc/%d/stat" % pid) as stat:
        return stat.read().rpartition(")")[2].split()[0] == "S"


def spawn(job):
    pid = os.fork()
    if pid == 0:
        work(job)  #@work
    calm = 0
    while calm < 20:  # until it has slept for a second
        time.sleep(0.05)
        calm = calm + 1 if sleeps(pid) else 0
    os.kill(pid, signal.SIGABRT)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


threading.Thread(target=hold, daemon=True).start()
IS_HELD.wait()
os._exit(3 if spawn("resize") else 0)  #@main
