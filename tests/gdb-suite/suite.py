"""Runs CPython's own Lib/test/test_gdb on installed builds, with CPython's gdb helper and with coldframe's.

    python3 tests/gdb-suite/suite.py [OPTIONS] HELPER PYTHON...

HELPER is what `coldframe helpers gdb` printed. Prints a Markdown table: how many tests pass with each helper, on the
build as it is and, with --stripped, without debug information (a copy of libpython after strip -g, or gdb kept from
separate debug files); then each test that differs. Exit status 1 where a test passes with CPython's helper and not with
coldframe's.

The suite finds the helper beside sys.executable, under the name python-gdb.py, and skips itself on builds that are
installed or optimised; so the interpreter is copied into a folder with the helper, and runs the suite itself with those
two questions answered otherwise. Distributions leave the suite out: --suite Lib names the folder of CPython's sources
that has it, of the same minor version, and --debug-files where their separate debug files are.
"""

import argparse
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile


def run_inside(only, without, debugger):
    """Inside the interpreter under test: runs the suite, prints results as JSON on the last line."""
    import sysconfig
    import unittest

    from test import support

    sysconfig.is_python_build = lambda *arguments: True
    for name in ("python_is_optimized", "check_cflags_pgo", "check_bolt_optimized"):
        setattr(support, name, lambda *arguments: False)
    support.use_resources = None
    if debugger == "lldb":
        unittest.TestCase.assertIn = in_either_frame
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
            sys.stderr.write("%s: skipped: %s\n" % (test.id(), reason))

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
    suite = unittest.TestSuite(test for test in flat(loaded) if only in test.id() and not (without and without in test.id()))
    suite.run(Result())
    print(json.dumps(outcomes))


def in_either_frame(test, member, container, message=None):
    """`assertIn`, for lldb: it stops in what was inlined into a function, and counts that as a frame. From 3.11 on the suite
    takes either number itself."""
    twin = member.replace("#1 <built-in", "#2 <built-in") if isinstance(member, str) else member
    if member not in container and twin not in container:
        test.fail(message or "%r not found in %r" % (member, container))


def outcomes(python, helper, options, stripped):
    """Results by test of one interpreter with one helper; None where there is no suite."""
    folder = tempfile.mkdtemp(prefix="coldframe-gdb-suite-")
    try:
        # The standard library is searched for from the executable upwards.
        place = os.path.join(folder, "bin")
        os.mkdir(place)
        copy = os.path.join(place, "python")
        shutil.copy(os.path.realpath(python), copy)
        shutil.copy(helper, os.path.join(place, "python-gdb.py"))
        os.symlink(os.path.join(asked(python, "sys.prefix"), "lib"), os.path.join(folder, "lib"))
        environment = dict(os.environ)
        settings = []
        if stripped:
            settings.append("set debug-file-directory %s" % place)
            library = library_of(python)
            if library is None:
                subprocess.check_call(["strip", "-g", copy])
            else:
                subprocess.check_call(["strip", "-g", "-o", os.path.join(folder, os.path.basename(library)), library])
                environment["LD_LIBRARY_PATH"] = folder
                # For the program alone: gdb may be made with the same libpython.
                settings.append("set environment LD_LIBRARY_PATH %s" % folder)
        elif options.debug_files:
            settings.append("set debug-file-directory %s" % options.debug_files)
        # Of a function whose code is in several places lldb 19 takes the first one, which may be the least used.
        places = places_of(copy, environment) if stripped or options.lldb else {}
        place = gdb_for(folder, settings, options, places)
        environment["PATH"] = "%s:%s" % (place, environment["PATH"])
        if options.suite:
            tests = os.path.join(folder, "suite")
            os.mkdir(tests)
            os.symlink(os.path.join(os.path.abspath(options.suite), "test"), os.path.join(tests, "test"))
            environment["PYTHONPATH"] = tests
        command = [copy, os.path.abspath(__file__), "--inside", options.only, options.without]
        command.append("lldb" if options.lldb else "gdb")
        done = subprocess.run(
            command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
        sys.stderr.write(done.stderr.decode("utf-8", "replace"))
        return json.loads(lines[-1]) if lines and lines[-1].startswith("{") else None
    finally:
        shutil.rmtree(folder)


def gdb_for(folder, settings, options, places):
    """A folder with a `gdb` that begins with these settings, and breaks at these places (wrapper.py)."""
    place = os.path.join(folder, "gdb")
    wrapper = os.path.join(place, "gdb")
    os.mkdir(place)
    debugger = shutil.which(options.lldb or "gdb")
    with open(wrapper, "w") as script:
        script.write("#!%s\nimport sys\n" % sys.executable)
        script.write("sys.dont_write_bytecode = True\nsys.path.insert(0, %r)\n" % os.path.dirname(os.path.abspath(__file__)))
        arguments = (debugger, bool(options.lldb), settings, places)
        script.write("import wrapper\nwrapper.main(*%r)\n" % (arguments,))
    os.chmod(wrapper, 0o755)
    return place


# Where functions are that the suite stops at, as objects tell: `PyMethodDef.ml_meth` of built-in functions, slots of types.
# What the collector begins with is inlined: the first that it calls for a dict stands for it.
FUNCTIONS = """
import json, os
from ctypes import c_void_p
word = lambda address: c_void_p.from_address(address).value
head = object.__basicsize__
built_in = lambda function: word(word(id(function) + head) + 8)
slot = lambda kind, place: word(id(kind) + head + 8 + place)
found = {"builtin_id": built_in(id), "wrapper_call": slot(type([].__len__), 104), "update_refs": slot(dict, 160)}
names = {}
try:
    import _testcapi
    # As debuggers see it: by the path that it is loaded from.
    names[os.path.realpath(_testcapi.__file__)] = _testcapi.__file__
    found.update((name, built_in(getattr(_testcapi, name))) for name in dir(_testcapi) if name.startswith("meth_"))
except ImportError:
    pass
ranges = []
for line in open("/proc/self/maps"):
    words = line.split()
    start, end = (int(word, 16) for word in words[0].split("-"))
    ranges.append((start, end, words[5] if len(words) > 5 else ""))
def place(address):
    path = next(path for start, end, path in ranges if start <= address < end)
    return names.get(path, path), address - min(start for start, _, other in ranges if other == path), address
print(json.dumps({name: place(address) for name, address in found.items()}))
"""


def places_of(python, environment):
    """By function: file and offset, or None and the address for the executable's own, without randomised addresses, as
    debuggers run programs. Only functions of which no symbol is left."""
    command = ["setarch", "-R", python, "-S", "-c", FUNCTIONS]
    found = json.loads(subprocess.check_output(command, env=environment).decode())
    places, symbols = {}, {}
    for name, (path, offset, address) in found.items():
        if path not in symbols:
            listing = subprocess.run(["nm", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
            symbols[path] = {line.split()[-1] for line in listing.decode().splitlines() if line.strip()}
        if name not in symbols[path]:
            is_own = os.path.realpath(path) == os.path.realpath(python)
            places[name] = (None, address) if is_own else (path, offset)
    return places


def asked(python, expression):
    """What an interpreter says of itself."""
    code = "import sys; print(%s)" % expression
    return subprocess.check_output([python, "-c", code]).decode().strip()


def library_of(python):
    """The shared library with CPython; None where it is in the executable."""
    # Of what is mapped: distributions build both, and say the same of both.
    return asked(python, "next((l.split()[-1] for l in open('/proc/self/maps') if '/libpython' in l), '')") or None


def version_of(python):
    """With the letters of a free-threaded and of a debug build."""
    return asked(python, "'%d.%d.%d' % sys.version_info[:3] + sys.abiflags")


def stock_helper(python, options):
    """CPython's own helper, as it was installed with that interpreter."""
    return options.stock or os.path.realpath(python) + "-gdb.py"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("helper", metavar="HELPER")
    parser.add_argument("pythons", metavar="PYTHON", nargs="+")
    parser.add_argument("--only", default="", help="only tests with this in their name")
    parser.add_argument("--without", default="", help="no tests with this in their name")
    parser.add_argument("--stripped", action="store_true", help="also without debug information")
    parser.add_argument("--stripped-only", action="store_true", help="without debug information alone")
    parser.add_argument("--suite", metavar="DIR", help="the folder Lib of CPython's sources, for builds without the suite")
    parser.add_argument("--debug-files", metavar="DIR", help="where gdb finds separate debug files")
    parser.add_argument("--stock", metavar="FILE", help="CPython's helper, where it does not lie beside the interpreter")
    parser.add_argument("--ours", action="store_true", help="coldframe's helper alone")
    parser.add_argument("--lldb", metavar="LLDB", help="run it on this lldb; HELPER is what `coldframe helpers lldb` printed")
    options = parser.parse_args()
    worse = False
    differences = []
    print("| CPython | tests | pass with CPython's helper | pass with coldframe's |")
    print("|---|---|---|---|")
    for python in options.pythons:
        for stripped in (True,) if options.stripped_only else (False, True) if options.stripped else (False,):
            # CPython has no helper for lldb.
            alone = options.lldb or options.ours
            stock = {"": "absent"} if alone else outcomes(python, stock_helper(python, options), options, stripped)
            ours = outcomes(python, options.helper, options, stripped)
            title = version_of(python) + (", no debug information" if stripped else "")
            if not stock or not ours:
                print("| %s | no suite | | |" % title)
                continue
            passed = [sum(1 for outcome in found.values() if outcome == "pass") for found in (stock, ours)]
            cells = (title, len(ours), "" if alone else passed[0], passed[1])
            print("| %s | %d | %s | %d |" % cells, flush=True)
            for test in sorted(ours if alone else set(stock) | set(ours)):
                before, after = stock.get(test, "absent"), ours.get(test, "absent")
                worse = worse or before == "pass" != after
                if alone:
                    differences += ["- %s, `%s`: %s" % (title, test, after)] if after != "pass" else []
                elif before != after:
                    differences.append("- %s, `%s`: %s with CPython's helper, %s with coldframe's" % (title, test, before, after))
                elif after != "pass":
                    differences.append("- %s, `%s`: %s with both" % (title, test, after))
    print()
    print("\n".join(differences))
    return 1 if worse else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        run_inside(*sys.argv[2:])
    else:
        sys.exit(main())
