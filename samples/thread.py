#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: importer
#: finding: null-deref certain
#: frame: import_row @crash
#: frame: import_rows @rows
#: frame: run threading.py
#: frame: _bootstrap_inner threading.py
#: frame: _bootstrap threading.py
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: argument: import_row row = 'b'
#: argument: import_rows rows = ['a', 'b']
#: other: main main @join
#: other: lock-waiter wait_for_lock @lock
#: other: queue-waiter wait_for_queue @queue
#: other: sleeper sleep_long @sleep
#: state[>=3.11]: sleeper sleeping
#: state: lock-waiter waiting for a lock
"""One thread of several crashes; the others wait for a lock, for a queue, in sleep, and in join."""

import queue
import threading
import time
from ctypes import memset

import oracle

LOCK = threading.Lock()
QUEUE = queue.Queue()


def wait_for_lock():
    with LOCK:  #@lock
        pass


def wait_for_queue():
    QUEUE.get()  #@queue


def sleep_long():
    time.sleep(600)  #@sleep


def import_row(row):
    if row == "b":
        oracle.record()
        memset(0, 0, 1)  #@crash


def import_rows(rows):
    time.sleep(0.3)  # until the others wait
    for row in rows:
        import_row(row)  #@rows


def main():
    LOCK.acquire()
    for name, target in [
        ("lock-waiter", wait_for_lock),
        ("queue-waiter", wait_for_queue),
        ("sleeper", sleep_long),
    ]:
        threading.Thread(target=target, name=name, daemon=True).start()
    importer = threading.Thread(target=import_rows, args=(["a", "b"],), name="importer")
    importer.start()
    importer.join()  #@join


main()
