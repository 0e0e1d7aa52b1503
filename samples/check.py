#!/usr/bin/env python3
"""Run every sample and compare what happens with what its header says (README.md).

    python3 samples/check.py [--python PATH]... [--gdb] [SAMPLE]...

The Python stack comes from faulthandler and from oracle.py, both part of the crashing process; with --gdb the native
frames, signal code, address and pc are compared as well. Exit code 1 on any mismatch. Leaves nothing behind.
"""

import argparse
import fnmatch
import json
import operator
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

SAMPLES = Path(__file__).resolve().parent
FAULTHANDLER_FRAMES = 100  # it prints no more
TIMEOUT = 120

SINGLE = {
    *("signal", "code", "address", "pc", "exception", "raised", "process", "ends", "thread"),
    *("stderr", "stack", "python", "values", "evaluator", "command", "builds"),
}
REPEATED = {
    *("build", "frame", "native", "other", "qualname", "unset", "trace", "profile", "tool", "instrumented", "state"),
    "part",
    *("finding", "title", "work"),
}
SCOPES = {"argument", "local", "cell", "free"}
# si_code by the name that headers use, for one signal or for all (None).
CODES = {
    (None, "SI_KERNEL"): 128,
    (None, "SI_TKILL"): -6,
    (None, "SI_USER"): 0,
    ("SIGSEGV", "SEGV_MAPERR"): 1,
    ("SIGSEGV", "SEGV_ACCERR"): 2,
    ("SIGBUS", "BUS_ADRERR"): 2,
    ("SIGFPE", "FPE_INTDIV"): 1,
    ("SIGILL", "ILL_ILLOPN"): 2,
}
COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}


class HeaderError(Exception):
    """A header that does not follow README.md."""


class Frame:
    """One Python frame of the crashed thread: function, file suffix and, for files in samples/, the line."""

    def __init__(self, function, file, line, interpreter=None):
        self.function, self.file, self.line, self.interpreter = function, file, line, interpreter

    def matches(self, function, file, line):
        if function != self.function or (self.line and line != self.line):
            return False
        return file == self.file or file.endswith("/" + self.file)

    def __str__(self):
        return f"{self.function} {self.file}:{self.line or '?'}"


class Header:
    """The directives of one sample that apply to one version of Python."""

    def __init__(self, path, version):
        self.path = path
        self.single, self.repeated, self.variables = {"process": "main"}, {key: [] for key in REPEATED}, []
        self.markers = read_markers(path)
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not text.startswith("#: "):
                break
            try:
                self._add(text[3:], version)
            except (HeaderError, ValueError) as error:
                raise HeaderError(f"{path.name}:{number}: {error}") from None
        for key in "signal", "ends", "thread":
            if key not in self.single:
                raise HeaderError(f"{path.name}: no `{key}`")
        self.natives = [self._native(text) for text in self.repeated["native"]]
        self.frames = [frame for text in self.repeated["frame"] for frame in self.parse_frames(text)]
        # An interpreter knows of its own frames only.
        self.seen = [frame for frame in self.frames if frame.interpreter == self.frames[0].interpreter]
        # Of such a thread neither faulthandler nor the oracle knows.
        self.is_native = self.single["thread"] == "native"

    def applies(self, version):
        return matches_version(self.single.get("python", ">=3.0"), version)

    def _add(self, text, version):
        match = re.fullmatch(r"([a-z]+)(?:\[([^]]+)\])?: (.+)", text)
        if not match:
            raise HeaderError(f"not a directive: {text}")
        key, condition, value = match.groups()
        if key not in SINGLE | REPEATED | SCOPES:
            raise HeaderError(f"unknown directive `{key}`")
        if condition and not matches_version(condition, version):
            return
        if key in SINGLE:
            self.single[key] = value
        elif key in REPEATED:
            self.repeated[key].append(value)
        else:
            variable = re.fullmatch(r"(\S+) (\S+) ([=~]) (.+)", value)
            if not variable:
                raise HeaderError(f"not `FUNCTION NAME = REPR`: {value}")
            self.variables.append((key, *variable.groups()))

    def _native(self, text):
        """`GLOB [in MODULE-GLOB] [*COUNT | *>COUNT]`"""
        match = re.fullmatch(r"(\S+)(?: in (\S+))?(?: \*(>?)(\d+))?", text)
        if not match:
            raise HeaderError(f"{self.path.name}: not a native frame: {text}")
        name, module, more_than, count = match.groups()
        return text, name, module or "*", bool(more_than), int(count or 0)

    def parse_frames(self, text):
        """`FUNCTION [FILE] [@MARK] [%INTERPRETER] [*COUNT]` as that many frames."""
        match = re.fullmatch(r"(\S+)(?: (<[^>]+>|[^@*%\s]\S*))?(?: @(\S+))?(?: %(\d+))?(?: \*(\d+))?", text)
        if not match or not (match[2] or match[3]):
            raise HeaderError(f"{self.path.name}: not a frame: {text}")
        function, file, mark, interpreter, count = match.groups()
        if mark and mark not in self.markers:
            raise HeaderError(f"{self.path.name}: no line is marked #@{mark}")
        return [Frame(function, file or self.path.name, self.markers.get(mark), interpreter)] * int(count or 1)


def read_markers(path):
    """Line numbers by marker: comments `#@name` that end a line."""
    markers = {}
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        tail = re.search(r"(?:\s+#@[\w-]+)+$", text)
        for name in re.findall(r"#@([\w-]+)", tail[0]) if tail else ():
            if name in markers:
                raise HeaderError(f"{path.name}:{number}: marker #@{name} occurs twice")
            markers[name] = number
    return markers


def matches_version(condition, version):
    """Whether a (major, minor) satisfies `>=3.9,<3.12`."""
    for part in condition.split(","):
        match = re.fullmatch(r"(<=|>=|==|<|>)3\.(\d+)", part.strip())
        if not match:
            raise HeaderError(f"not a version condition: {condition}")
        if not COMPARISONS[match[1]](version, (3, int(match[2]))):
            return False
    return True


QUERY = """
import os, platform, sys, sysconfig
get = sysconfig.get_config_var
folder, name = get("LIBDIR") or "", get("INSTSONAME") or ""
names = [name, "libpython%s.so.1.0" % get("LDVERSION")]
found = [os.path.join(folder, name) for name in names if ".so" in name and os.path.isfile(os.path.join(folder, name))]
embed = "-L%s -lpython%s -Wl,-rpath,%s" % (folder, get("LDVERSION"), folder) if found else ""
print(platform.python_version(), sysconfig.get_path("include"), sys.base_prefix, found[0] if found else "", embed, get("Py_DEBUG") or 0, sep="\\n")
"""


class Impossible(Exception):
    """A sample that this build of Python cannot run."""


class Python:
    """One interpreter under test."""

    def __init__(self, path):
        self.path = path
        answer = subprocess.check_output([path, "-c", QUERY], text=True).split("\n")
        self.release, self.include, self.prefix, self.libpython, self.embed = answer[:5]
        self.is_debug = answer[5] == "1"
        self.version = tuple(int(part) for part in self.release.split(".")[:2])


class Check:
    """One sample on one Python: everything that differs from the header ends up in `problems`."""

    def __init__(self, python, header, folder):
        self.python, self.header, self.folder = python, header, folder
        self.problems = []

    def expect(self, what, expected, found):
        if expected != found:
            self.problems.append(f"{what}: expected {expected}, found {found}")

    def _words(self, command):
        python = self.python
        if not python.libpython and ("{embed}" in command or "{libpython}" in command):
            raise Impossible
        names = {name: getattr(python, name) for name in ("include", "prefix", "libpython", "embed")}
        return command.format(python=python.path, out=self.folder, sample=self.header.path, **names).split()

    def run(self, with_gdb):
        for command in self.header.repeated["build"]:
            environment = dict(os.environ, CPATH=str(Path(self.python.include).parent))
            subprocess.run(self._words(command), cwd=SAMPLES, env=environment, check=True)
        oracle = self.folder / "oracle.json"
        observers = {
            "PYTHONFAULTHANDLER": "1",  # -X faulthandler would not reach every grandchild
            "COLDFRAME_ORACLE": str(oracle),
        }
        environment = {name: value for name, value in os.environ.items() if name not in observers}
        environment.update(PYTHONPATH=f"{self.folder}:{SAMPLES}", PYTHONDONTWRITEBYTECODE="1")
        command = self._words(self.header.single.get("command", "{python} {sample}"))

        # First as users run it: the crash must not depend on those who watch.
        returncode, _, stderr = self._execute(command, environment)
        self.check_end(returncode)
        if self.header.single.get("stderr", "") not in stderr:
            self.problems.append(f"stderr lacks: {self.header.single['stderr']}")

        environment.update(observers)
        returncode, _, stderr = self._execute(command, environment)
        self.check_end(returncode)
        if not oracle.exists():
            self.problems.append("the oracle was not written")
        elif not self.header.is_native:
            self.check_faulthandler(stderr)
            self.check_oracle(json.loads(oracle.read_text(encoding="utf-8")))
        if "values" in self.header.single:
            self.check_values(oracle.with_name("oracle.json.tsv"))
        if with_gdb:
            self.check_gdb(command, environment)
        return self.problems

    def _execute(self, command, environment):
        """Exit code as subprocess has it, stdout, stderr."""
        done = subprocess.run(
            command, env=environment, cwd=self.folder, preexec_fn=self._limits, capture_output=True, timeout=TIMEOUT
        )
        return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")

    def _limits(self):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would be left lying about
        if "stack" in self.header.single:
            hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
            resource.setrlimit(resource.RLIMIT_STACK, (int(self.header.single["stack"]), hard))

    def check_end(self, returncode):
        found = f"signal {signal.Signals(-returncode).name}" if returncode < 0 else f"exit {returncode}"
        self.expect("ends", self.header.single["ends"], found)

    def check_faulthandler(self, stderr):
        """faulthandler prints every thread; the crashed one is `Current thread`."""
        match = re.search(r"^Current thread .*\n((?:  .*\n)*)", stderr, re.MULTILINE)
        if not match:
            self.problems.append(f"faulthandler printed no current thread: {stderr[-300:]!r}")
            return
        found = re.findall(r'^  File "(.*)", line (\d+) in (.*)$', match[1], re.MULTILINE)
        expected = self.header.seen
        if len(expected) < len(self.header.frames) and self.python.version < (3, 12):
            # It shows what the thread ran first.
            expected = [frame for frame in self.header.frames if frame not in expected]
        # Later releases of 3.13 and newer versions count the runs of the interpreter loop among the frames.
        counts_runs = len(found) == FAULTHANDLER_FRAMES // 2 and self.python.version >= (3, 13)
        expected = expected[: len(found) if counts_runs else FAULTHANDLER_FRAMES]
        self.expect("faulthandler: number of frames", len(expected), len(found))
        for index, (frame, (file, line, function)) in enumerate(zip(expected, found)):
            # faulthandler writes names that are not ASCII as escapes
            written = Frame(ascii_escape(frame.function), ascii_escape(frame.file), frame.line)
            if not written.matches(function, file, int(line)):
                self.problems.append(f"faulthandler, frame {index}: expected {frame}, found {function} {file}:{line}")

    def check_oracle(self, oracle):
        threads = {"main" if thread["main"] else thread["name"]: thread for thread in oracle["threads"]}
        (crashed,) = [name for name, thread in threads.items() if thread["crashed"]]
        others = [frame for frame in self.header.frames if frame not in self.header.seen]
        if not others:
            # Subinterpreters do not know who runs them.
            self.expect("crashed thread", self.header.single["thread"], crashed)
        exception = oracle["exception"]
        self.expect("exception", self.header.single.get("exception"), exception and exception["repr"])
        # The header's frames may go on inside of the function that called the oracle.
        found = threads[crashed]["frames"]
        inner = len(self.header.seen) - len(found)
        if inner < 0:
            self.problems.append(f"oracle: {len(found)} frames, more than the header's {len(self.header.seen)}")
            return
        for index, (frame, entry) in enumerate(zip(self.header.seen[inner:], found)):
            # Frame 0 goes from the oracle's line on to the line of the crash.
            line = entry["line"] if index else frame.line
            if not frame.matches(entry["function"], entry["file"], line):
                self.problems.append(f"oracle, frame {index}: expected {frame}, found {entry}")
        self.check_names(found, {frame.function for frame in self.header.seen[:inner] + others})
        for text in self.header.repeated["other"] if not others else ():
            thread, text = text.split(maxsplit=1)
            (frame,) = self.header.parse_frames(text)
            entries = threads.get(thread, {"frames": []})["frames"]
            if not any(frame.matches(entry["function"], entry["file"], entry["line"]) for entry in entries):
                self.problems.append(f"thread {thread} is not at {frame}: {entries[:2]}")

    def check_names(self, found, beyond_oracle):
        """Qualified names and variables, by the innermost frame of the function."""
        frames = {}
        for entry in found:
            frames.setdefault(entry["function"], entry)
        for text in self.header.repeated["qualname"]:
            function, qualname = text.split()
            if "qualname" in frames[function]:
                self.expect(f"qualname of {function}", qualname, frames[function]["qualname"])
        unset = [("unset", *text.split(), "=", None) for text in self.header.repeated["unset"]]
        for scope, function, name, kind, text in self.header.variables + unset:
            if function in beyond_oracle:
                continue  # called after the oracle was asked
            what = f"{scope} {function} {name}"
            variables = {variable["name"]: variable for variable in frames.get(function, {"locals": []})["locals"]}
            if name not in variables:
                self.problems.append(f"{what}: no such variable")
            elif scope == "unset":
                self.expect(f"{what} is set", False, variables[name]["set"])
            else:
                self.expect(what, scope, variables[name]["scope"])
                value = variables[name].get("repr", "<unset>")
                if not (value == text if kind == "=" else fnmatch.fnmatchcase(value, text)):
                    self.problems.append(f"{what}: expected {text}, found {value}")

    def check_values(self, path):
        lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
        broken = [line for line in lines[:-1] if line.count("\t") != 3]
        if len(lines) < 2 or broken:
            self.problems.append(f"values: {len(lines)} lines, of which broken: {broken}")

    def check_gdb(self, command, environment):
        """Native frames, siginfo and pc, from gdb at the moment of the signal."""
        process = self.header.single["process"]
        gdb = [
            *["gdb", "-batch", "-nx"],
            *["-iex", "set debuginfod enabled off", "-iex", "set auto-load off", "-ex", "set width 0"],
            *["-ex", "set startup-with-shell off", "-ex", "set print thread-events off"],
            # A child that crashes has siblings (multiprocessing's resource tracker), so follow them all.
            *(["-ex", "set detach-on-fork off", "-ex", "set schedule-multiple on"] if process != "main" else []),
            *["-ex", "run", "-ex", "echo \\n===\\n"],
            *["-ex", GDB_SIGINFO, "-ex", GDB_FRAMES, "-ex", "kill", "--args", *command],
        ]
        _, stdout, stderr = self._execute(gdb, environment)
        before, _, output = stdout.partition("\n===\n")
        received = re.search(r"received signal (\w+)", before)
        self.expect("gdb: signal", self.header.single["signal"], received and received[1])
        siginfo = re.search(r"code (-?\d+) address (\S+) pc (\S+)", output)
        if not siginfo:
            self.problems.append(f"gdb: {(output + stderr)[-300:]!r}")
            return
        if "code" in self.header.single:
            signals = (None, self.header.single["signal"])
            names = {code: name for (of, name), code in CODES.items() if of in signals}
            self.expect("gdb: code", self.header.single["code"], names.get(int(siginfo[1]), siginfo[1]))
        for key, found in ("address", siginfo[2]), ("pc", siginfo[3]):
            if key in self.header.single:
                self.expect(f"gdb: {key}", int(self.header.single[key], 16), int(found, 16))
        frames = [line.split("\t")[1:] for line in output.splitlines() if line.startswith("frame\t")]
        self.check_native(frames)

    def check_native(self, frames):
        """The header's native frames must appear in this order, with any others between them."""
        position = 0
        for text, name, module, more_than, count in self.header.natives:

            def fits(frame):
                return fnmatch.fnmatchcase(frame[0], name) and fnmatch.fnmatchcase(frame[1], module)

            while position < len(frames) and not fits(frames[position]):
                position += 1
            if position == len(frames):
                self.problems.append(f"gdb: no native frame `{text}` in order, in {frames[:60]}")
                return
            first = position
            position += 1
            while count and position < len(frames) and fits(frames[position]):
                position += 1
            found = position - first
            if count and not (found > count if more_than else found == count):
                self.problems.append(f"gdb: {found} native frames `{text}`")


GDB_SIGINFO = (
    'printf "code %d address %#lx pc %#lx\\n",'
    " $_siginfo.si_code, (long)$_siginfo._sifields._sigfault.si_addr, (long)$pc"
)
# Not `bt`: it does not print a frame's module when it knows the function's file.
GDB_FRAMES = """python
frame = gdb.newest_frame()
while frame is not None:
    module = gdb.solib_name(frame.pc()) or (gdb.current_progspace().filename if frame.pc() else "")
    print("frame", frame.name() or "??", module.rsplit("/", 1)[-1], sep="\\t")
    frame = frame.older()
"""


def ascii_escape(text):
    return text.encode("ascii", "backslashreplace").decode("ascii")


def samples(names):
    """The samples are the programs that begin with a directive."""
    wanted = {Path(name).stem for name in names}
    found = [path for path in sorted(SAMPLES.glob("*.py")) if path.read_text(encoding="utf-8").startswith("#: ")]
    unknown = wanted - {path.stem for path in found}
    if unknown:
        sys.exit(f"check.py: no such sample: {', '.join(sorted(unknown))}")
    return [path for path in found if not wanted or path.stem in wanted]


def check(path, python, with_gdb):
    """The problems of one sample on one Python; None where it does not apply."""
    try:
        header = Header(path, python.version)
        builds = {header.single.get("builds")} - {None}
        if not header.applies(python.version) or builds and builds != {"debug" if python.is_debug else "release"}:
            return None
        with tempfile.TemporaryDirectory(prefix="coldframe-samples-") as folder:
            return Check(python, header, Path(folder)).run(with_gdb)
    except Impossible:
        return None
    except (subprocess.SubprocessError, HeaderError) as error:
        return [str(error)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", metavar="PATH", help="may be given more than once")
    parser.add_argument("--gdb", action="store_true", help="compare native frames and siginfo too")
    parser.add_argument("sample", nargs="*", help="default: all")
    options = parser.parse_args()
    pythons = [Python(path) for path in options.python or [sys.executable]]
    paths = samples(options.sample)

    problems = []
    width = max(len(path.stem) for path in paths)
    print(" " * width, *(f"{python.release:>8}" for python in pythons))
    for path in paths:
        print(f"{path.stem:{width}}", end="", flush=True)
        for python in pythons:
            found = check(path, python, options.gdb)
            verdict = "-" if found is None else "FAIL" if found else "ok"
            print(f" {verdict:>8}", end="", flush=True)
            problems += [f"{path.stem} on {python.path}: {problem}" for problem in found or ()]
        print()
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
