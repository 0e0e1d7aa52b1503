"""How long the helpers take: py-bt on cores of a process with 35 threads and 250 modules, and of 1,000 frames of recursion.

    python3 tests/gdb-suite/speed.py [--lldb LLDB] GDB_HELPER LLDB_HELPER PYTHON...

The helpers are what `coldframe helpers` printed. Prints a Markdown table, for each debugger and helper (CPython's own beside
coldframe's): processor seconds for loading the helper, for the first py-bt, which finds the layout, for a second one, and
for py-bt in all threads; the debugger's own start is not counted. The kernel must put cores into the current folder
(core(5)).
"""

import argparse
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

MODULES = 250
THREADS = 34
# How long a debugger may take for one line of the table, in seconds.
LIMIT = 600
BIG = """
import ctypes, glob, os, shutil, sys, sysconfig, threading
folder = sys.argv[1]
source = next(iter(glob.glob(os.path.join(sysconfig.get_path("platstdlib"), "lib-dynload", "_heapq*.so"))))
for index in range(%d):
    copy = os.path.join(folder, "module%%d.so" %% index)
    shutil.copy(source, copy)
    ctypes.CDLL(copy)
never, started = threading.Event(), threading.Semaphore(0)
def inner(number, text):
    values = {number: text, "list": list(range(20))}
    started.release()
    never.wait()
def work(number):
    inner(number, "x" * number)
for index in range(%d):
    threading.Thread(target=work, args=(index,), daemon=True).start()
for index in range(%d):
    started.acquire()
def crash(argument):
    os.abort()
crash([1, 2, 3])
""" % (MODULES, THREADS, THREADS)
DEEP = """
import os, sys
sys.setrecursionlimit(5000)
def down(left, text):
    if not left:
        os.abort()
    down(left - 1, text)
down(1000, "some text")
"""
# What runs inside the debugger: it times each step, and prints a line that begins with the mark.
MARK = "coldframe-seconds"
INSIDE = """
import time
def timed(name, function):
    start = time.process_time()
    text = function() or ""
    print("%s %%s %%.3f %%d" %% (name, time.process_time() - start, text.count("  File ") + text.count("Frame 0x")))
""" % MARK


def core_of(python, program, folder):
    """A core of a program that aborts."""
    path = os.path.join(folder, "program.py")
    with open(path, "w") as script:
        script.write(program)
    command = "ulimit -c unlimited; exec \"$@\""
    subprocess.call(["sh", "-c", command, "sh", python, path, folder], cwd=folder, stderr=subprocess.DEVNULL)
    cores = glob.glob(os.path.join(folder, "core*"))
    return cores[0] if cores else None


def script_for(helper, debugger, folder):
    """A script of its own for each helper: all are written before the first one runs."""
    name = "inside_%s_%s.py" % (debugger, hashlib.sha1(helper.encode()).hexdigest()[:8])
    return os.path.join(folder, name)


def steps(execute, load):
    lines = [INSIDE, 'timed("load", lambda: %s)' % load]
    for name, command in (("first", "py-bt"), ("second", "py-bt"), ("all", "all")):
        lines.append('timed("%s", lambda: %s)' % (name, execute[command]))
    return "\n".join(lines) + "\n"


def in_gdb(helper, python, core, folder):
    script = script_for(helper, "gdb", folder)
    with open(script, "w") as out:
        call = 'gdb.execute("%s", to_string=True)'
        execute = {"py-bt": call % "py-bt", "all": call % "thread apply all py-bt"}

        out.write(steps(execute, call % ("source " + helper)))
    return ["gdb", "-nx", "-batch", "-iex", "set auto-load off", "-ex", "source %s" % script, python, core]


def in_lldb(lldb, helper, python, core, folder):
    script = script_for(helper, "lldb", folder)
    with open(script, "w") as out:
        out.write("import lldb\ndef run(command):\n    result = lldb.SBCommandReturnObject()\n")
        out.write("    lldb.debugger.GetCommandInterpreter().HandleCommand(command, result)\n")
        out.write("    return (result.GetOutput() or '') + (result.GetError() or '')\n")
        out.write("def each():\n    process, text = lldb.debugger.GetSelectedTarget().process, ''\n")
        out.write("    for thread in process:\n        process.SetSelectedThread(thread)\n        text += run('py-bt')\n")
        out.write("    return text\n")
        execute = {"py-bt": "run('py-bt')", "all": "each()"}
        out.write(steps(execute, "run('command script import %s')" % helper))
    return [lldb, "--no-lldbinit", "--batch", "-o", "command script import %s" % script, "--core", core, python]


def measured(command):
    """{step: (seconds, frames)} of one run."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT
        )
    except subprocess.TimeoutExpired as expired:
        output = expired.stdout or b""
    else:
        output = done.stdout
    found = re.findall(MARK + r" (\w+) ([0-9.]+) (\d+)", output.decode("utf-8", "replace"))
    return {name: (float(seconds), int(frames)) for name, seconds, frames in found}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gdb_helper", metavar="GDB_HELPER")
    parser.add_argument("lldb_helper", metavar="LLDB_HELPER")
    parser.add_argument("pythons", metavar="PYTHON", nargs="+")
    parser.add_argument("--lldb", default=next(filter(shutil.which, ("lldb-19", "lldb")), None))
    options = parser.parse_args()
    print("| CPython | core | debugger, helper | load | first py-bt | second | all threads | frames, first | all |")
    print("|---|---|---|---|---|---|---|---|---|")
    for python in options.pythons:
        version = subprocess.check_output([python, "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"]).decode().strip()
        for name, program in (("35 threads, 250 modules", BIG), ("1,000 frames", DEEP)):
            folder = tempfile.mkdtemp(prefix="coldframe-speed-")
            try:
                core = core_of(python, program, folder)
                if core is None:
                    print("| %s | %s | no core was written | | | | | | |" % (version, name))
                    continue
                runs = [("gdb, coldframe's", in_gdb(os.path.abspath(options.gdb_helper), python, core, folder))]
                stock = os.path.realpath(python) + "-gdb.py"
                if os.path.exists(stock):
                    runs.append(("gdb, CPython's", in_gdb(stock, python, core, folder)))
                if options.lldb:
                    helper = os.path.abspath(options.lldb_helper)
                    runs.append(("lldb, coldframe's", in_lldb(options.lldb, helper, python, core, folder)))
                for title, command in runs:
                    found = measured(command)
                    cells = ["%.2f s" % found[step][0] if step in found else "-" for step in ("load", "first", "second", "all")]
                    cells += [str(found[step][1]) if step in found else "-" for step in ("first", "all")]
                    print("| %s | %s | %s | %s |" % (version, name, title, " | ".join(cells)), flush=True)
            finally:
                shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
