#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: finding: freed-object likely
#: frame: show @crash
#: frame: <module> @main
#: native: * in libc.so.6
#: local: show wild ~ [[]<unreadable object at 0x10>, 2]
#: local: show odd ~ [[]1, <unreadable object at 0x*1>]
#: local: show long ~ <unreadable list at 0x*>
#: local: show huge ~ <unreadable tuple at 0x*>
#: local: show endless ~ <unreadable str at 0x*>
#: local: show table ~ <unreadable dict at 0x*>
#: local: show freed ~ <unreadable list at 0x*: freed>
#: local: show holder ~ [[]<unreadable list at 0x*: freed>]
#: local: show number ~ <unreadable int at 0x*>
#: local: show moment ~ <unreadable datetime.date at 0x*>
#: local: show untyped ~ <unreadable object at 0x*>
#: local: show named ~ <_asyncio.Task object at 0x*>
#: local: show sound = ['still', 'here']
"""Objects that do not hold together: each is shown as such, and the rest of the frame as ever."""

import asyncio
import ctypes
import datetime
import sys

import oracle

WORD = 8
HEADER = object.__basicsize__  # counts of references, and the type
# Where the count is: free-threaded builds have the owner's thread first, builds that trace references two pointers.
COUNT = 8 if "t" in sys.abiflags else HEADER - 2 * WORD


def poke(address, offset, value):
    ctypes.c_size_t.from_address(address + offset).value = value % 2**64


async def work():
    pass


def named_by_itself():
    task = asyncio.new_event_loop().create_task(work())
    task.set_name("work")
    slots = (ctypes.c_size_t * (type(task).__basicsize__ // WORD)).from_address(id(task))
    slots[list(slots).index(id(task.get_name()))] = id(task)
    return task


def show():
    sound = ["still", "here"]
    wild, odd, long = [1, 2], [1, 2], [1]
    huge, endless = tuple([4, 5, 6]), "endless" * 3
    table, number = {"a": 1}, 2**100
    freed, holder = [1], [[]]
    moment, untyped = datetime.date(2024, 1, 2), object()
    named = named_by_itself()
    items = HEADER + WORD  # behind ob_size
    ctypes.c_size_t.from_address(ctypes.c_size_t.from_address(id(wild) + items).value).value = 0x10
    ctypes.c_size_t.from_address(ctypes.c_size_t.from_address(id(odd) + items).value + 8).value = id(odd) + 1
    poke(id(long), HEADER, 1 << 40)
    poke(id(huge), HEADER, 1 << 60)
    poke(id(endless), HEADER, 1 << 61)
    poke(id(table), HEADER + 2 * WORD, 0x18)
    poke(id(number), HEADER, 1 << 60)
    poke(id(freed), COUNT, 0)
    poke(id(holder[0]), COUNT, 0)
    poke(id(moment), HEADER + 8, 0xFFFFFFFFFFFF)
    poke(id(untyped), HEADER - WORD, 0x10)
    ctypes.memset(0, 0, 1)  #@crash


if __name__ == "__main__":
    oracle.record()
    show()  #@main
