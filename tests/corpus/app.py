"""One of the bugs of tests/corpus/corpus.py: app.py LIBRARY FUNCTION direct|thread."""
import asyncio
import ctypes
import functools
import mmap
import os
import signal
import sys
import tempfile
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


# From here on: bugs on which no rule was tuned.


def order_invoices():
    library.bug_sort()


def label_customer():
    library.bug_format()


def receive_packet():
    library.bug_copy()


def validate_order():
    library.bug_throw()


def third_column():
    library.bug_element()


def total_area():
    library.bug_virtual()


def pad_field():
    library.bug_smash()


def user_setting():
    ctypes.PyDLL(sys.argv[1]).bug_setting()


def start_worker():
    library.bug_worker()


def parse_nested():
    library.bug_mutual()


def recycle_buffer():
    library.bug_give_back()


def read_truncated():
    with tempfile.TemporaryFile() as file:
        file.truncate(8192)
        view = mmap.mmap(file.fileno(), 8192)
        file.truncate(0)
        return view[5000]


def field_of_handle():
    return ctypes.cast(64, ctypes.POINTER(ctypes.c_long)).contents.value


def in_comprehension():
    return [ctypes.string_at(address) for address in (2,)]


async def fetch_page():
    await asyncio.sleep(0)
    return ctypes.string_at(3)


def serve_request():
    asyncio.run(fetch_page())


def retried(function):
    @functools.wraps(function)
    def attempt(*arguments):
        return function(*arguments)

    return attempt


class Store:
    @retried
    def save(self, count):
        ctypes.memset(8, 0, count)


def save_store():
    Store().save(64)


def load_plugin():
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "corpus_plugin.py"), "w") as file:
            file.write("import ctypes\nctypes.string_at(4)\n")
        sys.path.insert(0, folder)
        __import__("corpus_plugin")


def end_by_signal():
    signal.raise_signal(signal.SIGSEGV)


call = globals()[sys.argv[2]]
if sys.argv[3] == "thread":
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
else:
    call()
