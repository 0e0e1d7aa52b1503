"""Crash capture for CPython: one small file with every thread's Python and native stack.

The functions have the shape of :mod:`faulthandler`. Importing this package changes nothing; :func:`enable` turns capture
on. None of these functions raises because capture is impossible here: a program must not fail for want of a
crash reporter. Those that capture say by their result whether they could.
"""

from ._analyze import AnalyzeError, analyze
from ._capture import (
    cancel_dump_later,
    disable,
    dump,
    dump_later,
    enable,
    is_enabled,
    register,
    unregister,
)
from ._notes import LogHandler, annotate, breadcrumb

__all__ = [
    "AnalyzeError",
    "LogHandler",
    "analyze",
    "annotate",
    "breadcrumb",
    "cancel_dump_later",
    "disable",
    "dump",
    "dump_later",
    "enable",
    "is_enabled",
    "register",
    "unregister",
]
