"""Makes an executable script from a sample: `make_script.py PYTHON SAMPLE SCRIPT`. Its first line names the Python, in
the place of the sample's own, so that all lines keep their numbers."""

import os
import sys

python, sample, script = sys.argv[1:]
with open(sample, encoding="utf-8") as file:
    lines = file.readlines()
with open(script, "w", encoding="utf-8") as file:
    file.writelines(["#!%s\n" % python] + lines[1:])
os.chmod(script, 0o755)
