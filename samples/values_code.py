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
"""What a program is made of: functions, classes, code, iterators, views, exceptions, and what holds them."""

import functools
import itertools
import json
import os
import sys
import types
import weakref
from ctypes import memset

import oracle


class Meta(type):
    pass


class Plain(metaclass=Meta):
    """Holds nothing."""


class Outer:
    class Inner:
        def method(self):
            return self

        @classmethod
        def make(cls):
            return cls()

        @staticmethod
        def free():
            return None

        @property
        def value(self):
            return 1


class Slots:
    __slots__ = ("x", "__dict__", "__weakref__")


class Problem(Exception):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.code = 7


class Silent(Exception):
    def __str__(self):
        return "not the repr"


def generate():
    yield 1


async def corout():
    return 1


async def agen():
    yield 1


def show():
    function, nested_function = generate, Outer.Inner.method
    lambda_value = lambda: None  # noqa: E731
    instance = Outer.Inner()
    bound, bound_class, free_function = instance.method, Outer.Inner.make, Outer.Inner.free
    builtin, builtin_bound, builtin_type_method = len, [].append, dict.fromkeys
    builtin_of_module = os.getpid
    wrapper, slot_wrapper = (1).__add__, int.__add__
    wrapper_of_function, wrapper_of_instance = generate.__call__, instance.__repr__
    method_descriptor, class_method_descriptor = list.append, int.__dict__["from_bytes"]
    member, getset = Slots.x, type(instance).__dict__["__dict__"]
    classmethod_value = vars(Outer.Inner)["make"]
    staticmethod_value = vars(Outer.Inner)["free"]
    property_value = vars(Outer.Inner)["value"]

    type_int, type_class, type_nested, type_meta = int, Plain, Outer.Inner, Meta
    type_of_module, type_exception = types.ModuleType, Problem
    plain, sentinel = Plain(), object()
    module, module_builtin, module_main = json, sys, sys.modules["__main__"]
    module_made, module_frozen = types.ModuleType("made"), sys.modules["_frozen_importlib"]
    code, frame, frame_suspended = generate.__code__, sys._getframe(1), generate().gi_frame
    cell = (lambda: (lambda: instance))().__closure__[0]
    traceback = None
    try:
        1 / 0
    except ZeroDivisionError as caught:
        error, traceback = caught, caught.__traceback__

    generator, coroutine, async_generator = generate(), corout(), agen()
    async_next, async_close, coroutine_wrapper = agen().asend(None), agen().aclose(), corout().__await__()
    list_iterator, dict_iterator, set_iterator = iter([1]), iter({1: 2}), iter({1})
    tuple_iterator, range_iterator, str_iterator = iter(()), iter(range(3)), iter("")
    reverse, zipped, mapped, enumerated = reversed([1]), zip([1], [2]), map(len, []), enumerate([])
    chained = itertools.chain([1], [2])

    mapping = {"a": 1, (2, 3): [4]}
    keys, values, items = mapping.keys(), mapping.values(), mapping.items()
    proxy = types.MappingProxyType(mapping)
    keys_empty = {}.keys()

    partial = functools.partial(print, 1, "two", sep=", ")
    partial_plain = functools.partial(int)
    partial_nested = functools.partial(partial_plain, base=2)
    namespace = types.SimpleNamespace(b=1, a=[2])
    namespace_empty = types.SimpleNamespace()
    namespace.again = namespace

    target = Outer()
    weak, weak_type, weak_function = weakref.ref(target), weakref.ref(Outer), weakref.ref(generate)
    weak_dead = weakref.ref(Outer())
    weak_proxy, weak_proxy_dead = weakref.proxy(target), weakref.proxy(Outer())

    exception = ValueError("bad", 42)
    exception_empty, exception_one = KeyError(), KeyError("it's")
    exception_of_tuple = Problem((1, 2))
    exception_attribute = Problem("x", None)
    exception_with_str, exception_system = Silent("s"), OSError(2, "No such file", "/x")
    exception_import = ImportError("no", name="m", path="p")
    exception_decode = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid")
    exception_stop, exception_exit = StopIteration(3), SystemExit()
    memory_error = MemoryError()
    exception_noted = ValueError("noted")
    exception_noted.__notes__ = ["first", "second"]
    if sys.version_info >= (3, 11):
        group = ExceptionGroup("two", [ValueError(1), TypeError("x")])  # noqa: F821
        group_nested = ExceptionGroup("outer", (group,))  # noqa: F821
    if sys.version_info >= (3, 9):
        alias, alias_nested = list[int], dict[str, list[Outer.Inner]]
        alias_callable, alias_empty = tuple[int, ...], tuple[()]
        alias_none = list[None]
    if sys.version_info >= (3, 10):
        union, union_none = int | str, list[int] | None
        union_class = Outer | Plain

    memory, memory_released = memoryview(b"abc"), memoryview(b"")
    memory_released.release()

    oracle.values()
    oracle.record()
    memset(0, 0, 1)  #@crash


if __name__ == "__main__":
    show()  #@main
