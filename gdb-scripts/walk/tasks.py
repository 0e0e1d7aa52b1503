"""asyncio: tasks that are not done, their coroutines and what they wait for."""

import re

from .memory import Unreadable
from .objects import MAX_BASES
from .suspended import GENERATORS, suspended

# The most tasks of one interpreter, and the most entries of a list or set of them, that are looked at.
MAX_TASKS = 1000
MAX_ENTRIES = 5000
# The most children of one `gather` that are named.
MAX_CHILDREN = 50
# Sets of tasks in the module asyncio.tasks: of 3.8 to 3.11; of 3.12 on, where tasks in C left them with 3.14.
SETS = ("_all_tasks", "_scheduled_tasks", "_eager_tasks")


class Task:
    """A task that is not done. `runner` is the thread that runs it, as pthread_self() or the address of its thread state,
    0 where none does; `frames` are those of its suspended coroutines, innermost first."""

    def __init__(self, address, name, coroutine, runner, is_waiting, awaiting, frames):
        self.address = address
        self.name = name
        self.coroutine = coroutine
        self.runner = runner
        self.is_waiting = is_waiting
        self.awaiting = awaiting
        self.frames = frames


class Fields:
    """The fields of a task or future, in C or in Python; those of a future have no coroutine."""

    def __init__(self, coro, name, waiter, is_done):
        self.coro = coro
        self.name = name
        self.waiter = waiter
        self.is_done = is_done


def tasks(runtime, interpreter):
    """(tasks, whether there are more) of an interpreter, in the order of the numbers in their names."""
    objects = list(_linked(runtime, interpreter))
    module = runtime.module_dict(interpreter, "asyncio.tasks")
    for name in SETS if module else ():
        objects += _members(runtime, module, name)
    running = _running(runtime, interpreter, module)
    objects += list(running)
    found = {}
    for obj in objects:
        if len(found) >= MAX_TASKS:
            break
        if obj not in found:
            task = _task(runtime, obj, running.get(obj, 0))
            if task is not None:
                found[obj] = task
    ordered = sorted(found.values(), key=lambda task: (_number_in(task.name), task.name or "", task.address))
    return ordered, len(found) >= MAX_TASKS


def _number_in(name):
    """The number at the end of a name: 12 of `Task-12`; others come last."""
    match = re.search(r"[0-9]+\Z", name or "")
    return int(match.group()) if match else 1 << 64


def _linked(runtime, interpreter):
    """3.14+: a list for each thread, and one for the tasks of threads that ended."""
    if not runtime.has("task.node"):
        return
    node = runtime.layout.offsets["task.node"]
    heads = [(thread.address, "thread_impl.asyncio_tasks_head") for thread in interpreter.threads]
    for base, slot in heads + [(interpreter.address, "interpreter.asyncio_tasks_head")]:
        try:
            head = runtime.at(base, slot)
            # struct llist_node {next, prev}: a circle through its head (Include/internal/pycore_llist.h).
            at = runtime.memory.u64(head)
            seen = {head, 0}
            while at not in seen and len(seen) < MAX_ENTRIES:
                seen.add(at)
                yield at - node
                at = runtime.memory.u64(at)
        except Unreadable:
            continue


def _members(runtime, module, name):
    """The members of a set, or what the weak references of a WeakSet point to."""
    try:
        container = runtime.dict_get(module, name)
        if not container:
            return []
        if runtime.is_type(container, "set"):
            return list(runtime.set_items(container, MAX_ENTRIES))
        data = _attribute(runtime, container, "data")
        if not runtime.is_type(data, "set"):
            return []
        references = runtime.set_items(data, MAX_ENTRIES)
        targets = [runtime.ptr_or_null(reference, "weak_reference.object") for reference in references]
        return [target for target in targets if target]
    except Unreadable:
        return []


def _running(runtime, interpreter, module):
    """Which thread runs which task."""
    running = {}
    for thread in interpreter.threads:
        task = runtime.ptr_or_null(thread.address, "thread_impl.asyncio_running_task")
        if task:
            running[task] = thread.address
    try:
        current = module and runtime.dict_get(module, "_current_tasks")
        for loop, task in runtime.dict_items(current, MAX_ENTRIES) if current else ():
            ident = _attribute(runtime, loop, "_thread_id")
            if ident and runtime.is_type(ident, "int"):
                running.setdefault(task, runtime.int_value(ident) or 0)
    except Unreadable:
        pass
    return running


def _attribute(runtime, obj, name):
    """An attribute of an instance; 0 where it has none of that name."""
    try:
        return next((value for key, value in runtime.attributes(obj) if key == name), 0)
    except Unreadable:
        return 0


def _task(runtime, obj, runner):
    fields = _fields(runtime, obj)
    # What has no coroutine is no task, whatever the layout says.
    if fields is None or fields.is_done or _is_nothing(runtime, fields.coro):
        return None
    kind = runtime.full_name(runtime.type_of(fields.coro))
    coroutine = kind
    if kind in GENERATORS:
        coroutine = runtime.name_or(runtime.ptr_or_null(fields.coro, "generator.qualname"), None)
    frames, waits_for = suspended(runtime, fields.coro)
    is_waiting = not _is_nothing(runtime, fields.waiter)
    if runner:
        frames, awaiting = [], []
    else:
        awaiting = _describe(runtime, fields.waiter if is_waiting else waits_for)
    return Task(obj, _task_name(runtime, fields.name), coroutine, runner, is_waiting, awaiting, frames)


def _is_nothing(runtime, obj):
    """Null, unreadable or None."""
    try:
        return obj == 0 or runtime.type_of(obj).is_builtin("NoneType")
    except Unreadable:
        return True


def _task_name(runtime, obj):
    """Since 3.13 a name that nobody asked for is a number still."""
    try:
        if runtime.is_type(obj, "int"):
            return "Task-%s" % runtime.int_value(obj)
    except Unreadable:
        pass
    return runtime.name_or(obj, None)


def _describe(runtime, obj):
    """What a task waits for: tasks by their names, the children of a `gather` one by one, else the future."""
    if _is_nothing(runtime, obj):
        return []
    children = _attribute(runtime, obj, "_children")
    if children and runtime.is_type(children, "list"):
        try:
            pairs = [(child, _fields(runtime, child)) for child in runtime.list_items(children, MAX_CHILDREN)]
            return [_describe_one(runtime, child) for child, fields in pairs if fields and not fields.is_done]
        except Unreadable:
            pass
    return [_describe_one(runtime, obj)]


def _describe_one(runtime, obj):
    fields = _fields(runtime, obj)
    if fields is not None and fields.coro:
        return "task %s" % (_task_name(runtime, fields.name) or "?")
    try:
        return "<%s at remote 0x%x>" % (runtime.full_name(runtime.type_of(obj)), obj)
    except Unreadable:
        return "<unknown at remote 0x%x>" % obj


def _fields(runtime, obj):
    """The fields of a task or future; None for other objects."""
    try:
        names = list(_base_names(runtime, obj))
        if "_asyncio.Task" in names:
            parts = [runtime.ptr_or_null(obj, "task." + field) for field in ("coro", "name", "fut_waiter")]
            return Fields(*parts, is_done=_state(runtime, obj, "task.state") != 0)
        if "_asyncio.Future" in names:
            return Fields(0, 0, 0, _state(runtime, obj, "future.state") != 0)
        if "asyncio.tasks.Task" in names or "asyncio.futures.Future" in names:
            attributes = dict(runtime.attributes(obj))
            parts = [attributes.get(name, 0) for name in ("_coro", "_name", "_fut_waiter")]
            # A class attribute until it changes.
            state = runtime.name_or(attributes.get("_state", 0), "PENDING")
            return Fields(*parts, is_done=state != "PENDING")
    except Unreadable:
        pass
    return None


def _state(runtime, obj, slot):
    try:
        return runtime.i32(obj, slot)
    except Unreadable:
        return 0


def _base_names(runtime, obj):
    info = runtime.type_of(obj)
    for _ in range(MAX_BASES):
        yield runtime.full_name(info)
        if not info.base:
            break
        info = runtime.type_at(info.base)
