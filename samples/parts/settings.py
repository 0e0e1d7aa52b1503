"""Imported by import_time.py."""

from ctypes import memset

import oracle


def connect(url):
    oracle.record()
    memset(0, 0, 1)


connect("db://localhost")
