"""Arrays and scalars in local variables; then a line of what they must be shown as, made by numpy's own `str` of items."""

import json
import sys

import numpy as np


def item(value):
    if isinstance(value, np.void) and value.dtype.names:
        parts = [item(value[name]) for name in value.dtype.names]
        return "({})".format(", ".join(parts) + "," * (len(parts) == 1))
    if isinstance(value, np.str_):
        return repr(str(value))
    if isinstance(value, np.bytes_):
        return repr(bytes(value))
    if isinstance(value, np.void):
        return repr(value.tobytes())
    if isinstance(value, (np.datetime64, np.timedelta64)) and np.isnat(value):
        return "'NaT'"
    if isinstance(value, np.datetime64):
        return repr(str(value))
    if isinstance(value, np.timedelta64):
        return str(value.astype("int64"))
    # The digits are numpy's; from where on it prints an exponent differs between its releases.
    if isinstance(value, np.floating):
        return repr(float(str(value)))
    if isinstance(value, np.complexfloating):
        return repr(complex(str(value)))
    if isinstance(value, np.generic):
        return str(value)
    return repr(value)


def nested(array):
    if array.ndim == 0:
        return item(array[()])
    shown = [nested(np.asarray(array[index : index + 1])[0] if array.ndim > 1 else array[index : index + 1].reshape(()))
             for index in range(min(50, len(array)))]
    if len(array) > 50:
        shown.append("… {} more".format(len(array) - 50))
    return "[{}]".format(", ".join(shown))


def expected(value):
    if isinstance(value, np.ndarray):
        text = "[]" if value.size == 0 else nested(value)
        return "array({}, shape={}, dtype={})".format(text, value.shape, value.dtype)
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        return repr(value)
    name = type(value).__name__
    if isinstance(value, np.bool_):
        return "np.{}_".format(value)
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return repr(value).replace("numpy.", "np.")
    text = item(value)
    if isinstance(value, np.complexfloating):
        text = text.strip("()")
    if isinstance(value, np.void) and value.dtype.names:
        text = "{}, dtype={}".format(text, value.dtype)
    if isinstance(value, np.longdouble):
        text = repr(text)
    return "np.{}({})".format(name, text)


def show():
    integers = np.arange(6)
    zero_dimensional = np.array(5)
    empty = np.zeros((0, 3))
    flags = np.array([True, False])
    grid = np.arange(12, dtype=np.int16).reshape(3, 4)
    fortran = np.asfortranarray(grid)
    backwards = grid[::-1, ::-2]
    transposed = grid.T
    broadcast = np.broadcast_to(np.uint8(7), (2, 3))
    deep = np.arange(8, dtype=np.uint64).reshape(2, 2, 1, 2)
    long_one = np.arange(1000)
    halves = np.array([0.1, 1, 1.5, 65504, 6e-8, -0.0, np.inf, np.nan, 0.333], dtype=np.float16)
    singles = np.array([0.1, 1e-5, 1e16, 3.4e38, 16777216, 1.1754944e-38], dtype=np.float32)
    doubles = np.array([0.1, 1e-5, 1e16, 1.7976931348623157e308, 5e-324, -2.5])
    big_endian = np.array([1, 2, -3], dtype=">i4")
    big_float = np.array([1.5, 0.1], dtype=">f8")
    big_text = np.array(["ab", "é"], dtype=">U3")
    complexes = np.array([1 + 2j, 1j, -0.5 - 0.25j, 0.1 + 0j])
    small_complexes = np.array([0.1 + 0.2j, 1j], dtype=np.complex64)
    texts = np.array(["ab", "", "é'x", "日本"])
    octets = np.array([b"ab", b"", b"\xff\x00z"])
    raw = np.array([b"ab", b"cd"], dtype="V2")
    objects = np.array([None, [1, 2], "x"], dtype=object)
    dates = np.array(["2024-02-29", "1969-12-31", "NaT"], dtype="datetime64[D]")
    years = np.array(["2024", "0001"], dtype="datetime64[Y]")
    months = np.array(["2024-02", "1969-11"], dtype="datetime64[M]")
    weeks = np.array(["2024-02-29"], dtype="datetime64[W]")
    hours = np.array(["2024-02-29T13", "1969-12-31T23"], dtype="datetime64[h]")
    minutes = np.array(["2024-02-29T13:14", "1969-12-31T23:59"], dtype="datetime64[m]")
    seconds = np.array(["2024-02-29T13:14:15"], dtype="datetime64[s]")
    nanoseconds = np.array(["2024-02-29T13:14:15.000000016", "1969-12-31T23:59:59.5"], dtype="datetime64[ns]")
    ten_minutes = np.array(["2024-02-29T13:10"], dtype="datetime64[10m]")
    durations = np.array([1, -2, "NaT"], dtype="timedelta64[ms]")
    records = np.array([(1, 2.5, "x"), (3, 4.5, "y")], dtype=[("a", "i4"), ("b", "f8"), ("c", "U2")])
    records_of_one = np.array([(1,)], dtype=[("only", "u1")])
    column = records["b"]
    inner = np.array([(1, (2, 3))], dtype=[("a", "i2"), ("in", [("x", "i1"), ("y", ">i2")])])
    scalar_bool = np.bool_(True)
    scalar_int = np.int64(-3)
    scalar_byte = np.uint8(200)
    scalar_double = np.float64(1.5)
    scalar_single = np.float32(0.1)
    scalar_half = np.float16(0.1)
    scalar_extended = np.longdouble(1.5)
    scalar_nan = np.float64("nan")
    scalar_complex = np.complex128(1 + 2j)
    scalar_imaginary = np.complex64(2j)
    scalar_text = np.str_("it's")
    scalar_octets = np.bytes_(b"ab")
    scalar_date = np.datetime64("2024-02-29")
    scalar_hour = np.datetime64("2024-02-29T13", "h")
    scalar_duration = np.timedelta64(3, "s")
    scalar_number = np.timedelta64(3)
    scalar_record = records[0]
    in_a_list = [np.float32(2.5)]
    # Before the list itself is a variable.
    shown = {name: expected(value) for name, value in locals().items() if name != "in_a_list"}
    shown[""] = np.__version__
    print(json.dumps(shown), flush=True)
    sys.stdin.read()


show()
