"""One of the bugs of tests/corpus/corpus.py: app.py LIBRARY FUNCTION direct|thread."""
import asyncio
import atexit
import ctypes
import functools
import gc
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


# From here on: bugs on which no rule was tuned.


def parts():
    """The extension module, which lies beside the library."""
    sys.path.insert(0, os.path.dirname(sys.argv[1]))
    import _parts

    return _parts


def read_rows():
    for row in parts().make(1):
        print(row)


def index_of_keys():
    return {parts().make(2): "key"}


def rank_points():
    make = parts().make
    return sorted([make(3), make(3)])


def width_of_image():
    return parts().make(4).width


def visit_nodes():
    node = parts().make(5)
    gc.collect()
    return node


def end_session():
    session = parts().make(6)
    del session


def forget_cache():
    # Lives until the interpreter ends.
    sys.forgotten = parts().make(7)


def close_handle():
    handle = parts().capsule()
    del handle


def pending_work():
    parts().defer()
    for _ in range(100000):
        str(_)


def change_owner():
    parts().drop()


def on_tick():
    parts().watch()


def copy_frame():
    return bytes(parts().view())


def column_of_table():
    return parts().make(0).column(7)


def on_event():
    return ctypes.string_at(5)


def subscribe_events():
    parts().subscribe(on_event)


def overwrite(thing, offset):
    """A pointer of an object, of which it has a copy nowhere."""
    ctypes.c_size_t.from_address(id(thing) + offset).value = 24


def total_of_column():
    values = list(range(100, 200))
    # PyListObject.ob_item
    overwrite(values, 24)
    return sum(values)


def names_of_users():
    names = ["a", "b", "c"]
    overwrite(names, 24)
    return ",".join(names)


def options_of_user():
    options = {"name": 1, "color": 2}
    # PyDictObject.ma_keys
    overwrite(options, 32)
    return options.get("name")


class Ring:
    def __del__(self):
        ctypes.memset(9, 0, 1)


def break_ring():
    ring = Ring()
    ring.self = ring
    del ring
    gc.collect()


def say_goodbye():
    ctypes.string_at(6)


def register_goodbye():
    atexit.register(say_goodbye)


call = globals()[sys.argv[2]]
if sys.argv[3] == "thread":
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
else:
    call()
