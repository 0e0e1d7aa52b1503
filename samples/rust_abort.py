#: signal: SIGABRT
#: code: SI_TKILL
#: ends: signal SIGABRT
#: thread: main
#: stderr: panicked at
#: finding: rust-panic certain
#: title: rust-panic *: called `Result::unwrap()` on an `Err` value: ParseIntError { kind: InvalidDigit }
#: build: rustc -g -C panic=abort --crate-type cdylib -o {out}/libports2.so native/ports.rs
#: frame: parse @crash
#: frame: <module> @main
#: native: *abort in libc.so.6
#: native: ports_parse in libports2.so
#: argument: parse length = 5
"""A function in Rust panics, built so that a panic ends the process at once."""

import ctypes
import os
import sys

import oracle

PATHS = [os.path.join(folder, "libports2.so") for folder in sys.path]
PORTS = ctypes.CDLL(next(path for path in PATHS if os.path.exists(path)))


def parse(length):
    oracle.record()
    return PORTS.ports_parse(length)  #@crash


parse(5)  #@main
