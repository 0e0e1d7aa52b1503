"""The handler's library, by ctypes.

Under ``coldframe run`` it is preloaded and has its settings; otherwise it is loaded from where the command puts it. That
folder is checked by the command: only this user or root can change what is there.
"""

import ctypes
import functools
import json
import os
import subprocess
import threading
import warnings
from typing import Any, Dict, Optional, Sequence, Tuple

from . import _binary


class Handler:
    """The loaded library."""

    def __init__(self, library: ctypes.CDLL, preloaded: bool) -> None:
        self.is_preloaded = preloaded
        self.lock = threading.Lock()
        size, text = ctypes.c_size_t, ctypes.c_char_p
        for name, result, arguments in (
            ("annotate", ctypes.c_int, [text, size, text, size]),
            ("breadcrumb", ctypes.c_int, [text, size]),
            ("breadcrumbs_wanted", None, [ctypes.c_uint32]),
            ("cancel_dump_later", None, []),
            ("configure", ctypes.c_int, [ctypes.POINTER(text), ctypes.c_int]),
            ("disable", None, []),
            ("dump", ctypes.c_int, [text]),
            ("dump_exception", ctypes.c_int, []),
            ("dump_later", ctypes.c_int, [ctypes.c_uint64, ctypes.c_int]),
            ("enable", None, []),
            ("is_enabled", ctypes.c_int, []),
            ("register", ctypes.c_int, [ctypes.c_int, ctypes.c_int]),
            ("thread_begin", size, []),
            ("thread_end", None, [size]),
            ("unregister", ctypes.c_int, [ctypes.c_int]),
        ):
            function: Any = getattr(library, f"coldframe_{name}")
            function.restype = result
            function.argtypes = arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        # For type checkers: the functions above.
        raise AttributeError(name)


_lock = threading.Lock()
_handler: Optional[Handler] = None
_has_failed = False


def loaded() -> Optional[Handler]:
    """The library if it is there already."""
    global _handler
    if _handler is None:
        try:
            program = ctypes.CDLL(None)
            program.coldframe_is_enabled  # noqa: B018
            _handler = Handler(program, preloaded=True)
        except (OSError, AttributeError, TypeError):
            return None
    return _handler


def load(arguments: Sequence[str] = ()) -> Optional[Handler]:
    """The library, loaded if need be with those settings; None, after one warning, where that is not possible."""
    global _handler, _has_failed
    with _lock:
        if loaded() is None and not _has_failed:
            try:
                facts = settings(arguments)
                _handler = Handler(ctypes.CDLL(facts["handler"]), preloaded=False)
                configure(_handler, facts["variables"])
            except (OSError, ValueError, AttributeError, KeyError, subprocess.SubprocessError) as error:
                _has_failed = True
                warnings.warn(f"coldframe cannot capture this process: {error}", RuntimeWarning, stacklevel=3)
        return _handler


@functools.lru_cache(maxsize=1)
def _settings(binary: str, arguments: Tuple[str, ...]) -> str:
    output = subprocess.run(
        [binary, "env", "--format", "json", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    if output.returncode != 0:
        raise OSError(output.stderr.decode(errors="replace").strip() or f"{binary} failed")
    return output.stdout.decode()


def settings(arguments: Sequence[str]) -> Dict[str, Any]:
    """What the command says of the handler: its path, and the variables it wants."""
    binary = _binary.find()
    if binary is None:
        raise OSError(_binary.MISSING)
    facts: Dict[str, Any] = json.loads(_settings(binary, tuple(arguments)))
    return facts


def configure(handler: Handler, variables: Dict[str, str], report: int = -1) -> bool:
    """Gives the library its settings: this environment with those variables of ours."""
    ours = {os.fsencode(name): os.fsencode(value) for name, value in variables.items() if name.startswith("COLDFRAME_")}
    entries = [name + b"=" + value for name, value in {**os.environb, **ours}.items()]
    block = (ctypes.c_char_p * (len(entries) + 1))(*entries, None)
    return bool(handler.configure(block, report))
