"""What a program says of itself in advance: notes and breadcrumbs, kept in memory until a dump is written."""

import logging
from typing import Optional

from . import _handler


def annotate(key: str, value: Optional[object]) -> bool:
    """Keeps ``str(value)`` under ``key`` for dumps to come; None removes it. Returns whether it is kept.

    There is room for 64 keys of 56 bytes, and for 424 bytes of each value. Costs about a microsecond; never blocks.
    """
    handler = _handler.load()
    if handler is None:
        return False
    name = key.encode("utf-8", "replace")
    if value is None:
        return bool(handler.annotate(name, len(name), None, 0))
    text = str(value).encode("utf-8", "replace")
    return bool(handler.annotate(name, len(name), text, len(text)))


def breadcrumb(text: str) -> bool:
    """Keeps a line of text with the time, for dumps to come. The last 256 are kept, of each the first 232 bytes."""
    handler = _handler.load()
    if handler is None:
        return False
    line = text.encode("utf-8", "replace")
    return bool(handler.breadcrumb(line, len(line)))


class LogHandler(logging.Handler):
    """A handler for :mod:`logging` that keeps the last ``capacity`` records as breadcrumbs, 256 at most.

    Only what a formatter makes of a record is kept, by default level, logger and message. The ring is one for the
    process: ``capacity`` counts breadcrumbs of whatever origin.
    """

    def __init__(self, capacity: int = 100, level: int = logging.NOTSET) -> None:
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        super().__init__(level)
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        handler = _handler.load()
        if handler is not None:
            handler.breadcrumbs_wanted(min(capacity, 256))

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a record."""
        try:
            breadcrumb(self.format(record))
        except Exception:
            self.handleError(record)
