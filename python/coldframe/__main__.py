"""``python -m coldframe``: the command, from this installation."""

import os
import sys

from ._binary import MISSING, find


def main() -> int:
    """Becomes the command."""
    binary = find()
    if binary is None:
        print(f"coldframe: {MISSING}", file=sys.stderr)
        return 127
    os.execv(binary, [binary, *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
