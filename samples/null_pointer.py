#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: access: read
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: frame: string_at ctypes/__init__.py
#: frame: read_title @crash
#: frame: format_row @row
#: frame: print_report @report
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: native: * in libffi.so.*
#: native: * in _ctypes.*
#: argument: string_at ptr = 0
#: argument: string_at size = -1
#: argument: read_title record = {'id': 2, 'title': None}
#: local: read_title address = 0
#: argument: format_row number = 2
#: argument: format_row width = 12
#: argument: print_report title = 'Books'
#: local: print_report rows = ['1. Dune        ']
#: qualname: read_title read_title
"""A small report reads a title through a pointer that is null: ctypes hands it to libc's strlen."""

import ctypes

import oracle

BUFFER = ctypes.create_string_buffer(b"Dune")
RECORDS = [
    {"id": 1, "title": ctypes.addressof(BUFFER)},
    {"id": 2, "title": None},
]


def read_title(record):
    address = record["title"] or 0
    oracle.record()
    return ctypes.string_at(address).decode()  #@crash


def format_row(number, record, width):
    text = read_title(record).ljust(width)  #@row
    return f"{number}. {text}"


def print_report(title, records):
    rows = []
    for number, record in enumerate(records, 1):
        rows.append(format_row(number, record, width=12))  #@report
    print(title, *rows, sep="\n")


print_report("Books", RECORDS)  #@main
