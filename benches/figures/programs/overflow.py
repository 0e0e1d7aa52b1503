"""A recursive C function runs off the end of the stack, some 52,000 native frames deep."""

import os
import time

import crashext


def descend():
    os.write(1, b"%d\n" % time.clock_gettime_ns(time.CLOCK_MONOTONIC))
    crashext.overflow()


descend()
