#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: frame: fetch_pages @crash
#: frame: fetch_all @async-for
#: frame: main @await
#: frame: _run asyncio/events.py
#: frame: _run_once asyncio/base_events.py
#: frame: run_forever asyncio/base_events.py
#: frame: run_until_complete asyncio/base_events.py
#: frame[>=3.11]: run asyncio/runners.py
#: frame: run asyncio/runners.py
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: argument: fetch_pages count = 3
#: local: fetch_pages page = 1
#: argument: fetch_all site = 'example'
#: local: fetch_all pages = [0]
"""A crash in an async generator that a coroutine iterates over, below asyncio's event loop."""

import asyncio
from ctypes import memset

import oracle


async def fetch_pages(count):
    for page in range(count):
        await asyncio.sleep(0)
        if page == 1:
            oracle.record()
            memset(0, 0, 1)  #@crash
        yield page


async def fetch_all(site):
    pages = []
    async for page in fetch_pages(3):  #@async-for
        pages.append(page)
    return pages


async def main():
    return await fetch_all("example")  #@await


asyncio.run(main())  #@main
