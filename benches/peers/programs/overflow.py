"""10,000 Python frames, and below them a C function that recurses off the end of the stack."""

import sys

import crashext

sys.setrecursionlimit(12_000)


def recurse(depth, label="here"):
    if depth == 0:
        crashext.overflow()
    return recurse(depth - 1) + 1


recurse(10_000)
