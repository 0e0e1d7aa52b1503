"""Values as text, in the form of CPython's own debugger helper: close to `repr`, with addresses as `at remote 0x…`."""

import re

from .memory import Unreadable
from .objects import BASE_EXCEPTION, BYTES, DICT, HEAP_TYPE, LIST, LONG, TUPLE, TYPE, UNICODE, Objects

# The longest text of one value, in characters; CPython's helper has the same limit.
MAX_TEXT = 1024
# How deep containers are followed.
MAX_DEPTH = 40
# What no line of output holds: a name that is garbage may have them, and a terminal obeys them.
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


def printable(text):
    """A line of text with control characters escaped."""
    return CONTROL.sub(lambda match: "\\x%02x" % ord(match.group()), text)


class Full(Exception):
    """The text is as long as it may be."""


class Text:
    """Text of bounded length."""

    def __init__(self, limit, encoding):
        self.parts = []
        self.left = limit
        self.encoding = encoding

    def write(self, text):
        if len(text) > self.left:
            self.parts.append(text[: self.left])
            self.left = 0
            raise Full()
        self.parts.append(text)
        self.left -= len(text)


class Values(Objects):
    """Objects, as text."""

    # The encoding of the terminal: characters it lacks are escaped.
    encoding = "utf-8"

    def text(self, obj, limit=MAX_TEXT):
        """The value of an object, cut at `limit` characters."""
        return self.cut(lambda out: self.write(out, obj, ()), limit)

    def cut(self, write, limit=MAX_TEXT):
        """What `write` writes, cut at `limit` characters."""
        out = Text(limit, self.encoding)
        try:
            write(out)
        except Full:
            out.parts.append("...(truncated)")
        return printable("".join(out.parts))

    def write(self, out, obj, above):
        """Writes an object; `above` are the containers it is in."""
        if obj == 0:
            out.write("0x0")
            return
        try:
            info = self.type_of(obj)
        except Unreadable:
            out.write("<unknown at remote 0x%x>" % obj)
            return
        before = len(out.parts)
        try:
            self._write_typed(out, obj, info, above)
        except Unreadable:
            # What is written already stands; it says where it broke off.
            out.write("<%s at remote 0x%x>" % (info.name, obj) if len(out.parts) == before else "<unreadable>")

    def _write_typed(self, out, obj, info, above):
        writer = None if info.has(HEAP_TYPE) else WRITERS.get(info.name)
        if writer is not None:
            writer(self, out, obj, info, above)
        elif info.has(TYPE):
            self._write_type(out, obj, info, above)
        elif info.has(HEAP_TYPE):
            self._inside(out, obj, above, "<...>", self._write_instance, info)
        else:
            base = next((base for flag, base in BASES if info.has(flag)), None)
            if base is not None:
                base(self, out, obj, info, above)
            else:
                out.write("<%s at remote 0x%x>" % (info.name, obj))

    def _inside(self, out, obj, above, cycle, write, *arguments):
        """Writes a container, unless it contains itself."""
        if obj in above or len(above) >= MAX_DEPTH:
            out.write(cycle)
        else:
            write(out, obj, *(arguments + (above + (obj,),)))

    def _write_items(self, out, items, above):
        for index, item in enumerate(items):
            if index:
                out.write(", ")
            self.write(out, item, above)

    def _write_pairs(self, out, pairs, separator, write_key, above):
        for index, (key, value) in enumerate(pairs):
            if index:
                out.write(", ")
            write_key(out, key)
            out.write(separator)
            self.write(out, value, above)

    # One method for each type.

    def _write_int(self, out, obj, info, above):
        value = self.int_value(obj)
        out.write("<int of more than 14000 bits>" if value is None else str(value))

    def _write_bool(self, out, obj, info, above):
        out.write("True" if self.int_value(obj) else "False")

    def _write_float(self, out, obj, info, above):
        out.write(repr(self.memory.f64(self.at(obj, "float.value"))))

    def _write_complex(self, out, obj, info, above):
        at = self.at(obj, "complex.value")
        out.write(repr(complex(self.memory.f64(at), self.memory.f64(at + 8))))

    def _write_str(self, out, obj, info, above):
        wanted = min(self.str_length(obj), out.left + 1)
        text = self.str_value(obj, out.left + 1)
        quote = '"' if "'" in text and '"' not in text else "'"
        escaped = "".join(_escape(char, quote, out.encoding) for char in text)
        out.write(quote + escaped + quote + self._rest(len(text), wanted))

    def _write_bytes(self, out, obj, info, above):
        data = self.bytes_value(obj, out.left + 1)
        out.write(repr(data) + self._rest(len(data), min(self.size_of(obj), out.left + 1)))

    def _rest(self, have, wanted):
        """What is said where a dump holds the beginning only."""
        return "...(the rest cannot be read)" if have < wanted else ""

    def _write_bytearray(self, out, obj, info, above):
        size = max(self.size_of(obj), 0)
        data = self.memory.bytes(self.ptr(obj, "bytearray.start"), min(size, out.left + 1)) if size else b""
        out.write("bytearray(%r)" % data)

    def _write_list(self, out, obj, info, above):
        def write(out, obj, above):
            out.write("[")
            self._write_items(out, self.list_items(obj), above)
            out.write("]")

        self._inside(out, obj, above, "[...]", write)

    def _write_tuple(self, out, obj, info, above):
        def write(out, obj, above):
            out.write("(")
            self._write_items(out, self.tuple_items(obj), above)
            out.write(",)" if self.size_of(obj) == 1 else ")")

        self._inside(out, obj, above, "(...)", write)

    def _write_dict(self, out, obj, info, above):
        def write(out, obj, above):
            out.write("{")
            self._write_pairs(out, self.dict_items(obj), ": ", lambda out, key: self.write(out, key, above), above)
            out.write("}")

        self._inside(out, obj, above, "{...}", write)

    def _write_frozendict(self, out, obj, info, above):
        """`frozendict.__repr__` (Objects/dictobject.c, 3.15+), with braces also where it is empty, as CPython's helper."""

        def write(out, obj, above):
            out.write("frozendict(")
            self._write_dict(out, obj, info, above[:-1])
            out.write(")")

        self._inside(out, obj, above, "frozendict({...})", write)

    def _write_set(self, out, obj, info, above):
        def write(out, obj, above):
            if self.i64(obj, "set.used") == 0:
                out.write("%s()" % info.name)
                return
            is_set = info.name == "set"
            out.write("{" if is_set else "%s({" % info.name)
            self._write_items(out, self.set_items(obj), above)
            out.write("}" if is_set else "})")

        self._inside(out, obj, above, "%s(...)" % info.name, write)

    def _write_exception(self, out, obj, info, above):
        def write(out, obj, above):
            out.write(info.name)
            self._write_tuple(out, self.ptr(obj, "exception.args"), None, above)

        self._inside(out, obj, above, "(...)", write)

    def _write_instance(self, out, obj, info, above):
        """An instance of a class made at run time, with its attributes; that of a subclass of list, int and so on
        without attributes of its own, as what it is derived from."""
        try:
            attributes = list(self.attributes(obj))
            has_dict = self.instance_items(obj, 1) is not None
        except Unreadable:
            attributes, has_dict = [], False
        base = next((writer for flag, writer in BASES if info.has(flag)), None)
        if base is not None and not attributes:
            base(self, out, obj, info, above[:-1])
            return
        out.write("<%s" % info.name)
        if attributes or has_dict:
            out.write("(")
            self._write_pairs(out, attributes, "=", lambda out, name: out.write(name), above)
            out.write(")")
        out.write(" at remote 0x%x>" % obj)

    def _write_builtin(self, out, obj, info, above):
        name = self.c_function_name(obj)
        owner = self.ptr(obj, "builtin.owner")
        if owner == 0:
            out.write("<built-in function %s>" % name)
        else:
            out.write("<built-in method %s of %s object at remote 0x%x>" % (name, self._type_name(owner), owner))

    def _write_method_wrapper(self, out, obj, info, above):
        name = self.name(self.ptr(self.ptr(obj, "wrapper.descriptor"), "descriptor.name"))
        owner = self.ptr(obj, "wrapper.instance")
        out.write("<method-wrapper %r of %s object at 0x%x>" % (name, self._type_name(owner), owner))

    def _write_none(self, out, obj, info, above):
        out.write("None")

    def _write_ellipsis(self, out, obj, info, above):
        out.write("Ellipsis")

    def _write_not_implemented(self, out, obj, info, above):
        out.write("NotImplemented")

    def _write_type(self, out, obj, info, above):
        out.write("<class '%s'>" % self.full_name(self.type_at(obj)))

    def _write_function(self, out, obj, info, above):
        out.write("<function %s at remote 0x%x>" % (self.name(self.ptr(obj, "function.qualname")), obj))

    def _write_module(self, out, obj, info, above):
        out.write("<module '%s' at remote 0x%x>" % (self.name(self.ptr(obj, "module.name")), obj))

    def _write_generator(self, out, obj, info, above):
        name = self.name(self.ptr(obj, "generator.qualname"))
        out.write("<%s object %s at remote 0x%x>" % (info.name, name, obj))

    def _write_code(self, out, obj, info, above):
        name = self.name(self.ptr(obj, "code.name"))
        filename = self.name(self.ptr(obj, "code.filename"))
        line = self.i32(obj, "code.firstlineno")
        out.write('<code object %s at remote 0x%x, file "%s", line %d>' % (name, obj, filename, line))

    def _write_cell(self, out, obj, info, above):
        def write(out, obj, above):
            out.write("<cell at remote 0x%x: " % obj)
            contents = self.ptr(obj, "cell.contents")
            if contents:
                self.write(out, contents, above)
            else:
                out.write("empty")
            out.write(">")

        self._inside(out, obj, above, "<cell ...>", write)

    def _write_method(self, out, obj, info, above):
        def write(out, obj, above):
            function = self.ptr(obj, "method.function")
            out.write("<bound method %s of " % self.name(self.ptr(function, "function.qualname")))
            self.write(out, self.ptr(obj, "method.instance"), above)
            out.write(">")

        self._inside(out, obj, above, "<bound method ...>", write)

    def _write_range(self, out, obj, info, above):
        parts = [self.int_value(self.ptr(obj, "range." + part)) for part in ("start", "stop", "step")]
        out.write("range(%s)" % ", ".join(str(part) for part in (parts if parts[2] != 1 else parts[:2])))

    def _write_slice(self, out, obj, info, above):
        def write(out, obj, above):
            out.write("slice(")
            self._write_items(out, [self.ptr(obj, "slice." + part) for part in ("start", "stop", "step")], above)
            out.write(")")

        self._inside(out, obj, above, "slice(...)", write)

    def _write_frame(self, out, obj, info, above):
        self.write_frame_object(out, obj, above)

    def write_frame_object(self, out, obj, above):
        """A `frame`; frames.py has more to say of it."""
        out.write("<frame at remote 0x%x>" % obj)

    def _type_name(self, obj):
        try:
            return self.type_of(obj).name
        except Unreadable:
            return "unknown"


def _escape(char, quote, encoding):
    """One character as `repr` writes it (Objects/unicodeobject.c, `unicode_repr`)."""
    if char == quote or char == "\\":
        return "\\" + char
    if char.isprintable():
        if char < "\x7f":
            return char
        try:
            char.encode(encoding)
            return char
        except (UnicodeEncodeError, LookupError):
            pass
    if char in "\t\n\r":
        return {"\t": "\\t", "\n": "\\n", "\r": "\\r"}[char]
    point = ord(char)
    return "\\x%02x" % point if point < 0x100 else "\\u%04x" % point if point < 0x10000 else "\\U%08x" % point


# By the bits of tp_flags that subclasses share.
BASES = (
    (LONG, Values._write_int),
    (LIST, Values._write_list),
    (TUPLE, Values._write_tuple),
    (BYTES, Values._write_bytes),
    (UNICODE, Values._write_str),
    (DICT, Values._write_dict),
    (BASE_EXCEPTION, Values._write_exception),
)
# By tp_name, for the types that CPython itself defines.
WRITERS = {
    "bool": Values._write_bool,
    "NoneType": Values._write_none,
    "ellipsis": Values._write_ellipsis,
    "NotImplementedType": Values._write_not_implemented,
    "float": Values._write_float,
    "complex": Values._write_complex,
    "bytearray": Values._write_bytearray,
    "set": Values._write_set,
    "frozenset": Values._write_set,
    "frozendict": Values._write_frozendict,
    "builtin_function_or_method": Values._write_builtin,
    "builtin_method": Values._write_builtin,
    "method-wrapper": Values._write_method_wrapper,
    "function": Values._write_function,
    "method": Values._write_method,
    "module": Values._write_module,
    "type": Values._write_type,
    "code": Values._write_code,
    "cell": Values._write_cell,
    "generator": Values._write_generator,
    "coroutine": Values._write_generator,
    "async_generator": Values._write_generator,
    "range": Values._write_range,
    "slice": Values._write_slice,
    "frame": Values._write_frame,
}
