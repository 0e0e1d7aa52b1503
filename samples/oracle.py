"""What CPython itself says about the stack, written down just before a sample crashes.

Does nothing unless COLDFRAME_ORACLE names a file, so a test can also run a sample untouched: asking for frames
makes CPython build frame objects and `f_locals` dicts that an ordinary crash does not have.
README.md describes both files.
"""

import io
import itertools
import json
import os
import signal
import sys
import threading

# io.open instead of the builtin, which is gone by the time the last finalisers run.

# As under a terminal: a shell's background job starts with SIGINT ignored, and asyncio then keeps no handler for it.
try:
    signal.signal(signal.SIGINT, signal.default_int_handler)
except ValueError:
    pass  # in another interpreter or thread, where it makes no difference

CO_OPTIMIZED = 0x01  # locals live in slots; clear for modules and class bodies, whose locals are a dict
CO_VARARGS = 0x04
CO_VARKEYWORDS = 0x08
MEMBER = type(ImportError.name)


def record():
    """Write every thread's Python frames as JSON to $COLDFRAME_ORACLE."""
    path = os.environ.get("COLDFRAME_ORACLE")
    if not path:
        return
    crashing = threading.get_ident()
    threads = {thread.ident: thread for thread in threading.enumerate()}
    tops = sys._current_frames()
    tops[crashing] = sys._getframe(1)  # without our own frame
    handled = sys._current_exceptions() if hasattr(sys, "_current_exceptions") else {}  # 3.11+
    report = {
        "python": sys.version.split()[0].rstrip("+"),
        "pid": os.getpid(),
        "exception": _exception(sys.exc_info()[1]),  # the one being handled
        "recursion_limit": sys.getrecursionlimit(),
        "threads": [
            {
                "name": threads[ident].name if ident in threads else None,
                "main": ident == threading.main_thread().ident,
                "daemon": threads[ident].daemon if ident in threads else None,
                "tid": threads[ident].native_id if ident in threads else None,
                "crashed": ident == crashing,
                "exception": _exception(_error(handled.get(ident))),
                "frames": _frames(top),
            }
            for ident, top in tops.items()
        ],
    }
    with io.open(path, "w", encoding="utf-8") as file:
        json.dump(report, file)


def record_tasks():
    """Write every asyncio task of every thread's loop as JSON to $COLDFRAME_ORACLE.tasks."""
    path = os.environ.get("COLDFRAME_ORACLE")
    if not path:
        return
    import asyncio
    import gc

    tasks = []
    kinds = (asyncio.Task, asyncio.tasks._PyTask)
    for task in [task for task in gc.get_objects() if isinstance(task, kinds) and not task.done()]:
        loop = task.get_loop()
        coroutine = task.get_coro()
        frames = []
        running = asyncio.current_task(loop) is task
        while coroutine is not None and not running:
            name, coroutine = _suspended(coroutine)
            frames += [name] if name else []
        tasks.append(
            {
                "name": task.get_name(),
                "repr": repr(task),
                "coroutine": task.get_coro().__qualname__,
                "running": running,
                "ident": loop._thread_id,
                "waiting": task._fut_waiter is not None,
                "frames": frames[::-1],
            }
        )
    with io.open(path + ".tasks", "w", encoding="utf-8") as file:
        json.dump(tasks, file)


def _suspended(awaitable):
    """The frame of a coroutine or generator, and what it waits for."""
    for prefix in "cr", "gi", "ag":
        if hasattr(awaitable, prefix + "_frame"):
            frame = getattr(awaitable, prefix + "_frame")
            inner = getattr(awaitable, {"gi": "gi_yieldfrom"}.get(prefix, prefix + "_await"))
            return (frame and [frame.f_code.co_name, frame.f_code.co_filename, frame.f_lineno]), inner
    # What asend() of an asynchronous generator gives knows it, but says so to the collector only.
    import gc

    inner = [other for other in gc.get_referents(awaitable) if hasattr(other, "ag_frame") or hasattr(other, "cr_frame")]
    return None, inner[0] if inner else None


def values():
    """Write the caller's locals as NAME<tab>SCOPE<tab>REPR<tab>KIND lines to $COLDFRAME_ORACLE.tsv."""
    path = os.environ.get("COLDFRAME_ORACLE")
    if not path:
        return
    frame = sys._getframe(1)
    with io.open(path + ".tsv", "w", encoding="utf-8") as file:
        for name, scope in _variables(frame):
            if name not in frame.f_locals:
                file.write("%s\t%s\t<unset>\tno value\n" % (name, scope))
                continue
            value = frame.f_locals[name]
            file.write("%s\t%s\t%r\t%s\n" % (name, scope, value, _kind(value)))
            for attribute in _attributes(value):
                line = (name, attribute, getattr(value, attribute), _kind(value))
                file.write("%s.%s\tattribute\t%r\tattributes of %s\n" % line)


def _frames(frame):
    """The frames from `frame` outwards."""
    frames = []
    while frame is not None:
        code = frame.f_code
        entry = {"function": code.co_name, "file": code.co_filename, "line": frame.f_lineno}
        if hasattr(code, "co_qualname"):  # 3.11+
            entry["qualname"] = code.co_qualname
            entry["span"] = _span(code, frame.f_lasti)
        entry["locals"] = []
        for name, scope in _variables(frame):
            variable = {"name": name, "scope": scope, "set": name in frame.f_locals}
            # Locals of a module are its globals: too many, and none of them special.
            if variable["set"] and code.co_name != "<module>":
                value = frame.f_locals[name]
                variable["type"] = type(value).__name__
                variable["repr"] = repr(value)
            entry["locals"].append(variable)
        frames.append(entry)
        frame = frame.f_back
    return frames


def _span(code, lasti):
    """Where the instruction's expression begins and ends: line, column, line, column. Columns count characters from 1,
    as in editors; None where there is no source to count them in."""
    unit = max(lasti, 0) // 2
    line, end_line, column, end_column = next(itertools.islice(code.co_positions(), unit, None))
    return [line, _character(code, line, column), end_line, _character(code, end_line, end_column)]


def _character(code, line, byte):
    """CPython counts columns in bytes of UTF-8, from 0."""
    if line is None or byte is None:
        return None
    try:
        with io.open(code.co_filename, "rb") as file:
            text = file.read().split(b"\n")[line - 1]
    except (OSError, IndexError):
        return None
    return len(text[:byte].decode("utf-8")) + 1


def _error(entry):
    """What sys._current_exceptions says of a thread: up to 3.11 a triple, as sys.exc_info did."""
    return entry[1] if isinstance(entry, tuple) else entry


def _exception(error, seen=()):
    """An exception with its traceback, outermost frame first as Python links them, and what it came from."""
    if error is None or error in seen:
        return None
    seen = [*seen, error]
    frames, entry = [], error.__traceback__
    while entry is not None:
        code = entry.tb_frame.f_code
        frames.append({"function": code.co_name, "file": code.co_filename, "line": entry.tb_lineno})
        entry = entry.tb_next
    return {
        "type": type(error).__name__,
        "str": str(error),
        "repr": repr(error),
        "notes": getattr(error, "__notes__", []),
        "traceback": frames,
        "cause": _exception(error.__cause__, seen),
        "context": None if error.__suppress_context__ else _exception(error.__context__, seen),
        "members": [_exception(member, seen) for member in getattr(error, "exceptions", ())],
    }


def _variables(frame):
    """Name and scope of every variable the frame has room for, set or not."""
    code = frame.f_code
    if not code.co_flags & CO_OPTIMIZED:
        return [(name, "local") for name in frame.f_locals]
    arguments = code.co_argcount + code.co_kwonlyargcount
    arguments += bool(code.co_flags & CO_VARARGS) + bool(code.co_flags & CO_VARKEYWORDS)
    scopes = {name: "argument" if slot < arguments else "local" for slot, name in enumerate(code.co_varnames)}
    # An argument that an inner function uses is stored as a cell, and an argument all the same.
    for name in code.co_cellvars:
        if scopes.get(name) != "argument":
            scopes[name] = "cell"
    scopes.update((name, "free") for name in code.co_freevars)
    return list(scopes.items())


def _kind(value):
    """What kind of value it is: its type, or what a class of the sample is made as."""
    kind = type(value)
    bases = [base for base in kind.__mro__ if base.__module__ != "__main__"]
    if kind in bases:
        return kind.__module__.replace("builtins", "") + "." * (kind.__module__ != "builtins") + kind.__qualname__
    names = [base.__name__ for base in bases]
    if "Enum" in names:
        return "enumeration (%s)" % names[0]
    if hasattr(kind, "__dataclass_fields__"):
        return "dataclass" + " with slots" * (not hasattr(value, "__dict__"))
    if hasattr(kind, "_fields"):
        return "named tuple"
    if bases[0] is not object:
        return "class derived from %s" % names[0]
    slots = any(base.__dict__.get("__slots__") for base in kind.__mro__)
    return "instance with " + " and ".join(["__slots__"] * slots + ["__dict__"] * hasattr(value, "__dict__"))


def _attributes(value):
    """Names of the attributes that an instance of a Python class stores itself, or an exception."""
    # Of classes, of members of an enumeration and of other modules' objects the repr says it all.
    kind = type(value)
    if issubclass(kind, BaseException):
        members = [name for base in kind.__mro__ for name, field in base.__dict__.items() if type(field) is MEMBER]
        members = [name for name in members if not name.startswith("__") and getattr(value, name) is not None]
        return list(value.__dict__) + members
    if kind.__module__ != "__main__" or hasattr(kind, "__members__") or issubclass(kind, type):
        return []
    names = list(getattr(value, "__dict__", ()))
    for base in kind.__mro__:
        names += [field[0] for field in base.__dict__.get("_fields_", ()) if len(field) == 2]  # ctypes
        names += [name for name in base.__dict__.get("__slots__", ()) if hasattr(value, name)]
    return [name for name in names if not name.startswith("__")]
