"""The log of a test run that ``coldframe run --junit`` completes a report from, when a crash leaves none."""

import json
import os
from typing import Any, List, Optional

# Names the file; set by `coldframe run --junit`.
VARIABLE = "COLDFRAME_TEST_LOG"

# How much of a failure is noted.
_MAX_MESSAGE = 20_000


class TestLog:
    """Notes what is going to be run, and how each test ended: a line of JSON each, written at once."""

    __test__ = False

    def __init__(self, path: str) -> None:
        # Line by line: what is in a buffer is lost in a crash. Appended, because a forked test may write as well.
        self._file = open(path, "a", buffering=1, encoding="ascii")

    @classmethod
    def taken(cls) -> "Optional[TestLog]":
        """The log that the environment names. It is ours from then on: a test may run pytest, too."""
        path = os.environ.pop(VARIABLE, "")
        if not path:
            return None
        try:
            log = cls(path)
        except OSError:
            return None
        # If this process crashes after it has written the report, that is added.
        log._note(pid=os.getpid())
        return log

    def _note(self, **line: Any) -> None:
        try:
            self._file.write(json.dumps(line) + "\n")
        except (OSError, ValueError):
            # The tests matter more than their report.
            pass

    def collected(self, nodeids: List[str]) -> None:
        """What is going to be run."""
        self._note(collected=[_plain(nodeid) for nodeid in nodeids])

    def started(self, nodeid: str) -> None:
        """A test begins."""
        self._note(test=_plain(nodeid), outcome="started")

    def ended(self, nodeid: str, outcome: str, duration: float, message: str) -> None:
        """How it ended: ``passed``, ``failed`` or ``skipped``."""
        self._note(test=_plain(nodeid), outcome=outcome, duration=duration, message=_plain(message[:_MAX_MESSAGE]))


def _plain(text: str) -> str:
    """Without lone surrogates, which JSON readers refuse."""
    return text.encode("utf-8", "replace").decode("utf-8")
