"""A crash below 10,000 Python frames."""

import ctypes
import os
import sys
import time

sys.setrecursionlimit(11000)


def recurse(depth):
    if depth == 0:
        os.write(1, b"%d\n" % time.clock_gettime_ns(time.CLOCK_MONOTONIC))
        ctypes.string_at(0)
    return recurse(depth - 1) + 1


recurse(9999)
