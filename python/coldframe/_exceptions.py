"""Dumps of exceptions that nobody catches, by hooks around ``sys.excepthook`` and ``threading.excepthook``.

Also the beginning of the ``sitecustomize.py`` that ``coldframe run --on-exception`` puts in the way of an interpreter; it
imports nothing of this package.
"""

import sys
import threading
from typing import Any, Callable

_Dump = Callable[[], Any]


def install(dump: _Dump) -> None:
    """Has ``dump`` called for each such exception, once, before the hook that is there shows it."""
    before, thread_before = sys.excepthook, threading.excepthook
    if getattr(before, "_is_coldframe", False):
        return

    def hook(kind: Any, value: Any, traceback: Any) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            _dump_of(value, traceback, dump)
        before(kind, value, traceback)

    def thread_hook(arguments: Any) -> None:
        if arguments.exc_value is not None and not issubclass(arguments.exc_type, SystemExit):
            _dump_of(arguments.exc_value, arguments.exc_traceback, dump)
        thread_before(arguments)

    hook._is_coldframe = True  # type: ignore[attr-defined]
    sys.excepthook, threading.excepthook = hook, thread_hook


def _dump_of(value: Any, traceback: Any, dump: _Dump) -> None:
    # A dump has the exceptions that are being handled, so this one is raised and handled; then it is as it was.
    context = value.__context__
    try:
        raise value.with_traceback(traceback)
    except BaseException:
        try:
            dump()
        except Exception:
            pass
    value.__traceback__, value.__context__ = traceback, context
