"""Runs CPython's own Lib/test/test_gdb on installed builds, with CPython's gdb helper and with coldframe's.

    python3 tests/gdb-suite/suite.py [--only SUBSTRING] [--stripped] HELPER PYTHON...

HELPER is what `coldframe helpers gdb` printed. Prints a Markdown table: how many tests pass with each helper, on the
build as it is and, with --stripped, on a copy of libpython without debug information (strip -g); then each test that
differs. Exit status 1 where a test passes with CPython's helper and not with coldframe's.

The suite finds the helper beside sys.executable, under the name python-gdb.py, and skips itself on builds that are
installed or optimised; so the interpreter is copied into a folder with the helper, and runs the suite itself with those
two questions answered otherwise.
"""

import argparse
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile


def run_inside(only):
    """Inside the interpreter under test: runs the suite, prints results as JSON on the last line."""
    import sysconfig
    import unittest

    from test import support

    sysconfig.is_python_build = lambda *arguments: True
    for name in ("python_is_optimized", "check_cflags_pgo", "check_bolt_optimized"):
        setattr(support, name, lambda *arguments: False)
    support.use_resources = None
    folder = os.path.join(os.path.dirname(support.__file__), os.pardir, "test_gdb")
    names = ["test.test_gdb"]
    if os.path.isdir(folder):
        files = sorted(glob.glob(os.path.join(folder, "test_*.py")))
        names = ["test.test_gdb." + os.path.basename(name)[:-3] for name in files]
    outcomes = {}

    class Result(unittest.TestResult):
        def note(self, test, outcome):
            # A test with failing subtests is reported for each of them.
            name = getattr(test, "test_case", test).id().replace("test.test_gdb.", "")
            worst = ["pass", "skip", "fail", "error"]
            outcomes[name] = max(outcomes.get(name, "pass"), outcome, key=worst.index)

        def addSuccess(self, test):
            self.note(test, "pass")

        def addSkip(self, test, reason):
            self.note(test, "skip")

        def addFailure(self, test, error):
            self.note(test, "fail")
            self.explain(test, error)

        def addError(self, test, error):
            self.note(test, "error")
            self.explain(test, error)

        def addSubTest(self, test, subtest, error):
            if error is not None:
                self.note(test, "fail")
                self.explain(subtest, error)

        def explain(self, test, error):
            sys.stderr.write("%s: %s\n" % (test.id(), str(error[1])[-3000:]))

    def flat(suite):
        for test in suite:
            if isinstance(test, unittest.TestSuite):
                for inner in flat(test):
                    yield inner
            else:
                yield test

    loaded = unittest.defaultTestLoader.loadTestsFromNames(names)
    suite = unittest.TestSuite(test for test in flat(loaded) if only in test.id())
    suite.run(Result())
    print(json.dumps(outcomes))


def outcomes(python, helper, only, stripped):
    """Results by test of one interpreter with one helper; None where there is no suite."""
    folder = tempfile.mkdtemp(prefix="coldframe-gdb-suite-")
    try:
        shutil.copy(os.path.realpath(python), os.path.join(folder, "python"))
        shutil.copy(helper, os.path.join(folder, "python-gdb.py"))
        environment = dict(os.environ)
        if stripped:
            library = library_of(python)
            if library is None:
                return None
            copy = os.path.join(folder, os.path.basename(library))
            subprocess.check_call(["strip", "-g", "-o", copy, library])
            environment["LD_LIBRARY_PATH"] = folder
            environment["PATH"] = "%s:%s" % (gdb_for(folder), environment["PATH"])
        command = [os.path.join(folder, "python"), os.path.abspath(__file__), "--inside", only]
        done = subprocess.run(
            command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
        sys.stderr.write(done.stderr.decode("utf-8", "replace"))
        return json.loads(lines[-1]) if lines and lines[-1].startswith("{") else None
    finally:
        shutil.rmtree(folder)


def gdb_for(folder):
    """A folder with a `gdb` that gives LD_LIBRARY_PATH to the program alone: gdb may be made with the same libpython."""
    place = os.path.join(folder, "bin")
    wrapper = os.path.join(place, "gdb")
    os.mkdir(place)
    with open(wrapper, "w") as script:
        script.write("#!/bin/sh\nunset LD_LIBRARY_PATH\n")
        script.write('exec %s -iex "set environment LD_LIBRARY_PATH %s" "$@"\n' % (shutil.which("gdb"), folder))
    os.chmod(wrapper, 0o755)
    return place


def library_of(python):
    """The shared library with CPython; None where it is in the executable."""
    code = (
        "import sysconfig as s, os; v = s.get_config_var;"
        "print(os.path.join(v('LIBDIR'), v('INSTSONAME')) if v('Py_ENABLE_SHARED') else '')"
    )
    return subprocess.check_output([python, "-c", code]).decode().strip() or None


def version_of(python):
    return subprocess.check_output([python, "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"]).decode().strip()


def stock_helper(python):
    """CPython's own helper, as it was installed with that interpreter."""
    real = os.path.realpath(python)
    return real + "-gdb.py"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("helper", metavar="HELPER")
    parser.add_argument("pythons", metavar="PYTHON", nargs="+")
    parser.add_argument("--only", default="", help="only tests with this in their name")
    parser.add_argument("--stripped", action="store_true", help="also on libpython without debug information")
    options = parser.parse_args()
    worse = False
    differences = []
    print("| CPython | tests | pass with CPython's helper | pass with coldframe's |")
    print("|---|---|---|---|")
    for python in options.pythons:
        for stripped in (False, True) if options.stripped else (False,):
            stock = outcomes(python, stock_helper(python), options.only, stripped)
            ours = outcomes(python, options.helper, options.only, stripped)
            title = version_of(python) + (", no debug information" if stripped else "")
            if not stock or not ours:
                print("| %s | no suite | | |" % title)
                continue
            passed = [sum(1 for outcome in found.values() if outcome == "pass") for found in (stock, ours)]
            print("| %s | %d | %d | %d |" % (title, len(ours), passed[0], passed[1]), flush=True)
            for test in sorted(set(stock) | set(ours)):
                before, after = stock.get(test, "absent"), ours.get(test, "absent")
                worse = worse or before == "pass" != after
                if before != after:
                    differences.append("- %s, `%s`: %s with CPython's helper, %s with coldframe's" % (title, test, before, after))
                elif after != "pass":
                    differences.append("- %s, `%s`: %s with both" % (title, test, after))
    print()
    print("\n".join(differences))
    return 1 if worse else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        run_inside(sys.argv[2])
    else:
        sys.exit(main())
