#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x10
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: finding: abi-mismatch likely
#: build: cc -g -O0 -fPIC -shared -fno-stack-protector -I{include} -o {out}/oldext.cpython-37m-x86_64-linux-gnu.so native/crashext.c
#: frame: count @crash
#: frame: <module> @main
#: native: crashext_add in oldext.cpython-37m-*
#: argument: count step = 1
"""An extension module whose name says that it is for another Python was loaded by its path, and crashes."""

import importlib.util
import os
import sys

import oracle

PATHS = [os.path.join(folder, "oldext.cpython-37m-x86_64-linux-gnu.so") for folder in sys.path]
SPEC = importlib.util.spec_from_file_location("crashext", next(path for path in PATHS if os.path.exists(path)))
CRASHEXT = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(CRASHEXT)


def count(step):
    oracle.record()
    CRASHEXT.null_deref(step)  #@crash


count(1)  #@main
