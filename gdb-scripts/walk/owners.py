"""Which native thread runs a thread state.

The states of the main interpreter are made by the threads that they are of. Those of others may have been made by another
one, which they then name: where they run is told by the stack that the records of their runs lie on, or, where there are
none, by the stack that has as many eval loops.
"""

from .unwind import Tables


class Owners:
    """The thread states of a process, by the native threads that run them."""

    def __init__(self, debugger, runtime, eval_loop):
        self._debugger = debugger
        self._runtime = runtime
        # What the names of the eval loop's functions begin with.
        self._eval_loop = eval_loop
        self._interpreters = runtime.interpreters()
        self._stacks = None
        self._owners = None

    def states_of(self, thread):
        """The thread states of the selected native thread, those of inner interpreters first."""
        claimed = self._runtime.states_of(thread.tid, self._debugger.thread_pointer())
        if len(self._interpreters) < 2:
            return claimed
        owners = self._all()
        return [state for each in self._interpreters for state in each.threads if owners.get(state.address) == thread.tid]

    def of(self, state):
        """The kernel's id of the thread that runs a state; 0 where it is not known."""
        tid = self._runtime.kernel_id(state) if len(self._interpreters) < 2 else 0
        # Up to 3.10 only the C library keeps it, in memory that a dump lacks.
        return tid or self._all().get(state.address, 0)

    def _all(self):
        """The kernel's id of each state's thread, by the state's address."""
        if self._owners is None:
            self._stacks = {}
            for thread in self._debugger.threads():
                self._stacks[thread.tid] = self._debugger.on_thread(thread, self._stack)
            self._owners = {}
            self._assign()
        return self._owners

    def _stack(self):
        """(stack pointer, `pthread_self()`) of the selected thread."""
        return self._debugger.general_registers().get("rsp", 0), self._debugger.thread_pointer()

    def _assign(self):
        unsure = []
        taken = {}
        for each in reversed(self._interpreters):
            for state in each.threads:
                runs = [run for run in self._runtime.runs(state.address) if run]
                claim = self._claim(state)
                by_record = self._by_record(runs[0][0].anchor) if runs else 0
                if by_record or not runs or each is self._interpreters[-1]:
                    self._owners[state.address] = by_record or claim
                    taken[by_record or claim] = taken.get(by_record or claim, 0) + len(runs)
                else:
                    unsure.append((state, claim, len(runs)))
        loops = {}
        for state, claim, count in unsure:
            for tid in [claim] + list(self._stacks):
                if tid in self._stacks and tid not in loops:
                    loops[tid] = self._loops(tid)
                if loops.get(tid, 0) >= taken.get(tid, 0) + count:
                    self._owners[state.address] = tid
                    taken[tid] = taken.get(tid, 0) + count
                    break

    def _claim(self, state):
        for tid, (_, pointer) in self._stacks.items():
            if pointer and pointer == state.thread_id:
                return tid
        tid = self._runtime.kernel_id(state)
        return tid if tid in self._stacks else 0

    def _by_record(self, record):
        """The thread whose stack an address lies on: stacks do not overlap, so it is the one whose stack pointer comes next
        below."""
        below = [(sp, tid) for tid, (sp, _) in self._stacks.items() if 0 < sp <= record]
        return max(below)[1] if below else 0

    def _loops(self, tid):
        """How many eval loops are on a thread's stack."""
        thread = next(thread for thread in self._debugger.threads() if thread.tid == tid)
        tables = Tables(self._debugger, self._runtime.memory)
        frames = self._debugger.on_thread(thread, tables.frames)
        return sum(1 for frame in frames if frame.name and frame.name.startswith(self._eval_loop) and not frame.is_inline)
