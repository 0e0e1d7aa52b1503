#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: frame: crash @crash
#: frame: worker @worker
#: frame: _run asyncio/events.py
#: frame: _run_once asyncio/base_events.py
#: frame: run_forever asyncio/base_events.py
#: frame: run_until_complete asyncio/base_events.py
#: frame[>=3.11]: run asyncio/runners.py
#: frame: run asyncio/runners.py
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
"""A crash in one of many asyncio tasks; the others wait for each other, for locks, sleep, or have not begun."""

import asyncio
import threading
import time
from ctypes import memset

import oracle

READY = threading.Event()


async def pages(count):
    for page in range(count):
        await asyncio.sleep(600 if page else 0)
        yield page


async def read_pages():
    return [page async for page in pages(3)]


async def fetch(lock, delay):
    async with lock:
        await asyncio.sleep(delay)


class Handle:
    def __init__(self, future):
        self.future = future

    def __await__(self):
        return (yield from self.future.__await__())


async def wait_for_handle(future):
    await Handle(future)


async def wait_for_other(task):
    await task


async def crash():
    # Who waits for these goes on in the loop's next round, which does not come.
    LOST.set_exception(ValueError("connection lost"))
    ANSWER.set_result([1, "two"])
    oracle.record()
    oracle.record_tasks()
    memset(0, 0, 1)  #@crash


async def worker():
    await crash()  #@worker


async def gather_all(*tasks):
    await asyncio.gather(*tasks)


async def forever():
    READY.set()
    await asyncio.sleep(600)


class PythonTask(asyncio.tasks._PyTask):
    pass


async def main():
    global LOST, ANSWER
    loop = asyncio.get_running_loop()
    LOST, ANSWER = loop.create_future(), asyncio.futures._PyFuture(loop=loop)
    future, lock = loop.create_future(), asyncio.Lock()
    spawn = lambda coroutine, name: loop.create_task(coroutine, name=name)
    tasks = [spawn(fetch(lock, 600), "fetch-%d" % index) for index in range(3)]
    tasks.append(spawn(read_pages(), "pages"))
    tasks.append(spawn(wait_for_handle(future), "handle"))
    tasks.append(spawn(wait_for_other(LOST), "fails"))
    tasks.append(spawn(wait_for_other(ANSWER), "is answered"))
    tasks.append(spawn(wait_for_other(tasks[0]), "waits"))
    tasks.append(spawn(gather_all(*tasks[:2]), "gathers"))
    tasks.append(loop.create_task(asyncio.sleep(500)))
    tasks.append(PythonTask(wait_for_other(tasks[1]), loop=loop, name="in Python"))
    for _ in range(5):
        await asyncio.sleep(0)
    tasks.append(spawn(fetch(lock, 1), "begins later"))
    await spawn(worker(), "worker")


threading.Thread(target=asyncio.run, args=(forever(),), name="loop", daemon=True).start()
READY.wait()
time.sleep(0.1)  # until its loop waits
asyncio.run(main())  #@main
