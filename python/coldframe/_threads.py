"""Alternate signal stacks for threads, so that a stack overflow in one of them is captured.

Under ``coldframe run`` every thread has one. After ``enable()`` alone, those have one that :mod:`threading` starts later, and
the one that called it; threads of C libraries have none.
"""

import threading
from typing import Any

from ._handler import Handler

_is_installed = False


def install(handler: Handler) -> None:
    """Has each new thread fetch a stack, and give it back at its end.

    By methods that a thread calls on itself then: a wrapper around its main function would stand in every traceback.
    They are not public; where one of them is missing, threads have no stack.
    """
    global _is_installed
    thread: Any = threading.Thread
    begin, end = getattr(thread, "_set_native_id", None), getattr(thread, "_delete", None)
    if _is_installed or begin is None or end is None:
        return
    _is_installed = True

    def set_native_id(self: Any) -> None:
        begin(self)
        # Also called in the child of a fork, whose thread has its stack already.
        is_other = isinstance(self, threading._DummyThread) or self is threading.main_thread()
        if not is_other and not hasattr(self, "_coldframe_stack"):
            self._coldframe_stack = handler.thread_begin()

    def delete(self: Any) -> None:
        handler.thread_end(self.__dict__.pop("_coldframe_stack", 0))
        end(self)

    thread._set_native_id = set_native_id
    thread._delete = delete
