"""Runs a command as a job of an interactive shell on a terminal of its own, and prints the status that the shell saw.

Everything else that the terminal showed goes to standard error.
"""

import os
import pty
import re
import shlex
import sys

pid, terminal = pty.fork()
if pid == 0:
    os.environ["PS1"] = "$ "
    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
command = " ".join(map(shlex.quote, sys.argv[1:]))
os.write(terminal, f"{command}\necho status=$?; jobs; exit\n".encode())
seen = b""
while True:
    try:
        data = os.read(terminal, 65536)
    except OSError:
        break
    if not data:
        break
    seen += data
os.waitpid(pid, 0)
text = seen.decode(errors="replace").replace("\r", "")
print(re.findall(r"status=(\d+)", text), "Stopped" in text)
sys.stderr.write(text)
