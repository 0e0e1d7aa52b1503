"""Turning capture on and off, and dumps on demand."""

import os
import subprocess
import sys
import time
import warnings
from typing import Dict, Iterable, Optional, Union

from . import _exceptions, _handler, _threads

_Path = Union[str, "os.PathLike[str]"]

# The copy of descriptor 2 that reports go to: test runners point 2 at a file of theirs.
_report: int = -1
_folder: Optional[str] = None
_variables: Dict[str, str] = {}


def enable(
    dir: Optional[_Path] = None,
    locals: bool = True,
    redact: Iterable[str] = (),
    *,
    report: str = "short",
    exceptions: bool = False,
) -> bool:
    """Captures this process if it crashes: a dump in the folder ``dir``, and a report on standard error.

    ``dir`` is by default what COLDFRAME_DIR says, or ``./coldframe-dumps``. ``locals=False`` leaves the values of variables
    out. ``redact`` has regular expressions of names and values that are left out besides those that always are.
    ``report`` is ``short``, ``full``, ``json`` or ``none``. With ``exceptions``, those that nobody catches leave a dump, too:
    ``sys.excepthook`` and ``threading.excepthook`` get a wrapper.

    Returns whether crashes are captured from now on. Under ``coldframe run`` they already are, by its settings.
    Called again, it changes the settings.
    """
    global _report, _folder, _variables
    if report not in ("short", "full", "json", "none"):
        raise ValueError("report must be 'short', 'full', 'json' or 'none'")
    arguments = ["--report", report]
    if dir is not None:
        arguments += ["-o", os.path.abspath(os.fspath(dir))]
    if not locals:
        arguments.append("--no-locals")
    patterns = [redact] if isinstance(redact, str) else redact
    arguments += [f"--redact={pattern}" for pattern in patterns]
    handler = _handler.load(arguments)
    if exceptions and handler is not None:
        _exceptions.install(handler.dump_exception)
    if handler is None or handler.is_preloaded:
        return is_enabled()
    try:
        variables: Dict[str, str] = _handler.settings(arguments)["variables"]
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        warnings.warn(f"coldframe cannot capture this process: {error}", RuntimeWarning, stacklevel=2)
        return False
    if locals:
        variables.setdefault("COLDFRAME_LOCALS", os.environ.get("COLDFRAME_LOCALS", "1"))
    with handler.lock:
        if _report < 0:
            _report = _copy_of_stderr()
        if not _handler.configure(handler, variables, _report):
            return False
        _folder, _variables = variables["COLDFRAME_DIR"], variables
        handler.enable()
        _threads.install(handler)
    return is_enabled()


def _report_as(report: str) -> None:
    """Changes what :func:`enable` was told of reports, and nothing else: fast enough to be done around each test."""
    handler = _handler.loaded()
    if handler is not None and _variables:
        with handler.lock:
            _handler.configure(handler, {**_variables, "COLDFRAME_REPORT": report}, _report)


def disable() -> None:
    """Undoes :func:`enable`. What ``coldframe run`` set up stays."""
    handler = _handler.loaded()
    if handler is not None and not handler.is_preloaded:
        with handler.lock:
            handler.disable()


def is_enabled() -> bool:
    """Whether a crash of this process is captured."""
    handler = _handler.loaded()
    return handler is not None and bool(handler.is_enabled())


def dump(path: Optional[_Path] = None) -> Optional[str]:
    """Writes a dump of this process, which goes on, and returns its path; None where that was not possible.

    All threads stand still meanwhile, for some tens of milliseconds. No child process and no SIGCHLD is seen.
    """
    handler = _handler.load()
    if handler is None:
        return None
    name = os.path.abspath(os.fspath(path)) if path is not None else _new_name()
    # One that is there would make the helper choose another name.
    if path is not None and os.path.exists(name):
        os.unlink(name)
    os.makedirs(os.path.dirname(name), exist_ok=True)
    handler.dump(os.fsencode(name))
    return name if os.path.exists(name) else None


def _new_name() -> str:
    folder = _folder or os.environ.get("COLDFRAME_DIR") or "coldframe-dumps"
    program = os.path.basename(os.path.realpath(sys.executable or "python"))
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    stem = os.path.join(os.path.abspath(folder), f"{program}-{os.getpid()}-{now}")
    number, name = 0, f"{stem}.dmp"
    while os.path.exists(name):
        number += 1
        name = f"{stem}-{number}.dmp"
    return name


def register(signum: int, *, chain: bool = False) -> bool:
    """Writes a dump whenever the signal arrives, whatever the interpreter is doing; the process goes on.

    ``chain=True`` calls the handler that was there before, too. Returns whether that is in force. Signals that mean a
    crash raise ValueError: :func:`enable` is for those.
    """
    handler = _handler.load()
    if handler is None:
        return False
    with handler.lock:
        result = handler.register(int(signum), int(chain))
    if result < 0:
        raise ValueError(f"signal {int(signum)} cannot be registered, use enable() instead")
    return True


def unregister(signum: int) -> bool:
    """Undoes :func:`register`; whether there was something to undo."""
    handler = _handler.loaded()
    if handler is None:
        return False
    with handler.lock:
        return bool(handler.unregister(int(signum)))


def dump_later(seconds: float, exit: bool = False) -> bool:
    """Writes a dump after so many seconds, unless :func:`cancel_dump_later` is called before; with ``exit``, the process
    then ends with status 1. One at a time: a second call replaces the first. Works where the interpreter hangs.
    """
    if seconds <= 0:
        raise ValueError("seconds must be greater than 0")
    handler = _handler.load()
    if handler is None:
        return False
    with handler.lock:
        return bool(handler.dump_later(max(1, int(seconds * 1000)), int(exit)) == 0)


def cancel_dump_later() -> None:
    """Undoes :func:`dump_later`."""
    handler = _handler.loaded()
    if handler is not None:
        with handler.lock:
            handler.cancel_dump_later()


def _copy_of_stderr() -> int:
    try:
        return os.dup(2)
    except OSError:
        return -1
