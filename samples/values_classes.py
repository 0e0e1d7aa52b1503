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
"""Classes of the program: derived from builtin types, generated, enumerations, and such that print themselves."""

import collections
import dataclasses
import enum
import re
import sys
import typing
from ctypes import memset

import oracle

Point = collections.namedtuple("Point", "x y")
Empty = collections.namedtuple("Empty", "")


class Typed(typing.NamedTuple):
    name: str
    size: int = 3


class Point3(Point):
    """Inherits the repr."""


@dataclasses.dataclass
class Item:
    name: str
    price: float = 1.5
    tags: list = dataclasses.field(default_factory=list)
    unshown: str = dataclasses.field(default="hidden", repr=False)
    kind: typing.ClassVar[str] = "class variable"


@dataclasses.dataclass(frozen=True)
class Frozen:
    value: object


@dataclasses.dataclass
class Derived(Item):
    more: int = 1


class Undecorated(Item):
    pass


@dataclasses.dataclass(repr=False)
class WithoutRepr:
    x: int = 1


class Color(enum.Enum):
    RED = 1
    GREEN = "green"
    BLUE = (0, 0, 255)
    ALIAS = 1


class Number(enum.IntEnum):
    ONE = 1
    TWO = 2


class Access(enum.Flag):
    READ = 1
    WRITE = 2
    EXECUTE = 4
    ALL = 7


class Mode(enum.IntFlag):
    A = 1
    B = 2


class Text(str, enum.Enum):
    HELLO = "hello"


class Planet(enum.Enum):
    """Members with attributes of their own."""

    EARTH = (1, "blue")
    MARS = (2, "red")

    def __init__(self, number, colour):
        self.number = number
        self.colour = colour


if sys.version_info >= (3, 10):

    @dataclasses.dataclass(slots=True, kw_only=True)
    class Compact:
        name: str
        size: int = 2


if sys.version_info >= (3, 11):

    class Word(enum.StrEnum):
        YES = "yes"
        NO = enum.auto()

    class Kept(enum.IntFlag, boundary=enum.KEEP):
        A = 1
        B = 4


class Strs(str):
    pass


class Ints(int):
    pass


class Floats(float):
    pass


class Lists(list):
    pass


class Dicts(dict):
    pass


class Sets(set):
    pass


class FrozenSets(frozenset):
    pass


class Bytes(bytes):
    pass


class ByteArrays(bytearray):
    pass


class Tuples(tuple):
    pass


class Complexes(complex):
    pass


class OwnRepr:
    def __init__(self):
        self.shown = 1

    def __repr__(self):
        return "not for a report to run"


class OwnReprList(list):
    def __repr__(self):
        return "neither"


class BaseRepr(OwnReprList):
    __repr__ = list.__repr__


class ObjectRepr(OwnRepr):
    __repr__ = object.__repr__


class Slotted:
    __slots__ = ("left", "_right", "__dict__")

    def __init__(self):
        self.left = [1]
        self._right = "r"
        self.extra = None


class Node:
    def __init__(self):
        self.me = self
        self.children = [self]


def show():
    point, point_nested, empty = Point(1, "two"), Point([3], Point(4, None)), Empty()
    typed, point_derived = Typed("n"), Point3(1, 2)
    item, item_nested = Item("bolt"), Item("box", 2.0, [Frozen(1), Item("nut")])
    frozen, derived, undecorated = Frozen({"a": 1}), Derived("d"), Undecorated("u")
    without_repr = WithoutRepr()
    item_recursive = Item("self")
    item_recursive.tags.append(item_recursive)

    color, color_str, color_tuple, color_alias = Color.RED, Color.GREEN, Color.BLUE, Color.ALIAS
    number, text_member = Number.TWO, Text.HELLO
    access, access_two, access_all = Access.READ, Access.READ | Access.EXECUTE, Access.ALL
    access_none, mode, mode_two = Access(0), Mode.A, Mode.A | Mode.B
    enum_class, flag_class, int_enum_class = Color, Access, Number
    planet = Planet.MARS
    if sys.version_info >= (3, 10):
        compact = Compact(name="n")
    if sys.version_info >= (3, 11):
        word, word_auto = Word.YES, Word.NO
        kept, kept_unnamed = Kept.A | Kept.B, Kept(8 | 1)
    enum_in_list = [Color.RED, Number.ONE]
    opaque_flags = re.IGNORECASE | re.MULTILINE

    strs, ints, floats = Strs("it's"), Ints(-5), Floats(0.5)
    lists, dicts, sets, frozen_sets = Lists([1]), Dicts(a=1), Sets({1}), FrozenSets({2})
    sets_empty, frozen_sets_empty = Sets(), FrozenSets()
    bytes_value, byte_arrays = Bytes(b"x"), ByteArrays(b"y")
    tuples, complexes = Tuples((1, 2)), Complexes(1, -2)

    opaque_repr, opaque_list = OwnRepr(), OwnReprList([1, 2])
    base_repr, object_repr = BaseRepr([1]), ObjectRepr()
    list_of_plain = [Slotted(), [Slotted()]]
    slotted, node = Slotted(), Node()

    list_recursive, dict_recursive = [1], {}
    list_recursive.append([list_recursive])
    dict_recursive["list"] = [dict_recursive]
    tuple_recursive = ([],)
    tuple_recursive[0].append(tuple_recursive)
    set_nested = {frozenset({frozenset({1})})}
    both = {"list": list_recursive}
    list_recursive.append(both)
    deep = [[[[[[[["bottom"]]]]]]]]

    oracle.values()
    oracle.record()
    memset(0, 0, 1)  #@crash


if __name__ == "__main__":
    show()  #@main
