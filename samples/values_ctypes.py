#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: frame: show @crash
#: frame: <module> @main
#: native: * in libc.so.6
#: qualname: show show
#: values: show
#: finding: null-deref certain
"""C data: ctypes values, structures with their fields, arrays and pointers."""

import ctypes
from ctypes import memset

import oracle


class Small(ctypes.Structure):
    _fields_ = [("flag", ctypes.c_bool), ("count", ctypes.c_short)]


class Record(Small):
    _fields_ = [("id", ctypes.c_uint64), ("rate", ctypes.c_double), ("name", ctypes.c_char_p)]


class Either(ctypes.Union):
    _fields_ = [("whole", ctypes.c_uint32), ("first", ctypes.c_uint8)]


class Handle(ctypes.c_int):
    """A class derived from a simple type has another repr."""


def show():
    char, boolean = ctypes.c_char(b"x"), ctypes.c_bool(True)
    byte, unsigned_byte = ctypes.c_byte(-1), ctypes.c_ubyte(255)
    short, unsigned_short = ctypes.c_short(-300), ctypes.c_ushort(65535)
    integer, unsigned = ctypes.c_int(5), ctypes.c_uint(2**32 - 1)
    wide, unsigned_wide = ctypes.c_long(-(2**63)), ctypes.c_ulong(2**64 - 1)
    long_long, size = ctypes.c_longlong(7), ctypes.c_size_t(8)
    float_value, double, double_nan = ctypes.c_float(0.5), ctypes.c_double(0.1), ctypes.c_double(float("nan"))
    int8, int16, int32, int64 = ctypes.c_int8(-8), ctypes.c_int16(-16), ctypes.c_int32(-32), ctypes.c_int64(-64)
    void, void_null = ctypes.c_void_p(4096), ctypes.c_void_p()
    text, text_null, wide_char = ctypes.c_char_p(b"it's"), ctypes.c_char_p(), ctypes.c_wchar("ż")
    object_value = ctypes.py_object([1, "two"])
    handle = Handle(3)

    small, record = Small(True, -2), Record(False, 9, 2**40, 1.5, b"named")
    either = Either(0x01020304)
    array, array_of_records = (ctypes.c_int * 3)(1, 2, 3), (Small * 2)()
    buffer = ctypes.create_string_buffer(b"abc")
    pointer, pointer_null = ctypes.pointer(integer), ctypes.POINTER(ctypes.c_int)()
    pointer_record = ctypes.pointer(record)
    function = memset

    oracle.values()
    oracle.record()
    memset(0, 0, 1)  #@crash


if __name__ == "__main__":
    show()  #@main
