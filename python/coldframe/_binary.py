"""Where the command is that was installed with this package."""

import os
import shutil
import sys
import sysconfig
from typing import Iterator, Optional

MISSING = "the command coldframe is not installed beside this package; there are wheels with it for Linux on x86_64"


def find() -> Optional[str]:
    """The path of the command, or None."""
    for folder in _folders():
        path = os.path.join(folder, "coldframe")
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return os.path.abspath(path)
    return shutil.which("coldframe")


def _folders() -> Iterator[str]:
    package = os.path.dirname(os.path.abspath(__file__))
    site = os.path.dirname(package)
    # pip install --target
    yield os.path.join(site, "bin")
    # An environment: PREFIX/lib/python3.N/site-packages. Also where this Python is another one's (PYTHONPATH).
    yield os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(site))), "bin")
    yield sysconfig.get_path("scripts")
    # pip install --user
    scheme = f"{os.name}_user"
    if scheme in sysconfig.get_scheme_names():
        yield sysconfig.get_path("scripts", scheme)
    yield os.path.dirname(sys.executable or "/")
