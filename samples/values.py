#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: frame: show @crash
#: frame: outer @show
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: qualname: show outer.<locals>.show
#: argument: show first = 1
#: argument: show rest = (2, 3)
#: argument: show flag = True
#: argument: show options = {'key': 'value'}
#: argument: show captured_argument = 'both an argument and a cell'
#: cell: show cell = 'seen by inner'
#: free: show free = 'from outer'
#: unset: show deleted
#: unset: show never_set
#: unset: show unset_cell
#: unset: show unset_free
#: values: show
#: finding: null-deref certain
"""One frame that holds every builtin kind of value in every kind of storage; the program writes what Python itself
makes of them to $COLDFRAME_ORACLE.tsv (README.md), so there is nothing to keep in step by hand."""

from ctypes import memset

import oracle


class Point:
    """Instances share their keys: a split-table dict, or inline values in newer versions."""

    def __init__(self, x, y):
        self.x = x
        self.y = y


class Sparse:
    """Instances whose dict was given a key in another order, so that it is a table of its own."""


class Slotted:
    __slots__ = ("left", "right", "empty")

    def __init__(self):
        self.left = "L"
        self.right = 2


class SlottedChild(Slotted):
    __slots__ = ("extra",)

    def __init__(self):
        super().__init__()
        self.extra = None


class Registry(dict):
    pass


class Name(str):
    pass


class Count(int):
    pass


class Pair(tuple):
    pass


class Stack(list):
    pass


def outer(free):
    if not free:
        unset_free = "never"

    def show(first, captured_argument, /, *rest, flag, keyword_only="default", **options):
        int_zero = 0
        int_small = 42
        int_negative = -7
        int_30_bits = 2**30 - 1
        int_31_bits = 2**30
        int_63_bits = 2**63 - 1
        int_64_bits = -(2**63)
        int_200_bits = 2**200
        int_negative_100_bits = -(2**100)
        true, false, none, ellipsis = True, False, None, ...
        not_implemented = NotImplemented

        float_tenth, float_zero, float_minus_zero = 0.1, 0.0, -0.0
        float_large, float_small, float_whole = 1e300, 5e-324, 1e16
        float_inf, float_minus_inf, float_nan = float("inf"), float("-inf"), float("nan")
        complex_number, complex_negative = 1 + 2j, complex(-0.0, -1.5)

        str_empty, str_ascii, str_latin1, str_bmp, str_astral = "", "plain", "größe", "zażółć 名前", "turtle 🐢"
        str_quotes, str_single_quote, str_double_quote = "it's \"both\"", "it's", 'say "hi"'
        str_escapes = "tab\t newline\n return\r backslash\\ bell\a null\0 delete\x7f"
        str_unprintable = "\xa0 \xad \u200b \u2028 \ue000 \U000e0001 \U0010ffff"
        str_surrogate = "lone \udc80"
        str_long = "0123456789" * 1000

        bytes_empty, bytes_all, bytes_quotes = b"", bytes(range(256)), b"it's"
        byte_array, memory = bytearray(b"abc\x00"), memoryview(b"abc")

        tuple_empty, tuple_one, tuple_nested = (), (1,), (1, (2, ("three", None)))
        list_empty, list_nested, list_long = [], [1, [2, [3, []]]], list(range(1000))
        set_empty, set_one, frozen_empty, frozen_one = set(), {"only"}, frozenset(), frozenset({1})
        set_of_ints = {3, 1, 2}
        dict_empty, dict_nested = {}, {"a": {"b": [1, {"c": ()}]}}
        dict_mixed_keys = {1: "int", "two": 2.0, (3, 4): None, None: True, b"five": set()}
        dict_with_hole = {"a": 1, "b": 2, "c": 3}
        del dict_with_hole["b"]
        dict_long = {number: str(number) for number in range(300)}
        range_value, slice_value = range(1, 10, 3), slice(None, 5, -1)

        list_recursive = [1]
        list_recursive.append(list_recursive)
        dict_recursive = {}
        dict_recursive["self"] = dict_recursive

        point, other_point = Point(3, "four"), Point(None, [5])
        sparse = Sparse()
        sparse.__dict__.update({"b": 1, "a": 2, "key with space": 3})
        slotted, slotted_child = Slotted(), SlottedChild()
        registry, registry_attribute = Registry(a=1), Registry()
        registry_attribute.owner = "Ada"
        name, name_latin1, count, count_negative = Name("Ada"), Name("größe"), Count(5), Count(-(2**70))
        pair, stack = Pair((1, 2)), Stack([1, 2])

        function, builtin, type_value, module = outer, len, Point, oracle
        method, lambda_value, generator = "x".join, lambda: None, (x for x in "ab")
        exception = ValueError("bad", 42)
        iterator = iter([1, 2])
        zażółć = "non-ASCII name"

        deleted = "gone"
        del deleted
        if not first:
            never_set = "never"
            unset_cell = "never"
        cell = "seen by inner"

        def inner():
            return cell, captured_argument, unset_cell, free, unset_free

        oracle.values()
        oracle.record()
        memset(0, 0, 1)  #@crash

    show(1, "both an argument and a cell", 2, 3, flag=True, key="value")  #@show


outer("from outer")  #@main
