"""Generators and coroutines that are suspended: their frames, and what they wait for."""

from .frames import CODE_UNIT
from .memory import Unreadable
from .objects import WORD

# The most generators of one chain that are followed.
MAX_GENERATORS = 500
# `YIELD_FROM` (Include/opcode.h, 3.8 to 3.10).
YIELD_FROM = 72
# FRAME_CREATED and FRAME_SUSPENDED (Include/internal/pycore_frame.h, 3.11 and 3.12).
NOT_RUNNING = (-2, -1)
GENERATORS = ("coroutine", "generator", "async_generator")
# What stands for a generator that it refers to.
WRAPPERS = {
    "coroutine_wrapper": "coroutine_wrapper.coroutine",
    "async_generator_asend": "async_gen_send.generator",
    "async_generator_athrow": "async_gen_throw.generator",
}


def suspended(runtime, obj):
    """(frames, object) of a chain of suspended coroutines: their frames, innermost first, and what the last one waits for
    where that is no coroutine; 0 for nothing. One that runs has no frames here."""
    frames = []
    seen = set()
    while obj and obj not in seen and len(seen) < MAX_GENERATORS:
        seen.add(obj)
        try:
            name = runtime.full_name(runtime.type_of(obj))
            if name in GENERATORS:
                frame = _frame(runtime, obj)
                if frame is None:
                    return frames[::-1], 0
                frames.append(frame)
                obj = _awaited(runtime, obj, frame)
            elif name in WRAPPERS:
                obj = runtime.ptr_or_null(obj, WRAPPERS[name])
            elif name == "_asyncio.FutureIter":
                return frames[::-1], runtime.ptr_or_null(obj, "future_iterator.future")
            else:
                return frames[::-1], obj
        except Unreadable:
            break
    return frames[::-1], 0


def _frame(runtime, generator):
    """The frame of a generator that is suspended or has not begun; None for others."""
    if not runtime.has("generator.iframe"):
        address = runtime.ptr(generator, "generator.frame")
        return runtime.frame_of_object(address) if address else None
    first, last = runtime.layout.numbers("awaits")[:2] or NOT_RUNNING
    if not first <= runtime.memory.i8(runtime.at(generator, "generator.frame_state")) <= last:
        return None
    address = runtime.at(generator, "generator.iframe")
    return runtime.frame_at(address)


def _awaited(runtime, generator, frame):
    """What a suspended generator delegates to (`_PyGen_yf`, Objects/genobject.c); 0 for nothing."""
    layout = runtime.layout
    if layout.is_("awaits", "State"):
        first, last, depth = layout.numbers("awaits")[2:]
        state = runtime.memory.i8(runtime.at(generator, "generator.frame_state"))
        return _stack_item(runtime, frame, depth) if first <= state <= last else 0
    code = runtime.code(frame.code)
    if code is None:
        return 0
    opcode, argument = runtime.memory.bytes(code.instructions + frame.lasti + CODE_UNIT, CODE_UNIT)
    if layout.is_("awaits", "ResumeArgument"):
        # RESUME 2 stands behind the `yield` of `yield from`, RESUME 3 behind that of `await`.
        return _stack_item(runtime, frame, 1) if argument & 3 >= 2 else 0
    if opcode != YIELD_FROM:
        return 0
    if runtime.has("frame_object.f_stacktop"):
        top = runtime.ptr(frame.address, "frame_object.f_stacktop")
    else:
        depth = runtime.i32(frame.address, "frame_object.f_stackdepth")
        top = runtime.ptr(frame.address, "frame_object.f_valuestack") + depth * WORD
    return runtime.memory.u64(top - WORD)


def _stack_item(runtime, frame, depth):
    """The item at `depth` of a suspended frame's value stack; 1 is the topmost."""
    if runtime.has("frame.stackpointer"):
        top = runtime.ptr(frame.address, "frame.stackpointer")
    else:
        top = runtime.at(frame.address, "frame.localsplus") + runtime.i32(frame.address, "frame.stacktop") * WORD
    return runtime.stack_ref(top - depth * WORD)
