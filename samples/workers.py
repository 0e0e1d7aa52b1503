#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: frame: main @crash
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: finding: null-deref certain
#: other: resizer_0 resize @wait
#: work: resizer_0 executor-thread resize('photo', quality=9)
#: work: resizer_1 executor-thread idle
#: work[<3.10]: Thread-1 pool resize for each of ('a', 'b')
#: work[>=3.10]: Thread-1 (worker) pool resize for each of ('a', 'b')
"""A crash while the threads of two pools work, and one of them has nothing to do."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from ctypes import memset
from multiprocessing.pool import ThreadPool

import oracle

STARTED = threading.Semaphore(0)
NEVER = threading.Event()


def resize(picture, quality=5):
    STARTED.release()
    NEVER.wait()  #@wait


def main():
    executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="resizer")
    executor.submit(resize, "photo", quality=9)
    STARTED.acquire()
    executor.submit(len, "done").result()
    while not executor._idle_semaphore._value:
        time.sleep(0.01)
    pool = ThreadPool(1)
    pool.map_async(resize, ["a", "b"], chunksize=2)
    STARTED.acquire()
    oracle.record()
    memset(0, 0, 1)  #@crash


main()  #@main
