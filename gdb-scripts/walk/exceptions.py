"""Exceptions of a thread: the one that is being raised, those that are being handled, and how they came about."""

from .memory import Unreadable
from .objects import BASE_EXCEPTION

# The most exceptions that are followed from one, the most entries of one traceback, the most handlers within each other.
MAX_CHAIN = 20
MAX_TRACEBACK = 1000


def exceptions(runtime, thread):
    """("raising" or "handling", address) of the exceptions of a thread state, innermost first."""
    for slot in ("thread.current_exception", "thread.curexc_value"):
        current = runtime.ptr_or_null(thread, slot)
        if _is_exception(runtime, current):
            yield "raising", current
    handled = []
    for item in runtime.linked(runtime.ptr_or_null(thread, "thread.exc_info"), "err_stack_item.previous", MAX_CHAIN):
        value = runtime.ptr_or_null(item, "err_stack_item.exc_value")
        if value not in handled and _is_exception(runtime, value):
            handled.append(value)
            yield "handling", value


def _is_exception(runtime, obj):
    try:
        return obj != 0 and runtime.type_of(obj).has(BASE_EXCEPTION)
    except Unreadable:
        return False


def describe(runtime, obj):
    """The lines of an exception as Python prints it: causes first, each with its traceback."""
    chain = []
    link = None
    while _is_exception(runtime, obj) and len(chain) < MAX_CHAIN and all(obj != known for known, _ in chain):
        chain.append((obj, link))
        cause = runtime.ptr_or_null(obj, "exception.cause")
        if _is_exception(runtime, cause):
            obj, link = cause, "The above exception was the direct cause of the following one:"
        elif _suppresses(runtime, obj):
            break
        else:
            obj = runtime.ptr_or_null(obj, "exception.context")
            link = "During handling of the above exception, the following one occurred:"
    for index, (obj, link) in enumerate(reversed(chain)):
        for line in _one(runtime, obj):
            yield line
        if link is not None and index + 1 < len(chain):
            yield link


def _suppresses(runtime, obj):
    try:
        return runtime.u8(obj, "exception.suppress_context") != 0
    except Unreadable:
        return False


def _one(runtime, obj):
    head = runtime.ptr_or_null(obj, "exception.traceback")
    if head:
        yield "Traceback (most recent call last):"
    for entry in runtime.linked(head, "traceback.next", MAX_TRACEBACK):
        try:
            frame = runtime.frame_of_object(runtime.ptr(entry, "traceback.frame"))
            frame.lasti = runtime.i32(entry, "traceback.lasti")
            line = runtime.i32(entry, "traceback.lineno")
        except Unreadable:
            break
        code = runtime.code(frame.code)
        # -1 until someone asks for it (3.12+).
        line = line if line > 0 else runtime.line(frame)
        if code is not None:
            yield '  File "%s", line %s, in %s' % (code.filename, "?" if line is None else line, code.name)
            text = runtime.source_text(code, line)
            if text is not None:
                yield "    %s" % text
    yield runtime.text(obj)
