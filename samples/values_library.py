#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: frame: show @crash
#: frame: <module> @main
#: native: * in libc.so.6
#: qualname: show show
#: values: show
#: finding: null-deref certain
"""Values of the standard library's own types, most of which are written in C, each with a structure of its own."""

import array
import asyncio
import collections
import datetime
import decimal
import fractions
import os
import pathlib
import re
import sys
import threading
import time
import uuid
from concurrent.futures import Future
from ctypes import memset

import oracle


class Lookup(collections.OrderedDict):
    pass


class Queue(collections.deque):
    pass


class Tally(collections.Counter):
    pass


class Day(datetime.date):
    pass


def futures():
    """Of a loop that is no local variable of the frame that is looked at: its `__repr__` is written in Python."""
    loop = asyncio.new_event_loop()
    return [loop.create_future() for _ in range(5)]


def show():
    deque, deque_bounded = collections.deque([1, "two", [3]]), collections.deque("abc", maxlen=5)
    deque_empty, deque_long = collections.deque(), collections.deque(range(500))
    deque_long_rotated = collections.deque(range(70))
    deque_long_rotated.rotate(30)
    deque_recursive = collections.deque([1])
    deque_recursive.append(deque_recursive)
    deque_derived = Queue([1])
    defaultdict = collections.defaultdict(list, {"a": [1]})
    defaultdict_none, defaultdict_function = collections.defaultdict(None), collections.defaultdict(show)
    defaultdict_recursive = collections.defaultdict(int)
    defaultdict_recursive["self"] = defaultdict_recursive
    ordered = collections.OrderedDict([("a", 1), ("b", [2]), ("c", None)])
    ordered_empty, ordered_derived = collections.OrderedDict(), Lookup(x=1)
    ordered_moved = collections.OrderedDict.fromkeys("abcd")
    ordered_moved.move_to_end("b")
    ordered_moved.move_to_end("d", last=False)
    del ordered_moved["c"]
    ordered_keys = ordered.keys()
    ordered_recursive = collections.OrderedDict()
    ordered_recursive["self"] = ordered_recursive
    counter, counter_empty = collections.Counter("abracadabra"), collections.Counter()
    counter_derived, counter_negative = Tally("aab"), collections.Counter(a=-1, b=2, c=0)
    counter_many = collections.Counter({str(number): number % 7 for number in range(120)})
    chain = collections.ChainMap({"a": 1}, {"b": 2})
    user_dict, user_list = collections.UserDict(a=1), collections.UserList([1, 2])
    user_string = collections.UserString("it's")

    delta, delta_zero = datetime.timedelta(days=1, seconds=2, microseconds=3), datetime.timedelta(0)
    delta_negative, delta_hours = datetime.timedelta(seconds=-1), datetime.timedelta(hours=5)
    date, date_derived = datetime.date(2024, 2, 29), Day(1999, 12, 31)
    date_first, date_last = datetime.date.min, datetime.date.max
    moment, moment_second = datetime.datetime(2024, 2, 29, 12, 30), datetime.datetime(2024, 2, 29, 1, 2, 3)
    moment_micro = datetime.datetime(2024, 2, 29, 1, 2, 0, 456789)
    moment_utc = datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc)
    zone = datetime.timezone(datetime.timedelta(hours=1))
    zone_named = datetime.timezone(datetime.timedelta(hours=-5), "EST")
    zone_utc = datetime.timezone.utc
    moment_fold = datetime.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=zone_named)
    clock, clock_full = datetime.time(), datetime.time(23, 59, 59, 999999, tzinfo=zone, fold=1)

    decimal_value, decimal_negative = decimal.Decimal("1.50"), decimal.Decimal("-0.001")
    decimal_large = decimal.Decimal("12345678901234567890123456789012345678901234567890.5")
    decimal_small, decimal_exponent = decimal.Decimal("1e-30"), decimal.Decimal("1.2E+40")
    decimal_zero, decimal_minus_zero = decimal.Decimal(0), decimal.Decimal("-0.00")
    decimal_nan, decimal_inf = decimal.Decimal("NaN"), decimal.Decimal("-Infinity")
    decimal_payload, decimal_signal = decimal.Decimal("NaN123"), decimal.Decimal("sNaN")
    decimal_power = decimal.Decimal(10) ** 25
    fraction, fraction_whole = fractions.Fraction(-3, 7), fractions.Fraction(10**30)

    identifier = uuid.UUID("12345678-1234-5678-9234-567812345678")
    identifier_zero = uuid.UUID(int=0)
    path, path_relative = pathlib.Path("/usr/lib") / "python", pathlib.Path("a//b/./c")
    path_empty, path_root, path_pure = pathlib.Path(), pathlib.Path("/"), pathlib.PurePosixPath("x", "/y", "z")
    path_parent, path_shown = pathlib.Path("/a/b/c").parent, pathlib.Path("/shown/before")
    str(path_shown)

    array_int, array_double = array.array("i", [1, -2, 3]), array.array("d", [0.5, 1e300])
    array_bytes, array_empty = array.array("B", b"\x00\xff"), array.array("q")
    array_float, array_long = array.array("f", [0.1]), array.array("H", range(300))
    array_text = array.array("u", "zażółć")

    pattern, pattern_flags = re.compile("a+(b)?"), re.compile(r"\d", re.IGNORECASE | re.MULTILINE)
    pattern_bytes, pattern_ascii = re.compile(b"x"), re.compile("x", re.ASCII | re.VERBOSE | re.DOTALL)
    pattern_long = re.compile("(?:abc|def)" * 40)
    match, match_bytes = re.search("b+", "aabbbcc"), re.match(b".", b"\xffx")
    match_long, match_wide = re.search(".+", "é" * 100), re.search("ó+", "zażóóółć")

    lock, lock_held = threading.Lock(), threading.Lock()
    lock_held.acquire()
    rlock, rlock_held = threading.RLock(), threading.RLock()
    rlock_held.acquire()
    rlock_held.acquire()
    event, event_set = threading.Event(), threading.Event()
    event_set.set()
    condition, semaphore = threading.Condition(), threading.Semaphore(2)
    semaphore_bounded = threading.BoundedSemaphore(3)
    semaphore_bounded.acquire()
    thread, thread_new = threading.main_thread(), threading.Thread(target=show, name="later", daemon=True)
    thread_ended = threading.Thread(target=len, args=((),))
    thread_ended.start()
    thread_ended.join()

    future, future_done, future_none = Future(), Future(), Future()
    future_failed, future_running, future_cancelled = Future(), Future(), Future()
    future_done.set_result([1])
    future_none.set_result(None)
    future_failed.set_exception(KeyError("x"))
    future_running.set_running_or_notify_cancel()
    future_cancelled.cancel()

    aio_done, aio_none, aio_failed, aio_cancelled, aio_long_pending = futures()
    aio_done.set_result([1, "two"])
    aio_none.set_result(None)
    aio_failed.set_exception(KeyError("x"))
    aio_cancelled.cancel()
    status, moment_struct = os.stat("/"), time.gmtime(0)
    version, flags_of_run = sys.version_info, sys.flags
    terminal = os.terminal_size((80, 24))
    implementation = sys.implementation.version
    if sys.version_info >= (3, 15):
        frozen, frozen_empty = frozendict(a=1, b=[2]), frozendict()  # noqa: F821

    oracle.values()
    oracle.record()
    memset(0, 0, 1)  #@crash


if __name__ == "__main__":
    show()  #@main
