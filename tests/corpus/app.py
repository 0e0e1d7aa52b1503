"""One of the bugs of tests/corpus/corpus.py: app.py LIBRARY FUNCTION direct|thread."""
import ctypes
import os
import sys
import threading

library = ctypes.CDLL(sys.argv[1])


def read_index():
    library.bug_null_read()


def write_index():
    library.bug_null_write()


def measure_name():
    library.bug_strlen_name()


def measure_path():
    library.bug_strlen_path()


def check():
    library.bug_assert()


def release():
    library.bug_double_free()


def descend():
    library.bug_recursion()


def build_lists():
    library.bug_no_gil()


def load_index():
    library.bug_py_fatal()


def guard():
    library.bug_trap()


def average():
    library.bug_divide()


def dispatch():
    library.bug_wild_call()


def abort_of_worker():
    os.abort()


def abort_of_master():
    os.abort()


def string_of_header():
    ctypes.string_at(0)


def string_of_body():
    ctypes.string_at(1)


def inner():
    library.bug_null_read()


def callback():
    library.bug_callback(ctypes.CFUNCTYPE(None)(lambda: None))


def nested():
    library.bug_callback(ctypes.CFUNCTYPE(None)(inner))


call = globals()[sys.argv[2]]
if sys.argv[3] == "thread":
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
else:
    call()
