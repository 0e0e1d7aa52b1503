#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: frame: report @crash
#: frame: load @report
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: exception: ValueError("no port in {'host': 'db'}")
#: finding: null-deref certain
#: argument: report error = ValueError("no port in {'host': 'db'}")
#: argument: load config = {'host': 'db'}
"""A crash while an exception is being handled, which was raised from another one."""

from ctypes import memset

import oracle


def report(error):
    oracle.record()
    memset(0, 0, 1)  #@crash


def read_port(config):
    try:
        return config["port"]
    except KeyError as error:
        raise ValueError(f"no port in {config}") from error


def load(config):
    try:
        return read_port(config)
    except ValueError as error:
        report(error)  #@report


load({"host": "db"})  #@main
