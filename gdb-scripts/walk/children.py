"""What an object consists of, for debuggers that can open a value."""

from .memory import Unreadable
from .objects import DICT, LIST, TUPLE

# The most parts of one object, and the longest text of a key.
MAX_PARTS = 1000
MAX_KEY = 60


def children(runtime, obj):
    """(name, address) of an object's parts: items of a container, then attributes. As far as they can be read."""
    found = []
    for parts in (_items, _attributes):
        try:
            for pair in parts(runtime, obj):
                if len(found) >= MAX_PARTS:
                    return found
                found.append(pair)
        except Unreadable:
            continue
    return found


def _items(runtime, obj):
    info = runtime.type_of(obj)
    if info.has(DICT) or info.is_builtin("frozendict"):
        for key, value in runtime.dict_items(obj, MAX_PARTS):
            yield "[%s]" % runtime.text(key, MAX_KEY), value
        return
    items = ()
    if info.has(LIST):
        items = runtime.list_items(obj, MAX_PARTS)
    elif info.has(TUPLE):
        items = runtime.tuple_items(obj, MAX_PARTS)
    elif info.is_builtin("set") or info.is_builtin("frozenset"):
        items = runtime.set_items(obj, MAX_PARTS)
    for index, item in enumerate(items):
        yield "[%d]" % index, item


def _attributes(runtime, obj):
    return ((name, value) for name, value in runtime.attributes(obj) if value)
