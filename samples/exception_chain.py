#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: frame: handle @crash
#: frame: main @handle
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: exception: RuntimeError('the last of all', 7)
#: finding: null-deref certain
#: argument: handle error = RuntimeError('the last of all', 7)
"""A crash while an exception is handled whose chain has every kind of message, and leads back to itself."""

import sys
from ctypes import memset

import oracle


class Refused(Exception):
    def __str__(self):
        return "refused: " + self.args[0]


class Plain(OSError):
    pass


def raise_all():
    """Every exception the standard library gives a message of its own."""
    attempts = [
        lambda: open("/nonexistent/config.ini"),
        lambda: __import__("no_such_module"),
        lambda: compile("x = = 1", "job.py", "exec"),
        lambda: b"abc\xff".decode("utf-8"),
        lambda: "a\u0142b".encode("ascii"),
        lambda: "a\u0142\u0142b".encode("latin-1"),
        lambda: {}["port"],
        lambda: [][3],
        lambda: 1 / 0,
        lambda: int("x" * 600),
        lambda: raise_(OSError(2, "No such file", "a", None, "b")),
        lambda: raise_(Plain(13, "Permission denied")),
        lambda: raise_(Plain("one argument")),
        lambda: raise_(Refused("by the server")),
        lambda: raise_(KeyError()),
        lambda: raise_(StopIteration([1, 2])),
        lambda: raise_(UnicodeTranslateError("caf\xe9", 3, 4, "no reason")),
        lambda: raise_(noted("with notes", "first", "second")),
        lambda: raise_(group("several", ValueError("one"), TypeError("two", 2))),
    ]
    errors = []
    for attempt in attempts:
        try:
            attempt()
        except Exception as error:
            errors.append(error)
    return errors


def raise_(error):
    raise error


def noted(message, *notes):
    error = ValueError(message)
    for note in notes if hasattr(error, "add_note") else ():  # 3.11+
        error.add_note(note)
    return error


def group(message, *errors):
    try:
        return ExceptionGroup(message, errors)  # 3.11+
    except NameError:
        return ValueError(message)


def handle(error):
    oracle.record()
    memset(0, 0, 1)  #@crash


def chained():
    errors = raise_all()
    last = RuntimeError("the last of all", 7)
    for error, before in zip(errors, errors[1:]):
        error.__context__ = before
    if sys.version_info >= (3, 9, 7):  # before, a circle makes CPython itself loop for ever (bpo-25782)
        errors[-1].__context__ = last
    return last, errors[0]


def main():
    last, before = chained()
    try:
        raise last
    except RuntimeError as error:
        error.__context__ = before
        handle(error)  #@handle


main()  #@main
