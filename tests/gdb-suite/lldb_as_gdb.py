"""lldb, with the command line, the commands and the output of gdb as far as CPython's test suite of its gdb helper needs
them, so that the suite's own assertions can be run on lldb and coldframe's helper for it.

Used by suite.py --lldb, which has lldb import it, with the command line of gdb as JSON in COLDFRAME_GDB_ARGUMENTS. Where
the suite has gdb load python-gdb.py, the file of that name is loaded as the helper of lldb.
"""

import json
import os
import re
import shutil
import sys
import tempfile

import lldb

# What run_gdb of the suite calls a usable gdb.
VERSION = "GNU gdb (lldb) 13.1"
# Variables of the environment that the program is not to see.
HIDDEN = ("PYTHONPATH", "COLDFRAME_GDB_ARGUMENTS")
# Where the kernel puts executables that can be anywhere, without randomised addresses.
POSITION_INDEPENDENT = 0x555555554000
# The most frames of a backtrace.
MAX_FRAMES = 64


def parsed(arguments):
    """(commands, program and its arguments)."""
    commands, program = [], []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--args":
            program = list(rest)
        elif argument in ("-iex", "--init-eval-command", "--eval-command"):
            commands.append(next(rest))
        elif argument.startswith("--eval-command="):
            commands.append(argument.partition("=")[2])
    return commands, program


class Gdb:
    """What the suite looks for in the module `gdb`."""

    class Frame:
        select = None


class Session:
    """One run of the debugger."""

    def __init__(self, program):
        self.lldb = lldb
        self.debugger = lldb.SBDebugger.Create()
        self.debugger.SetAsync(False)
        self.program = program
        self.environment = ["%s=%s" % pair for pair in os.environ.items() if pair[0] not in HIDDEN]
        self.target = self.debugger.CreateTarget(program[0]) if program else None
        self.process = None
        self.values = 0

    def lldb_command(self, command):
        result = self.lldb.SBCommandReturnObject()
        self.debugger.GetCommandInterpreter().HandleCommand(command, result)
        sys.stderr.write(result.GetError() or "")
        return result.GetOutput() or ""

    def frame(self):
        return self.process.GetSelectedThread().GetSelectedFrame()

    def run(self, command):
        """What gdb would print."""
        word, _, argument = command.partition(" ")
        if word == "python":
            exec(argument, {"gdb": Gdb})
        elif word == "add-auto-load-safe-path":
            # A module of lldb cannot have a name with a dash.
            folder = tempfile.mkdtemp(prefix="coldframe-lldb-")
            path = os.path.join(folder, "coldframe_lldb.py")
            shutil.copy(argument, path)
            self.lldb_command("command script import %s" % path)
            shutil.rmtree(folder)
        elif command.startswith("set environment "):
            self.environment.append("=".join(command.split(" ", 3)[2:]))
        elif command.startswith("set debug-file-directory "):
            self.lldb_command("settings set target.debug-file-search-paths %s" % command.split(" ", 2)[2])
        elif re.match(r"set (breakpoint|print|auto-load)\b", command):
            return ""
        elif word == "set":
            return self.assign(re.sub(r"^variable ", "", argument))
        elif word == "break" and argument.startswith("*"):
            # Before the program runs, lldb has no use for an address of memory.
            address = int(argument[1:], 16)
            address -= POSITION_INDEPENDENT if address >= POSITION_INDEPENDENT else 0
            self.target.BreakpointCreateBySBAddress(self.target.GetModuleAtIndex(0).ResolveFileAddress(address))
        elif word == "break-in":
            path, offset = argument.rsplit(" ", 1)
            module = self.target.AddModule(path, None, None)
            self.target.BreakpointCreateBySBAddress(module.ResolveFileAddress(int(offset)))
        elif word == "break":
            self.target.BreakpointCreateByName(argument)
        elif word == "run":
            return self.launch()
        elif command.startswith("thread apply all "):
            return self.all_threads(command[len("thread apply all ") :])
        elif self.process is None or self.process.GetState() != self.lldb.eStateStopped:
            return "No process.\n"
        elif word == "continue":
            self.process.Continue()
            return self.stopped()
        elif word == "next":
            self.process.GetSelectedThread().StepOver()
            return self.stopped()
        elif word in ("bt", "backtrace"):
            return self.backtrace(int(argument or MAX_FRAMES))
        elif word == "print":
            self.values += 1
            return "$%d = %s\n" % (self.values, self.text(self.frame().EvaluateExpression(argument)))
        elif word.startswith("py-"):
            return self.lldb_command(command)
        else:
            raise ValueError("no such command here: %s" % command)
        return ""

    def launch(self):
        error = self.lldb.SBError()
        info = self.lldb.SBLaunchInfo(self.program[1:])
        info.SetEnvironmentEntries(self.environment, False)
        self.process = self.target.Launch(info, error)
        if not error.Success():
            return "%s\n" % error
        return self.stopped()

    def stopped(self):
        if self.process.GetState() != self.lldb.eStateStopped:
            return "[Inferior 1 exited]\n"
        for thread in self.process:
            if thread.GetStopReason() == self.lldb.eStopReasonBreakpoint:
                self.process.SetSelectedThread(thread)
                number = thread.GetStopReasonDataAtIndex(0)
                return "\nBreakpoint %d, %s\n" % (number, self.described(thread.GetFrameAtIndex(0)))
        return self.described(self.frame()) + "\n"

    def text(self, value):
        return value.GetSummary() or value.GetValue() or "<no value>"

    def described(self, frame):
        arguments = ", ".join("%s=%s" % (v.GetName(), self.text(v)) for v in frame.GetVariables(True, False, False, False))
        name = (frame.GetFunctionName() or "").partition("(")[0]
        name = "(no symbol)" if not name or name.startswith("___lldb") else name
        entry = frame.GetLineEntry()
        if not entry.IsValid():
            return "%s (%s)" % (name, arguments)
        return "%s (%s) at %s:%d" % (name, arguments, entry.GetFileSpec().fullpath, entry.GetLine())

    def backtrace(self, limit):
        thread = self.process.GetSelectedThread()
        frames = [thread.GetFrameAtIndex(index) for index in range(min(limit, thread.GetNumFrames()))]
        return "".join("#%-2d %s\n" % (index, self.described(frame)) for index, frame in enumerate(frames))

    def all_threads(self, command):
        text = ""
        selected = self.process.GetSelectedThread()
        for thread in reversed(list(self.process)):
            self.process.SetSelectedThread(thread)
            text += "\nThread %d (LWP %d):\n%s" % (thread.GetIndexID(), thread.GetThreadID(), self.run(command))
        self.process.SetSelectedThread(selected)
        return text

    def assign(self, text):
        """`v->ob_type->tp_flags=0x0`"""
        path, _, value = text.partition("=")
        error = self.lldb.SBError()
        variable = self.frame().GetValueForVariablePath(path)
        # The type of a Python object shall be what C says, not what the helper adds.
        if not variable.IsValid():
            variable = self.frame().EvaluateExpression(path)
        if not variable.GetNonSyntheticValue().SetValueFromCString(value, error):
            return "%s\n" % error
        # lldb goes on with what it read of a variable, until an expression changes that.
        if re.match(r"\w+$", path):
            self.frame().EvaluateExpression("%s = %s" % (path, value))
        return ""

    def end(self):
        if self.process is not None:
            self.process.Kill()
        self.lldb.SBDebugger.Destroy(self.debugger)


def main(arguments):
    if "--version" in arguments:
        print(VERSION)
        return
    commands, program = parsed(arguments)
    session = Session(program)
    try:
        for command in commands:
            sys.stdout.buffer.write(session.run(command).encode("utf-8", "backslashreplace"))
            sys.stdout.flush()
    finally:
        session.end()


def __lldb_init_module(debugger, internal):
    status = 1
    try:
        main(json.loads(os.environ["COLDFRAME_GDB_ARGUMENTS"]))
        status = 0
    except Exception as error:
        sys.stderr.write("%s: %s\n" % (type(error).__name__, error))
    sys.stdout.flush()
    sys.stderr.flush()
    # Nothing of lldb's own shall follow.
    os._exit(status)
