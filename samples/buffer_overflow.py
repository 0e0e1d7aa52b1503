#: signal: SIGABRT
#: code: SI_TKILL
#: ends: signal SIGABRT
#: thread: main
#: stderr: buffer overflow detected
#: finding: glibc-abort certain
#: title: glibc-abort a buffer was overrun *
#: frame: label @crash
#: frame: <module> @main
#: native: *abort in libc.so.6
#: native: * in _ctypes.*
#: argument: label text = b'much too long'
"""The C library notices that a string does not fit where it is copied to, as it does for code built with
_FORTIFY_SOURCE."""

import ctypes

import oracle

STRCPY = ctypes.CDLL(None)["__strcpy_chk"]
BUFFER = ctypes.create_string_buffer(4)


def label(text):
    oracle.record()
    STRCPY(BUFFER, text, ctypes.c_size_t(len(BUFFER)))  #@crash


label(b"much too long")  #@main
