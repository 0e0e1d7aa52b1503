"""Objects: their types, and the contents of CPython's own types."""

from .memory import Unreadable

# Bits of tp_flags (Include/object.h; the same in all supported versions).
INLINE_VALUES = 1 << 2
MANAGED_DICT = 1 << 4
HEAP_TYPE = 1 << 9
LONG = 1 << 24
LIST = 1 << 25
TUPLE = 1 << 26
BYTES = 1 << 27
UNICODE = 1 << 28
DICT = 1 << 29
BASE_EXCEPTION = 1 << 30
TYPE = 1 << 31

# The most items of a container, and the most bases of a class, that are looked at.
MAX_ITEMS = 10000
MAX_BASES = 64
# The most slots of one class.
MAX_SLOTS = 256
# T_OBJECT_EX (Include/structmember.h): a slot.
T_OBJECT_EX = 16
# The most digits of 30 bits of an int that are read: about 4,300 decimal digits, where CPython stops, too.
MAX_DIGITS = 480
DIGIT_BITS = 30
# The longest name (of a variable, function, file, type) that is read.
MAX_NAME = 4096
# The most of the table of a set that is read at once, in bytes.
MAX_TABLE = 1 << 16
# The longest table of lines.
MAX_BYTES = 1 << 20
WORD = 8
# From `m_ml` to `vectorcall` (Include/cpython/methodobject.h), and from `tp_name` to `tp_call` (Include/cpython/object.h);
# the same in all supported versions.
VECTORCALL_AFTER = 32
CALL_AFTER = 104


class TypeInfo:
    """What is known of a type (`PyTypeObject`)."""

    def __init__(self, address, name, flags, basicsize, itemsize, dictoffset, base):
        self.address = address
        self.name = name
        self.flags = flags
        self.basicsize = basicsize
        self.itemsize = itemsize
        self.dictoffset = dictoffset
        self.base = base

    def has(self, flag):
        return self.flags & flag != 0

    def is_builtin(self, name):
        """Whether it is the type of this name that CPython itself defines."""
        return self.name == name and not self.has(HEAP_TYPE)


class Objects:
    """Reads objects through a Memory and a Layout. Whatever cannot be read raises Unreadable."""

    def __init__(self, memory, layout):
        self.memory = memory
        self.layout = layout
        self._types = {}

    # Fields, by their names in the tables.

    def has(self, slot):
        return slot in self.layout.offsets

    def at(self, base, slot):
        """The address of a field in the structure at `base`."""
        offset = self.layout.offsets.get(slot)
        if offset is None or base == 0:
            raise Unreadable("%s at 0x%x" % (slot, base))
        return base + offset

    def ptr(self, base, slot):
        return self.memory.u64(self.at(base, slot))

    def ptr_or_null(self, base, slot):
        try:
            return self.ptr(base, slot)
        except Unreadable:
            return 0

    def i64(self, base, slot):
        return self.memory.i64(self.at(base, slot))

    def i32(self, base, slot):
        return self.memory.i32(self.at(base, slot))

    def u8(self, base, slot):
        return self.memory.u8(self.at(base, slot))

    # Types.

    def type_address(self, obj):
        return self.ptr(obj, "object.ob_type")

    def type_of(self, obj):
        return self.type_at(self.type_address(obj))

    def type_at(self, address):
        """A type by its address."""
        info = self._types.get(address)
        if info is None:
            # Objects lie on 8-byte boundaries; what does not is no pointer to a type.
            if address == 0 or address % WORD:
                raise Unreadable("type at 0x%x" % address)
            name = self.memory.c_string(self.ptr(address, "type_object.name"), MAX_NAME)
            if not name or not name.isprintable():
                raise Unreadable("type at 0x%x" % address)
            info = TypeInfo(
                address,
                name,
                self.memory.u64(self.at(address, "type_object.flags")),
                self.i64(address, "type_object.basicsize"),
                self.i64(address, "type_object.itemsize"),
                self.i64(address, "type_object.dictoffset"),
                self.ptr(address, "type_object.base"),
            )
            self._types[address] = info
        return info

    def types(self):
        """All types that were met."""
        return list(self._types.values())

    def is_type(self, obj, name):
        """Whether it is an object of the builtin type of that name."""
        try:
            return obj != 0 and obj % WORD == 0 and self.type_of(obj).is_builtin(name)
        except Unreadable:
            return False

    def full_name(self, info):
        """Module and qualified name of a type, as `repr` of a class shows it."""
        if not info.has(HEAP_TYPE):
            return info.name
        try:
            qualname = self.name(self.ptr(info.address, "heap_type.qualname"))
            module = self.name(self.dict_get(self.ptr(info.address, "type_object.dict"), "__module__") or 0)
        except Unreadable:
            return info.name
        return qualname if module == "builtins" else "%s.%s" % (module, qualname)

    # Contents.

    def size_of(self, obj):
        """`ob_size`."""
        return self.i64(obj, "var_object.ob_size")

    def int_value(self, obj):
        """The value of an int; None where it has too many digits."""
        if self.layout.is_("int_format", "SignedSize"):
            size = self.size_of(obj)
            negative, count = size < 0, abs(size)
        else:
            tag = self.memory.u64(self.at(obj, "long.tag"))
            negative, count = tag & 3 == 2, tag >> 3
        if count > MAX_DIGITS:
            return None
        data = self.memory.bytes(self.at(obj, "long.digits"), count * 4)
        value = 0
        for index in reversed(range(count)):
            digit = int.from_bytes(data[index * 4 : index * 4 + 4], "little")
            value = value << DIGIT_BITS | digit & (1 << DIGIT_BITS) - 1
        return -value if negative else value

    def str_length(self, obj):
        return self.i64(obj, "ascii.length")

    def str_value(self, obj, limit=MAX_NAME):
        """The first `limit` characters of a str; lone surrogates are possible."""
        length = self.str_length(obj)
        state = self.memory.u32(self.at(obj, "ascii.state"))
        # Behind what is interned: kind:3, compact:1, ascii:1 (Include/cpython/unicodeobject.h).
        bits = state >> (8 if self.layout.is_("string_state", "InternedByte") else 2)
        kind, compact, is_ascii = bits & 7, bits >> 3 & 1, bits >> 4 & 1
        if kind == 0 and self.has("ascii.wstr"):
            # Not "ready": only the wchar_t form exists (PyUnicode_FromUnicode, up to 3.11).
            length = self.i64(obj, "compact_unicode.wstr_length")
            data, kind = self.ptr(obj, "ascii.wstr"), 4
        elif compact:
            data = self.at(obj, "ascii.size" if is_ascii else "compact_unicode.size")
        else:
            data = self.ptr(obj, "unicode.data")
        if kind not in (1, 2, 4) or length < 0:
            raise Unreadable("str at 0x%x" % obj)
        text = self.memory.prefix(data, min(length, limit) * kind)
        text = text[: len(text) // kind * kind]
        if not text and length and limit:
            raise Unreadable("str at 0x%x" % obj)
        if kind == 1:
            return text.decode("latin-1")
        if kind == 2:
            # Not by the codec, which would join surrogates.
            return "".join(chr(text[i] | text[i + 1] << 8) for i in range(0, len(text), 2))
        points = (int.from_bytes(text[i : i + 4], "little") for i in range(0, len(text), 4))
        return "".join(chr(point) if point < 0x110000 else "\ufffd" for point in points)

    def name(self, obj):
        """A str that names something."""
        # By the flags alone: the name of a type may not be asked for here, names of heap types are strs, too.
        if not self.memory.u64(self.at(self.type_address(obj), "type_object.flags")) & UNICODE:
            raise Unreadable("no str at 0x%x" % obj)
        return self.str_value(obj)

    def bytes_value(self, obj, limit=MAX_BYTES):
        return self.memory.prefix(self.at(obj, "bytes.data"), min(max(self.size_of(obj), 0), limit))

    def tuple_items(self, obj, limit=MAX_ITEMS):
        return self.memory.each_word(self.at(obj, "tuple.items"), min(max(self.size_of(obj), 0), limit))

    def list_items(self, obj, limit=MAX_ITEMS):
        count = min(max(self.size_of(obj), 0), limit)
        return self.memory.each_word(self.ptr(obj, "list.items"), count) if count else ()

    def set_items(self, obj, limit=MAX_ITEMS):
        """The members of a set or frozenset, in the order of its table."""
        used = self.i64(obj, "set.used")
        mask = self.i64(obj, "set.mask")
        table = self.ptr(obj, "set.table")
        found = 0
        try:
            # At once: that is faster, and what a dump is made of then holds the whole table.
            self.memory.bytes(table, min((mask + 1) * 2 * WORD, MAX_TABLE))
        except Unreadable:
            pass
        # Tables are at most ten times larger than their contents, save after many removals.
        for index in range(min(mask + 1, limit * 64)):
            if found >= min(used, limit):
                break
            entry = table + index * 2 * WORD
            key = self.memory.u64(entry)
            # The key of a removed entry has the hash -1, which no object has.
            if key and self.memory.i64(entry + WORD) != -1:
                found += 1
                yield key

    # Dicts.

    def dict_items(self, obj, limit=MAX_ITEMS):
        """(key, value) of a dict in its order."""
        if self.memory.prefix(self.at(obj, "dict.used"), WORD) == bytes(WORD):
            return iter(())
        keys = self.ptr(obj, "dict.keys")
        values = self.ptr(obj, "dict.values")
        if values:
            return self._split_items(keys, values, limit)
        return self._combined_items(keys, limit)

    def dict_get(self, obj, name):
        """The value under a str key; None where there is none. Hashes of strs differ by process, so all are looked at."""
        for key, value in self.dict_items(obj):
            try:
                # Not its type: of keys that differ a dump lacks it.
                if self.str_length(key) == len(name) and self.str_value(key) == name:
                    return value
            except Unreadable:
                continue
        return None

    def _entries(self, keys):
        """Of a key table: address of the first key, distance from one entry to the next, number of entries."""
        count = self.i64(keys, "dict_keys.nentries")
        if self.layout.is_("dict_keys", "Size"):
            slots = self.i64(keys, "dict_keys.size_slots")
            # DK_IXSIZE, Objects/dictobject.c of 3.8.
            width = 1 if slots <= 0xFF else 2 if slots <= 0xFFFF else 4 if slots <= 0xFFFFFFFF else 8
            index_bytes, has_hash = slots * width, True
        else:
            # DICT_KEYS_GENERAL is 0; the other kinds hold str keys, whose hash is in the str.
            index_bytes = 1 << min(self.u8(keys, "dict_keys.log2_index_bytes"), 48)
            has_hash = self.u8(keys, "dict_keys.kind") == 0
        first = self.at(keys, "dict_keys.indices") + index_bytes
        return (first + WORD, 3 * WORD, count) if has_hash else (first, 2 * WORD, count)

    def _combined_items(self, keys, limit):
        at, stride, count = self._entries(keys)
        found = 0
        # Deleted entries have no value; a table of nothing else must end all the same.
        for index in range(min(count, limit * 2 + 64)):
            key, value = self.memory.words(at + index * stride, 2)
            if key and value:
                yield key, value
                found += 1
                if found >= limit:
                    break

    def _split_items(self, keys, values, limit):
        """The items of a table whose values lie elsewhere."""
        at, stride, count = self._entries(keys)
        values, order = self._split_values(values, min(count, limit))
        for index in order:
            key = self.memory.u64(at + index * stride)
            value = self.memory.u64(values + index * WORD)
            if key and value:
                yield key, value

    def _split_values(self, values, limit):
        """Address of the first value, and the indexes in the order of insertion."""
        if self.layout.is_("dict_values", "Array"):
            return values, range(limit)
        first = self.at(values, "dict_values.values")
        if self.has("dict_values.capacity"):
            count = self.u8(values, "dict_values.count")
            after = first + self.u8(values, "dict_values.capacity") * WORD
            return first, self.memory.bytes(after, min(count, limit))
        # Before the values: [-1] size of the prefix, [-2] how many are used, then, backwards, the order
        # (Include/internal/pycore_dict.h of 3.11).
        count = min(self.memory.u8(values - 2), limit)
        return first, self.memory.bytes(values - 2 - count, count)[::-1]

    # Instances.

    def instance_items(self, obj, limit=MAX_ITEMS):
        """(key, value) of an instance's `__dict__`, wherever it is; None where it has none, or has not made it yet."""
        info = self.type_of(obj)
        if info.has(MANAGED_DICT):
            if self.layout.is_("instance_dict", "ManagedPair"):
                values = self.memory.u64(obj - 4 * WORD)
                if values:
                    return self._shared_items(info, values, limit)
                place = obj - 3 * WORD
            else:
                is_tagged = self.layout.is_("instance_dict", "ManagedTagged")
                place = obj - (3 * WORD if is_tagged else self.layout.argument("instance_dict"))
                word = self.memory.u64(place)
                if is_tagged and word & 1:
                    return self._shared_items(info, word + 1, limit)
                if not is_tagged and word == 0 and info.has(INLINE_VALUES):
                    values = obj + info.basicsize
                    if self.u8(values, "dict_values.valid"):
                        return self._shared_items(info, values, limit)
                    return ()
        elif info.dictoffset > 0:
            place = obj + info.dictoffset
        elif info.dictoffset < 0:
            # _PyObject_GetDictPtr (Objects/object.c): from the end of the object.
            end = info.basicsize + abs(self.size_of(obj)) * info.itemsize
            place = obj + (end + WORD - 1 & -WORD) + info.dictoffset
        else:
            return None
        dictionary = self.memory.u64(place)
        return self.dict_items(dictionary, limit) if dictionary else None

    def slots(self, obj):
        """(name, value) of what `__slots__` of its class and the bases hold: member descriptors of the heap type
        (PyHeapType_GET_MEMBERS, Objects/typeobject.c)."""
        stride = self.layout.offsets.get("member_def.size", 0)
        info = self.type_of(obj)
        for _ in range(MAX_BASES if stride else 0):
            if not info.has(HEAP_TYPE):
                break
            member = self.ptr(info.address, "type_object.members")
            for _ in range(MAX_SLOTS if member else 0):
                name = self.ptr(member, "member_def.name")
                if name == 0:
                    break
                if self.i32(member, "member_def.kind") == T_OBJECT_EX:
                    value = self.memory.u64(obj + self.memory.u64(self.at(member, "member_def.offset")))
                    if value:
                        yield self.memory.c_string(name, MAX_NAME), value
                member += stride
            if info.base == 0:
                break
            info = self.type_at(info.base)

    def attributes(self, obj):
        """(name, value) of what an instance holds: slots, then `__dict__`."""
        for pair in self.slots(obj):
            yield pair
        for key, value in self.instance_items(obj) or ():
            try:
                yield self.name(key), value
            except Unreadable:
                yield "?", value

    def _shared_items(self, info, values, limit):
        return self._split_items(self.ptr(info.address, "heap_type.cached_keys"), values, limit)

    # Functions written in C.

    def c_function_name(self, obj):
        """The name of a `builtin_function_or_method`."""
        definition = self.ptr(obj, "builtin.definition")
        return self.memory.c_string(self.ptr(definition, "method_def.name"), MAX_NAME)

    def c_function(self, obj):
        """The address of the function that a `builtin_function_or_method` calls."""
        return self.ptr(self.ptr(obj, "builtin.definition"), "method_def.function")

    def c_function_flags(self, obj):
        """How that function is called (`ml_flags`)."""
        return self.memory.u32(self.at(self.ptr(obj, "builtin.definition"), "method_def.function") + WORD)

    def c_function_vectorcall(self, obj):
        """The address of what calls that function; 0 where only `tp_call` does."""
        return self.memory.u64(self.at(obj, "builtin.definition") + VECTORCALL_AFTER)

    def type_call(self, address):
        """The address of `tp_call` of a type."""
        return self.memory.u64(self.at(address, "type_object.name") + CALL_AFTER)
