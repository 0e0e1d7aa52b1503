"""Reports of dumps, as data."""

import json
import os
import subprocess
from typing import Any, Dict, Union

from ._binary import MISSING, find


class AnalyzeError(Exception):
    """A file that cannot be analysed; the message is the command's."""


def analyze(path: Union[str, "os.PathLike[str]"], *arguments: str) -> Dict[str, Any]:
    """The JSON report of a dump, a core file or a record (``coldframe analyze --format json``), as a dictionary.

    ``arguments`` are further options of that command.
    """
    binary = find()
    if binary is None:
        raise AnalyzeError(MISSING)
    command = [binary, "analyze", "--format", "json", *arguments, "--", os.fspath(path)]
    output = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if not output.stdout:
        raise AnalyzeError(output.stderr.decode(errors="replace").strip())
    report: Dict[str, Any] = json.loads(output.stdout.decode())
    return report
