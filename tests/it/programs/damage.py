"""Runs inside lldb: every command of the helper on a process whose memory is read with damage. Prints `commands: N` at the
end, and a line for each that went wrong: an exception that was no message, or control characters in what it says."""

import os
import random
import sys
import tempfile

import lldb

SEEDS = 25
# What a damaged word is likely to be made of.
WORDS = (0, 1, 1 << 31, 1 << 63, (1 << 64) - 1)


class Damaged:
    """Stands for the debugger, and damages some of what it reads."""

    def __init__(self, debugger, seed):
        self.debugger = debugger
        self.random = random.Random(seed)
        self.rate = self.random.choice((0.001, 0.01, 0.05, 0.3))

    def __getattr__(self, name):
        return getattr(self.debugger, name)

    def frames(self):
        # What debuggers find behind a stack that was overwritten.
        frames = self.debugger.frames()
        return frames + [sys.modules["coldframe_lldb"].NativeFrame(len(frames), 0, frames[-1].sp + 64, None, False, None)]

    def read(self, address, size):
        data = bytearray(self.debugger.read(address, size))
        if self.random.random() < self.rate:
            at = self.random.randrange(len(data))
            if at + 8 <= len(data) and self.random.random() < 0.7:
                word = self.random.choice(WORDS + (address, self.random.getrandbits(47), self.random.getrandbits(64)))
                data[at & ~7 : (at & ~7) + 8] = word.to_bytes(8, "little")
            else:
                data[at] ^= 1 << self.random.randrange(8)
        return bytes(data)


def __lldb_init_module(debugger, internal):
    helper = sys.modules["coldframe_lldb"]
    whole = helper._debugger(debugger.GetSelectedTarget())
    folder = tempfile.mkdtemp()
    count = 0
    for seed in range(SEEDS):
        damaged = Damaged(whole, seed)
        for name, function in helper.COMMANDS:
            argument = {"py-dump": os.path.join(folder, "%d.dmp" % seed), "py-print": "x", "py-repr": "0x1000", "py-frame": "1"}
            lines = []
            try:
                helper.run(function, damaged, argument.get(name, ""), lines.append)
            except Exception as error:
                print("%s, seed %d: %s: %s" % (name, seed, type(error).__name__, error))
            if any(ord(c) < 32 and c != "\t" for line in lines for c in line[:-1]):
                print("%s, seed %d: control characters: %r" % (name, seed, lines))
            count += 1
    print("commands: %d" % count)
