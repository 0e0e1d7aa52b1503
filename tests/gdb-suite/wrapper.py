"""What CPython's suite calls as `gdb`: gdb, or lldb with lldb_as_gdb.py, with further settings, and with breakpoints by
address where a file has no symbol of that name. suite.py writes a program of two lines that calls `main`."""

import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Seconds: it ends where the program does not.
LIMIT = "300"
# What a breakpoint at an address needs in gdb where its file is not loaded yet.
BREAK_IN = """
import gdb, os
def break_in(path, offset):
    def stop():
        lines = gdb.execute("info proc mappings", to_string=True).splitlines()
        base = min(int(line.split()[0], 16) for line in lines if line.endswith(os.path.realpath(path)))
        gdb.Breakpoint("*0x%x" % (base + offset))
    def loaded(event):
        if event.new_objfile.filename == path:
            gdb.events.new_objfile.disconnect(loaded)
            stop()
    if any(known.filename == path for known in gdb.objfiles()):
        stop()
    else:
        gdb.events.new_objfile.connect(loaded)
"""


def placed(argument, places, is_lldb):
    """`break NAME` as the place of that function, where it has one: [file, offset], or [None, address]."""
    found = re.match(r"(--eval-command=)?break (\w+)$", argument)
    place = places.get(found.group(2)) if found else None
    if place is None:
        return argument
    path, offset = place
    if path is None:
        return "%sbreak *0x%x" % (found.group(1) or "", offset)
    command = "break-in %s %d" % (path, offset) if is_lldb else "python break_in(%r, %d)" % (path, offset)
    return (found.group(1) or "") + command


def main(debugger, is_lldb, settings, places):
    os.environ.pop("LD_LIBRARY_PATH", None)
    command = ["timeout", "--kill-after=5", LIMIT, debugger]
    arguments = [part for setting in settings for part in ("-iex", setting)]
    if any(path for path, _ in places.values()) and not is_lldb:
        arguments += ["-iex", "python exec(%r)" % BREAK_IN]
    arguments += [placed(argument, places, is_lldb) for argument in sys.argv[1:]]
    if is_lldb:
        os.environ["COLDFRAME_GDB_ARGUMENTS"] = json.dumps(arguments)
        stand_in = os.path.join(HERE, "lldb_as_gdb.py")
        arguments = ["--no-lldbinit", "--batch", "-o", "command script import " + stand_in]
    done = subprocess.run(command + arguments, stdout=subprocess.PIPE)
    # lldb repeats the command that it was given.
    text = done.stdout.split(b"lldb_as_gdb.py\n", 1)[-1]
    # The suite skips a test as soon as gdb shows a function without a name.
    sys.stdout.buffer.write(text.replace(b" ?? ()", b" (no symbol)"))
    sys.exit(done.returncode)
