"""pytest plugin: crashes of the run and of pytest-xdist's workers are captured, with the test that ran.

Off unless ``--coldframe``, the ini option ``coldframe`` or ``coldframe run --junit`` turns it on. Under ``coldframe run``
capture is on already; then the plugin tells which test is running, puts reports into the failures of pytest-xdist, and
notes what the report of the tests is made from where pytest does not live to write it.
"""

import os
import subprocess
import time
from typing import Any, Dict, Iterator, List, Optional, Set

import pytest

from . import _capture, _handler
from ._analyze import AnalyzeError, analyze
from ._binary import find
from ._notes import annotate, breadcrumb
from ._test_log import TestLog

# How much of a report goes into a failure: a CI log has to hold it.
_MAX_REPORT = 30_000


def pytest_addoption(parser: Any) -> None:
    """The options."""
    group = parser.getgroup("coldframe", "crash capture")
    group.addoption(
        "--coldframe", action="store_true", default=False, help="capture crashes of this run and of xdist's workers"
    )
    group.addoption("--coldframe-dir", metavar="DIR", default=None, help="where dumps go [./coldframe-dumps]")
    group.addoption(
        "--coldframe-no-locals", action="store_true", default=False, help="leave values of variables out of dumps"
    )
    parser.addini("coldframe", "capture crashes, as --coldframe does", type="bool", default=False)
    parser.addini("coldframe_dir", "where dumps go, relative to the root folder", default="")


def pytest_configure(config: Any) -> None:
    """Turns capture on where that is wanted. pytest has not redirected descriptor 2 yet."""
    worker: Dict[str, Any] = getattr(config, "workerinput", {})
    # Of the process that writes the report; workers are told by it.
    log = None if worker else TestLog.taken()
    captures = bool(config.getoption("coldframe", False) or config.getini("coldframe") or "coldframe_dir" in worker)
    if captures or log is not None:
        config.pluginmanager.register(Plugin(config, captures, log), "coldframe-capture")


class Crash:
    """A dump that this run left."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.facts: Dict[str, Any] = {}
        self.text = ""
        try:
            self.facts = analyze(path)
            command = [find() or "coldframe", "analyze", "--format", "short", "--color", "never", "--", path]
            output = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
            self.text = output.stdout.decode(errors="replace")
        except (AnalyzeError, OSError, ValueError) as error:
            self.text = f"{path}: {error}\n"
        if len(self.text) > _MAX_REPORT:
            # The last line names the crash.
            last = self.text.rstrip().rsplit("\n", 1)[-1]
            self.text = f"{self.text[:_MAX_REPORT]}\n...\nmore: coldframe analyze {path}\n{last[:1000]}\n"

    @property
    def pid(self) -> Optional[int]:
        """The process, in its own pid namespace."""
        pid: Optional[int] = self.facts.get("process", {}).get("pid")
        return pid

    @property
    def test(self) -> Optional[str]:
        """The test that ran."""
        test: Optional[str] = self.facts.get("annotations", {}).get("test")
        return test

    @property
    def summary(self) -> str:
        """One line."""
        lines = [line for line in self.text.splitlines() if line.startswith("SUMMARY:")]
        return lines[-1] if lines else self.text.strip().splitlines()[-1] if self.text.strip() else self.path


class Plugin:
    """Capture in one process: the run, its controller under pytest-xdist, or one of its workers."""

    def __init__(self, config: Any, captures: bool, log: Optional[TestLog]) -> None:
        self.config = config
        self.log = log
        self.began = time.time()
        self.crashes: List[Crash] = []
        self.seen: Set[str] = set()
        self.folder: Optional[str] = None
        self.has_collected = False
        worker: Dict[str, Any] = getattr(config, "workerinput", {})
        folder = worker.get("coldframe_dir") or config.getoption("coldframe_dir", None)
        if not folder and config.getini("coldframe_dir"):
            folder = os.path.join(str(config.rootpath), config.getini("coldframe_dir"))
        # A parent that outlives the crash prints the report; else the dying process has to.
        report = "none" if worker else "short"
        if captures and _capture.enable(
            dir=folder,
            locals=not config.getoption("coldframe_no_locals", False),
            report=report,
        ):
            self.folder = _capture._folder
        self.forks_tests = report != "none" and bool(self.folder and config.getoption("forked", False))
        self.is_watched = self._is_watched()
        if self.is_watched:
            self.folder = os.environ.get("COLDFRAME_DIR") or None
        if worker:
            annotate("worker", worker.get("workerid", "?"))
        if not worker:
            self.seen.update(self._dumps())

    @staticmethod
    def _is_watched() -> bool:
        """Whether ``coldframe run`` captures, and prints what it captures."""
        handler = _handler.loaded()
        return handler is not None and handler.is_preloaded

    def pytest_report_header(self) -> str:
        """Says where dumps go."""
        if self.is_watched:
            return "coldframe: crashes are captured by coldframe run"
        return f"coldframe: dumps go to {self.folder}" if self.folder else "coldframe: crashes are not captured"

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Has xdist's workers use the same folder."""
        if self.folder:
            node.workerinput["coldframe_dir"] = self.folder

    def pytest_collection_finish(self, session: Any) -> None:
        """Notes what is going to be run."""
        if self.log and not self._is_controller():
            self.log.collected([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: List[str]) -> None:
        """The same of xdist's workers: each collects everything."""
        if self.log and not self.has_collected:
            self.has_collected = True
            self.log.collected(ids)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        """pytest-forked: this process outlives a crash in the child of a test."""
        if self.forks_tests:
            _capture._report_as("none")
        yield
        if self.forks_tests:
            _capture._report_as("short")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Notes which test runs; in a controller, which runs none, in the log only."""
        if self.log:
            self.log.started(nodeid)
        if not self._is_controller():
            annotate("test", nodeid)
            breadcrumb(f"test {nodeid}")

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """The test is over; the next one may be long in coming."""
        if not self._is_controller():
            annotate("test", None)

    def _is_controller(self) -> bool:
        return bool(getattr(self.config.option, "tx", None)) and not hasattr(self.config, "workerinput")

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_handlecrashitem(self, crashitem: str, report: Any) -> None:
        """xdist: a worker died. Its report goes into the failure, and so into JUnit files."""
        pid = getattr(getattr(report, "node", None), "workerinfo", {}).get("pid")
        crashes = self._new_crashes()
        own = [crash for crash in crashes if crash.pid == pid or crash.test == crashitem]
        if own:
            report.longrepr = "\n\n".join([str(report.longrepr), *(crash.text for crash in own)])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        """Notes how a test ended. pytest-forked: the child of a test died, or a process that a test forked."""
        if self.log and (report.when == "call" or report.outcome != "passed"):
            self.log.ended(report.nodeid, report.outcome, report.duration, report.longreprtext)
        if not report.failed or hasattr(self.config, "workerinput"):
            return
        for crash in self._new_crashes():
            if crash.test != report.nodeid:
                continue
            # pytest-forked has a line of text for the child's death. JUnit files have that, but no sections of ours.
            if isinstance(report.longrepr, str):
                report.longrepr = f"{report.longrepr}\n\n{crash.text}"
            else:
                report.sections.append(("coldframe", crash.text))

    def _new_crashes(self) -> List[Crash]:
        """The dumps that have come since the last call."""
        found: List[Crash] = []
        for name, path in sorted(self._dumps().items()):
            if name not in self.seen:
                self.seen.add(name)
                crash = Crash(path)
                # It may have been put elsewhere meanwhile.
                found.append(crash if crash.facts else Crash(self._dumps().get(name, path)))
        self.crashes.extend(found)
        return found

    def _dumps(self) -> Dict[str, str]:
        """The dumps there are, path by name. ``coldframe run --artifacts`` sorts them into folders."""
        found: Dict[str, str] = {}
        for folder, _, names in os.walk(self.folder or ""):
            found.update({name: os.path.join(folder, name) for name in names if name.endswith(".dmp")})
        return found

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Lists the crashes of the run."""
        if self.is_watched:
            return
        self._new_crashes()
        if not self.crashes:
            return
        terminalreporter.section(f"coldframe: {len(self.crashes)} crash{'es' * (len(self.crashes) > 1)}", sep="=")
        for crash in self.crashes:
            terminalreporter.write_line(crash.test or "no test was running")
            terminalreporter.write_line(f"  {crash.summary}")
            terminalreporter.write_line(f"  more: coldframe analyze {crash.path}")
