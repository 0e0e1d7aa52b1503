#!/usr/bin/env python3
"""What has to be done with the wheel that maturin makes.

    wheel.py pure WHEEL FOLDER      the wheel for other platforms: the package without the command
    wheel.py glibc WHEEL VERSION    fails where the command or the library in it needs a newer C library
"""
import base64
import csv
import hashlib
import io
import pathlib
import re
import sys
import zipfile

TAG = "py3-none-any"


def pure(wheel, folder):
    """Writes the wheel without what is built for a platform, and returns its path."""
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    info = next(name.split("/")[0] for name in files if name.endswith(".dist-info/WHEEL"))
    left_out = (f"{info[: -len('.dist-info')]}.data/", f"{info}/sboms/", f"{info}/RECORD")
    files = {name: data for name, data in files.items() if not name.startswith(left_out)}
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: coldframe\nRoot-Is-Purelib: true\nTag: {TAG}\n".encode()
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.writerow([name, f"sha256={digest}", len(data)])
    rows.writerow([f"{info}/RECORD", "", ""])
    files[f"{info}/RECORD"] = record.getvalue().encode()
    distribution, version = pathlib.Path(wheel).name.split("-")[:2]
    made = pathlib.Path(folder) / f"{distribution}-{version}-{TAG}.whl"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return made


def glibc(wheel, version):
    """The newest version of glibc that something in the wheel asks for; the library is inside the command."""
    with zipfile.ZipFile(wheel) as archive:
        commands = [archive.read(name) for name in archive.namelist() if "/scripts/" in name]
    if not commands:
        sys.exit(f"{wheel}: there is no command in it")
    numbers = {tuple(map(int, found.split(b"."))) for data in commands for found in re.findall(rb"\0GLIBC_(\d+(?:\.\d+)+)(?=\0)", data)}
    newest = max(numbers)
    wanted = tuple(map(int, version.split(".")))
    text = ".".join(map(str, newest))
    if newest > wanted:
        sys.exit(f"{wheel}: needs glibc {text}, {version} at most was wanted")
    return f"{wheel}: needs glibc {text}"


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("pure", "glibc"):
        sys.exit(__doc__)
    print({"pure": pure, "glibc": glibc}[sys.argv[1]](*sys.argv[2:]))
