"""Packages with extension modules, installed and imported in all ways that name or place them differently; then a line of
what Python itself says of them."""

import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import os
import shutil
import sys

folder = sys.argv[1]
# Any extension module of the standard library whose file can be used again under another package.
source = next(
    spec.origin
    for spec in map(importlib.util.find_spec, ["_json", "_bz2", "_ctypes_test", "_lsprof"])
    if spec and spec.origin and spec.origin.endswith(".so")
)
file = os.path.basename(source)
stem = file.split(".")[0]
site, other = os.path.join(folder, "site"), os.path.join(folder, "other")


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def library(folder, name=file):
    os.makedirs(folder, exist_ok=True)
    shutil.copy(source, os.path.join(folder, name))


def installed(entry, name, version, metadata="METADATA", **files):
    text = "Metadata-Version: 2.1\nName: {}\nVersion: {}\n\nVersion: 0\n".format(name, version)
    write(os.path.join(site, entry, metadata), text)
    for key, content in files.items():
        write(os.path.join(site, entry, key), content)


# A package by its own name.
library(os.path.join(site, "fast"))
write(os.path.join(site, "fast/__init__.py"), "")
installed("Fast-1.2.dist-info", "Fast", "1.2")
# By the list of files, in a namespace package; another one is in the same folder.
library(os.path.join(site, "shared/inner"))
installed("py_thing-2.0rc1.dist-info", "py-thing", "2.0rc1", RECORD="shared/inner/{},sha256=x,1\nx.py,,\n".format(file))
installed("shared_rest-3.dist-info", "shared-rest", "3", RECORD="shared/rest.py,,\n")
# As setuptools installed.
library(os.path.join(site, "old"))
installed("old-0.9-py3.egg-info", "old", "0.9", "PKG-INFO")
# Twice: nothing tells which of them it is.
library(os.path.join(site, "twice"))
installed("twice-1.dist-info", "twice", "1")
installed("twice-2.dist-info", "twice", "2")
# Of no package, by a path with a link in it, by another name than the file's, under a plain suffix.
library(os.path.join(site, "unknown"))
library(os.path.join(other, "linked"))
os.symlink(other, os.path.join(folder, "link"))
library(os.path.join(folder, "apart"))
library(os.path.join(site, "plain"), stem + ".so")

sys.path[:0] = [site, os.path.join(folder, "link")]
names = ["fast", "shared.inner", "old", "twice", "unknown", "linked", "plain"]
for name in names:
    importlib.import_module(name + "." + stem)
loader = importlib.machinery.ExtensionFileLoader("renamed." + stem, os.path.join(folder, "apart", file))
spec = importlib.util.spec_from_file_location(loader.name, loader.path, loader=loader)
sys.modules[loader.name] = importlib.util.module_from_spec(spec)

packages = {"fast": "Fast", "shared.inner": "py-thing", "old": "old"}
versions = {name: (package, importlib.metadata.version(package)) for name, package in packages.items()}
found = [
    [name, os.path.realpath(module.__file__)] + list(versions.get(name.rpartition(".")[0], (None, None)))
    for name, module in sys.modules.items()
    if (getattr(module, "__file__", None) or "").endswith(".so")
]
print(json.dumps(sorted(found)), flush=True)
sys.stdin.read()
