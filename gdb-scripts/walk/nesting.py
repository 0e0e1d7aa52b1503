"""Which of several interpreters on one thread runs inside which, where their runs leave no records (up to 3.9).

Each run of the eval loop has the address of its frame object in its part of the stack, or in that of the function it
calls, which saves its registers.
"""

from .memory import Unreadable

# Of so many innermost frames of a state it is looked where they run.
MATCHED_FRAMES = 16
# How many bytes of one native frame are searched at most.
SEARCHED = 16 << 10


def innermost_first(memory, states, runs_of, ranges):
    """`states`, each inside the next one.

    `runs_of` gives the runs of a state, `ranges` has the (start, end) of each eval loop's part of the stack, innermost
    first. Where these do not tell, the order is the one given.
    """
    runs = {state.address: [run for run in runs_of(state.address) if run] for state in states}
    busy = [state for state in states if runs[state.address]]
    if len(busy) < 2 or any(runs[state.address][0][0].anchor for state in busy):
        return states
    rest = list(busy)
    # The innermost loop may have begun no frame, or have ended it.
    at = min(max(len(ranges) - sum(len(runs[state.address]) for state in busy), 0), 1)
    order = []
    while len(rest) > 1:
        shares = [_share_found(memory, runs[state.address], ranges[at:]) for state in rest]
        best = max(shares)
        if best < 0.5 or shares.count(best) > 1:
            break
        inner = rest.pop(shares.index(best))
        at += len(runs[inner.address])
        order.append(inner)
    return order + rest + [state for state in states if state not in busy]


def _share_found(memory, runs, ranges):
    """How many of the innermost frames are where they would be, were these runs the innermost; from 0 to 1."""
    objects = [run[0].address for run in runs[:MATCHED_FRAMES]]
    found = sum(_holds(memory, start, end, address) for address, (start, end) in zip(objects, ranges))
    return found / float(len(objects))


def _holds(memory, start, end, address):
    try:
        return address in memory.words(start, min(end - start, SEARCHED) // 8)
    except Unreadable:
        return False
