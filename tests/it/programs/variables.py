"""Run by gdb: the arguments and locals of the stopped thread's frames, in the form in which coldframe has them."""

import json
import os

import gdb


def text(value):
    kind = value.type.strip_typedefs()
    code = kind.code
    if value.is_optimized_out:
        return "(optimized out)"
    if code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        return "{%s}" % ", ".join("%s = %s" % (field.name, text(value[field])) for field in kind.fields())
    if code == gdb.TYPE_CODE_ARRAY:
        first, last = kind.range()
        return "{%s}" % ", ".join(text(value[index]) for index in range(first, last + 1))
    if code == gdb.TYPE_CODE_ENUM:
        number = int(value)
        names = [field.name for field in kind.fields() if field.enumval == number]
        return names[0] if names else str(number)
    if code == gdb.TYPE_CODE_BOOL:
        return "true" if value else "false"
    if code == gdb.TYPE_CODE_FLT:
        return repr(float(value))
    if code == gdb.TYPE_CODE_PTR:
        return "text" if is_text(kind) and int(value) else hex(int(value))
    return str(int(value))


def is_text(kind):
    target = kind.target().strip_typedefs().unqualified()
    return target.code == gdb.TYPE_CODE_INT and target.sizeof == 1 and target.is_signed


def variables(frame):
    found = {}
    block = frame.block()
    while block is not None:
        for symbol in block:
            if (symbol.is_argument or symbol.is_variable) and symbol.name not in found:
                value = symbol.value(frame)
                pointed = None
                if value.type.strip_typedefs().code == gdb.TYPE_CODE_PTR and not value.is_optimized_out:
                    if is_text(value.type.strip_typedefs()):
                        pointed = value.string()
                found[symbol.name] = {"text": text(value), "string": pointed, "argument": symbol.is_argument}
        if block.function is not None:
            break
        block = block.superblock
    return found


frames = []
frame = gdb.newest_frame()
while frame is not None and frame.name() in ("store", "both", "fill", "work"):
    frames.append({"function": frame.name(), "variables": variables(frame)})
    frame = frame.older()
with open(os.environ["COLDFRAME_TEST_OUTPUT"], "w") as output:
    json.dump(frames, output)
